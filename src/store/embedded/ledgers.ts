/** The books: counters beside what is really there. Inside one consistent view. */
import type { Ledger } from '../store.ts'
import type { Tables } from './tables.ts'

export function readLedgers(tables: Tables, now: number): readonly Ledger[] {
  const inJournal = new Map<string, number>()
  tables.journal.each(destinations => {
    for (const name of destinations) inJournal.set(name, (inJournal.get(name) ?? 0) + 1)
  })
  return tables.ledger.destinations().flatMap(destination => {
    const row = tables.ledger.get(destination)
    if (!row) return []
    const first = tables.queue.upcoming(destination, 1)[0]
    return {
      destination,
      ...row,
      pending: {
        journal: inJournal.get(destination) ?? 0,
        queued: tables.queue.count(destination),
      },
      deadKept: tables.dead.count(destination),
      overdueMs: first && first.due < now ? now - first.due : undefined,
    }
  })
}
