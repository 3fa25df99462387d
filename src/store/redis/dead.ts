/** Dead letters, listed over all partitions and taken out of one. */
import { partitionOf } from '../../base/id.ts'
import { StoreError, type DeadLetter, type DeadLetterId, type DeadPage } from '../store.ts'
import type { Calls } from './calls.ts'
import { parseCount, parseTexts } from './reply.ts'
import { defineScript } from './script.ts'

const list = defineScript('dead')
const exhume = defineScript('exhume')

const EXPIRE_SLICE = 500

export async function listDead(
  calls: Calls,
  query: { readonly destination?: string; readonly limit: number; readonly after?: string },
): Promise<DeadPage> {
  const start = query.after === undefined ? ['', '', ''] : parseCursor(query.after)
  if (!start) return { letters: [], next: undefined }
  const replies = await calls.runEverywhere(list, [
    query.destination ?? '',
    // One more than asked for shows whether there is another page.
    String(query.limit + 1),
    ...start,
  ])
  const letters = replies.flatMap(parseLetters).sort(newestFirst)
  const page = letters.slice(0, query.limit)
  const last = page.at(-1)
  const hasMore = letters.length > page.length
  return {
    letters: page,
    next: !last || !hasMore ? undefined : `${last.diedAt}~${last.record}~${last.destination}`,
  }
}

export async function readDead(calls: Calls, id: DeadLetterId): Promise<DeadLetter | undefined> {
  const { record, destination } = id
  if (!calls.mayHold(record)) return undefined
  const entry = await calls.command(
    'hget',
    calls.key(partitionOf(record), `d:${destination}`),
    record,
  )
  return typeof entry === 'string' ? parseLetter(record, destination, entry) : undefined
}

function parseCursor(text: string): readonly string[] | undefined {
  return /^(\d{1,16})~([^~]+)~([^~]+)$/.exec(text)?.slice(1)
}

/** How many of them there were. */
export async function exhumeDead(
  calls: Calls,
  action: 'replay' | 'discard',
  ids: readonly DeadLetterId[],
): Promise<number> {
  const groups = new Map<number, string[]>()
  for (const { record, destination } of ids) {
    if (!calls.mayHold(record)) continue
    const partition = partitionOf(record)
    let args = groups.get(partition)
    if (!args) groups.set(partition, (args = [action]))
    args.push(record, destination)
  }
  const replies = await calls.runAll(
    exhume,
    [...groups].map(([partition, args]) => ({ partition, args })),
  )
  return replies.reduce<number>((sum, reply) => sum + parseCount(reply), 0)
}

export async function expireDead(calls: Calls, keepMs: number): Promise<void> {
  const args = ['expire', String(keepMs), String(EXPIRE_SLICE)]
  for (let partition = 0; partition < calls.partitions; partition++) {
    while (parseCount(await calls.run(exhume, partition, args)) === EXPIRE_SLICE);
  }
}

function parseLetters(reply: unknown): DeadLetter[] {
  const values = parseTexts(reply)
  const letters: DeadLetter[] = []
  for (let i = 0; i + 3 < values.length; i += 4) {
    const [, record = '', destination = '', entry = ''] = values.slice(i, i + 4)
    letters.push(parseLetter(record, destination, entry))
  }
  return letters
}

/** Text after the third line is the body. */
function parseLetter(record: string, destination: string, entry: string): DeadLetter {
  const match = /^(\d+)\n(\d+)\n([^\n]*)\n([^]*)$/.exec(entry)
  const why: unknown = match ? JSON.parse(match[3] ?? '') : undefined
  if (!match || !Array.isArray(why)) {
    throw new StoreError(
      'layout',
      'a dead letter in Redis has a form that this version does not know',
    )
  }
  return {
    record,
    destination,
    body: match[4] ?? '',
    attempts: Number(match[1]),
    reason: String(why[0]),
    detail: String(why[1]),
    diedAt: Number(match[2]),
  }
}

/** As the script orders them: by bytes, which for these names is the order of the language. */
function newestFirst(a: DeadLetter, b: DeadLetter): number {
  if (a.diedAt !== b.diedAt) return b.diedAt - a.diedAt
  if (a.record !== b.record) return a.record < b.record ? 1 : -1
  return a.destination < b.destination ? 1 : -1
}
