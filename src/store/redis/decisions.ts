/** The decision log: a capped list of JSON lines, newest first, on a key of its own. */
import type { Decision } from '../store.ts'
import type { Calls } from './calls.ts'
import { parseCount, parseTexts } from './reply.ts'

const PAGE = 500

export async function noteDecisions(
  calls: Calls,
  log: string,
  cap: number,
  decisions: readonly Decision[],
): Promise<void> {
  if (cap === 0 || decisions.length === 0) return
  // Pushed one by one from the left, so the last of them ends up first.
  await calls.command('lpush', log, ...decisions.map(decision => JSON.stringify(decision)))
  await calls.command('ltrim', log, '0', String(cap - 1))
}

export async function findDecisions(
  calls: Calls,
  log: string,
  query: { readonly limit: number; readonly text?: string },
): Promise<readonly Decision[]> {
  const found: Decision[] = []
  for (let start = 0; found.length < query.limit; start += PAGE) {
    const lines = parseTexts(
      await calls.command('lrange', log, String(start), String(start + PAGE - 1)),
    )
    for (const line of lines) {
      const decision = toDecision(line)
      if (found.length < query.limit && mentions(decision, query.text)) found.push(decision)
    }
    if (lines.length < PAGE) break
  }
  return found
}

/** Visits every line; one that `isErased` is taken out. How many. */
export async function eraseDecisions(
  calls: Calls,
  log: string,
  isErased: (decision: Decision) => boolean,
): Promise<number> {
  const lines = new Set<string>()
  for (let start = 0; ; start += PAGE) {
    const page = parseTexts(
      await calls.command('lrange', log, String(start), String(start + PAGE - 1)),
    )
    for (const line of page) if (isErased(toDecision(line))) lines.add(line)
    if (page.length < PAGE) break
  }
  let erased = 0
  for (const line of lines) erased += parseCount(await calls.command('lrem', log, '0', line))
  return erased
}

function mentions(decision: Decision, text: string | undefined): boolean {
  if (text === undefined || text === '') return true
  const { click_id, transaction_id, record, network } = decision
  return [click_id, transaction_id, record, network].some(value => value?.includes(text))
}

/** JSON drops what is undefined. */
function toDecision(line: string): Decision {
  // Only this file writes the list.
  const decision = JSON.parse(line) as Decision
  const { at, network, reason, detail, record, click_id, transaction_id, conversion_id } = decision
  const { status, destinations } = decision
  return {
    at,
    network,
    reason,
    detail,
    record,
    click_id,
    transaction_id,
    conversion_id,
    status,
    destinations,
  }
}
