/** Who is alive, and what becomes of the work of who is not. Inside a transaction. */
import type { Tables } from './tables.ts'

export function holdsLease(tables: Tables, owner: string, now: number): boolean {
  return (tables.owners.get(owner) ?? 0) > now
}

/** Ends the lease at once; an owner that leaves nothing behind is forgotten. */
export function retire(tables: Tables, owner: string): void {
  if (tables.journal.records(owner, 1).length === 0) tables.owners.delete(owner)
  else tables.owners.put(owner, 0)
}

export function hasDeadOwner(tables: Tables, self: string, now: number): boolean {
  return tables.owners.all().some(([owner, expiresAt]) => owner !== self && expiresAt <= now)
}

/** Moves at most `limit` records of dead owners to the queue; how many. */
export function moveDeadOwners(tables: Tables, self: string, limit: number, now: number): number {
  let moved = 0
  for (const [owner, expiresAt] of tables.owners.all()) {
    if (owner === self || expiresAt > now || moved >= limit) continue
    for (const record of tables.journal.records(owner, limit - moved)) {
      const row = tables.journal.get(record)
      if (!row) continue
      for (const destination of row.destinations) {
        const queued = { due: now, attempts: 0, claimer: '', after: '', body: row.body }
        tables.queue.put(destination, record, queued)
      }
      tables.journal.delete(record)
      moved++
    }
    // For good, even if the clock steps back: a half moved journal must not come alive again.
    retire(tables, owner)
  }
  return moved
}
