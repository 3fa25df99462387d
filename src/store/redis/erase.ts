/**
 * All that is kept of one conversion. Bodies are looked at here, page by page; what is found goes
 * in one script per partition, which counts it as discarded. Redis frees the memory; an append-only
 * file forgets with its next rewrite (BGREWRITEAOF), a snapshot with the next one.
 */
import type { Erased, Erasure } from '../store.ts'
import type { Calls } from './calls.ts'
import { eraseDecisions } from './decisions.ts'
import { parseList, parseTexts } from './reply.ts'
import { defineScript } from './script.ts'

const script = defineScript('erase')

const PAGE = '500'

export async function eraseConversion(calls: Calls, log: string, erasure: Erasure) {
  const keys = new Set(erasure.keys)
  const rows = Array.from({ length: calls.partitions }, () => [] as string[])
  for (const [partition, found] of rows.entries()) {
    for (const [kind, hash] of await hashesOf(calls, partition)) {
      for await (const [record, entry] of scan(calls, calls.key(partition, `${kind}:${hash}`))) {
        const key = erasure.keyOf(bodyOf(kind, entry))
        if (key === undefined) continue
        keys.add(key)
        found.push(kind, hash, record)
      }
    }
  }
  // The log is asked first, because it may be all that knows the key.
  await eraseDecisions(calls, log, decision => {
    const { conversion_id: id } = decision
    if (id !== undefined && erasure.isNoted(decision)) keys.add(id)
    return false
  })
  const replies = await calls.runAll(
    script,
    rows.map((found, partition) => ({ partition, args: [String(keys.size), ...keys, ...found] })),
  )
  const sums = replies
    .map(parseList)
    .reduce<number[]>((sum, counts) => sum.map((value, i) => value + Number(counts[i])), [0, 0, 0])
  const [states = 0, pending = 0, deadLetters = 0] = sums
  const decisions = await eraseDecisions(
    calls,
    log,
    decision => keys.has(decision.conversion_id ?? '') || erasure.isNoted(decision),
  )
  return { states, pending, deadLetters, decisions } satisfies Erased
}

type Kind = 'j' | 'q' | 'd'

/** Journals by owner, queues and dead letters by destination. */
async function hashesOf(calls: Calls, partition: number): Promise<(readonly [Kind, string])[]> {
  const owners = parseTexts(
    await calls.command('zrange', calls.key(partition, 'owners'), '0', '-1'),
  )
  const counters = parseTexts(await calls.command('hkeys', calls.key(partition, 'n')))
  const destinations = counters.flatMap(field => /^enq:(.*)$/.exec(field)?.[1] ?? [])
  return [
    ...owners.map(owner => ['j', owner] as const),
    ...destinations.flatMap(name => [['q', name] as const, ['d', name] as const]),
  ]
}

async function* scan(calls: Calls, key: string): AsyncGenerator<readonly [string, string]> {
  let cursor = '0'
  do {
    const reply = await calls.command('hscan', key, cursor, 'COUNT', PAGE)
    const [next, page]: unknown[] = Array.isArray(reply) ? reply : []
    const values = parseTexts(page)
    for (let i = 0; i + 1 < values.length; i += 2) yield [values[i] ?? '', values[i + 1] ?? '']
    cursor = String(next)
  } while (cursor !== '0')
}

/** What stands behind the lines of an entry's head; see prelude.lua. */
function bodyOf(kind: Kind, entry: string): string {
  let at = 0
  for (let line = { j: 1, q: 2, d: 3 }[kind]; line > 0; line--) at = entry.indexOf('\n', at) + 1
  return entry.slice(at)
}
