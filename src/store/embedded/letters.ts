/** Dead letters: listing, replay, discard. Inside a transaction. */
import type { DeadLetter, DeadLetterId, DeadPage } from '../store.ts'
import type { DeadPlace, DeadRow, Tables } from './tables.ts'
import type { Tally } from './tally.ts'

export function toLetter({ record, destination }: DeadLetterId, row: DeadRow): DeadLetter {
  return { record, destination, ...row }
}

export function listLetters(
  tables: Tables,
  query: { readonly destination?: string; readonly limit: number; readonly after?: string },
): DeadPage {
  const after = query.after === undefined ? undefined : parseCursor(query.after)
  if (after === 'invalid') return { letters: [], next: undefined }
  const { destination, limit } = query
  const places = tables.dead.newest({ destination, after, limit: limit + 1 })
  const shown = places.slice(0, limit)
  const last = shown.at(-1)
  return {
    letters: shown.flatMap(place => {
      const row = tables.dead.get(place)
      return row ? [toLetter(place, row)] : []
    }),
    next: last && places.length > limit ? toCursor(last) : undefined,
  }
}

/** Back into the queue, due now. How many of these there were. */
export function replayLetters(
  tables: Tables,
  tally: Tally,
  ids: readonly DeadLetterId[],
  now: number,
): number {
  let found = 0
  for (const id of ids) {
    const row = tables.dead.get(id)
    if (!row) continue
    tables.dead.delete(id, row)
    const queued = { due: now, attempts: 0, claimer: '', after: '', body: row.body }
    tables.queue.put(id.destination, id.record, queued)
    tally.add(id.destination, 'dead', -1)
    found++
  }
  return found
}

export function discardLetters(tables: Tables, tally: Tally, ids: readonly DeadLetterId[]): number {
  let found = 0
  for (const id of ids) {
    const row = tables.dead.get(id)
    if (!row) continue
    tables.dead.delete(id, row)
    tally.add(id.destination, 'dead', -1)
    tally.add(id.destination, 'discarded', 1)
    found++
  }
  return found
}

// Neither record ids nor destination names contain a dot.
function toCursor({ diedAt, record, destination }: DeadPlace): string {
  return `${diedAt}.${record}.${destination}`
}

function parseCursor(text: string): DeadPlace | 'invalid' {
  const [, diedAt, record, destination] = /^(\d{1,15})\.([^.]+)\.([^.]+)$/.exec(text) ?? []
  if (diedAt === undefined || record === undefined || destination === undefined) return 'invalid'
  return { diedAt: Number.parseInt(diedAt, 10), record, destination }
}
