/** All that is kept of one conversion: found in one view, removed in one transaction. */
import type { DeadLetterId, Decision, Erased, Erasure } from '../store.ts'
import type { Tables } from './tables.ts'
import type { Tally } from './tally.ts'

export interface Found {
  readonly keys: ReadonlySet<string>
  readonly journal: readonly string[]
  readonly queue: readonly DeadLetterId[]
  readonly dead: readonly DeadLetterId[]
}

const SLICE = 500

export function findConversion(tables: Tables, erasure: Erasure): Found {
  const keys = new Set(erasure.keys)
  const pick = <T extends { readonly body: string }>(rows: Iterable<T>): T[] => {
    const picked: T[] = []
    for (const row of rows) {
      const key = erasure.keyOf(row.body)
      if (key === undefined) continue
      keys.add(key)
      picked.push(row)
    }
    return picked
  }
  const journal = pick(tables.journal.bodies()).map(({ record }) => record)
  const queue = pick(tables.queue.bodies())
  const dead = pick(tables.dead.bodies())
  // What was delivered long ago is known by its line in the log only.
  let cursor: number | undefined
  do {
    const slice = tables.decisions.slice(cursor, SLICE)
    for (const decision of slice.decisions) {
      const { conversion_id: id } = decision
      if (id !== undefined && erasure.isNoted(decision)) keys.add(id)
    }
    cursor = slice.cursor
  } while (cursor !== undefined)
  return { keys, journal, queue, dead }
}

export function eraseConversion(
  tables: Tables,
  tally: Tally,
  found: Found,
  erasure: Erasure,
): Erased {
  let pending = 0
  let deadLetters = 0
  for (const record of found.journal) {
    const destinations = tables.journal.destinations(record) ?? []
    for (const destination of destinations) tally.add(destination, 'discarded', 1)
    pending += destinations.length
    tables.journal.delete(record)
  }
  for (const { destination, record } of found.queue) {
    const row = tables.queue.get(destination, record)
    if (!row) continue
    tables.queue.delete(destination, record, row)
    tally.add(destination, 'discarded', 1)
    pending++
  }
  for (const id of found.dead) {
    const row = tables.dead.get(id)
    if (!row) continue
    tables.dead.delete(id, row)
    tally.add(id.destination, 'dead', -1)
    tally.add(id.destination, 'discarded', 1)
    deadLetters++
  }
  const states = [...found.keys].filter(key => tables.states.delete(key)).length
  const decisions = tables.decisions.erase(decision => isOf(decision, found.keys, erasure))
  return { states, pending, deadLetters, decisions }
}

function isOf(decision: Decision, keys: ReadonlySet<string>, erasure: Erasure): boolean {
  return keys.has(decision.conversion_id ?? '') || erasure.isNoted(decision)
}
