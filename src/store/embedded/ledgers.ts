/** The books: counters beside what is really there. */
import type { Ledger } from '../store.ts'
import type { Tables } from './tables.ts'

/**
 * Counts what is really there, of one consistent view. Everything but the journal is read at once;
 * the journal may be long, so each `next` counts one slice of it, and the last one has the ledgers.
 * In: tables inside a view. To be returned where it is not used up.
 */
export function* readLedgers(
  tables: Tables,
  now: number,
  slice: number,
): Generator<undefined, readonly Ledger[], undefined> {
  const slices = tables.journal.slices(slice)
  const inJournal = new Map<string, number>()
  const count = (records: readonly (readonly string[])[]): void => {
    for (const destinations of records) {
      for (const name of destinations) inJournal.set(name, (inJournal.get(name) ?? 0) + 1)
    }
  }
  try {
    // The first slice fixes the view, in the same turn as what is read next.
    const first = slices.next()
    if (!first.done) count(first.value)
    const counted = tables.ledger.destinations().flatMap(destination => {
      const row = tables.ledger.get(destination)
      if (!row) return []
      const next = tables.queue.upcoming(destination, 1)[0]
      return {
        destination,
        ...row,
        queued: tables.queue.count(destination),
        deadKept: tables.dead.count(destination),
        overdueMs: next && next.due < now ? now - next.due : undefined,
      }
    })
    for (const records of slices) {
      yield
      count(records)
    }
    return counted.map(({ queued, ...ledger }) => ({
      ...ledger,
      pending: { journal: inJournal.get(ledger.destination) ?? 0, queued },
    }))
  } finally {
    slices.return()
  }
}
