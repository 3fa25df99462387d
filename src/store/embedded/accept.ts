/** One accept entry inside a transaction: look up, decide, write. */
import { advance, decide, predecessor } from '../decide.ts'
import type { Accepted, AcceptEntry } from '../store.ts'
import type { Tables } from './tables.ts'
import type { Tally } from './tally.ts'

const NOTHING = {
  duplicate: { verdict: 'duplicate', memory: [] },
  conflict: { verdict: 'conflict', memory: [] },
  stale: { verdict: 'stale', memory: [] },
} as const satisfies Record<string, Accepted>

export function acceptEntry(
  tables: Tables,
  tally: Tally,
  entry: AcceptEntry,
  now: number,
): Accepted {
  const { key, record, body } = entry
  const state = tables.states.get(key, now)
  const verdict = decide(state, entry)
  if (verdict !== 'new' && verdict !== 'update') return NOTHING[verdict]

  tables.states.put(key, advance(state, entry), now, entry.windowMs)
  const memory: string[] = []
  for (const { destination, hold, delayMs } of entry.placements) {
    tally.add(destination, 'enqueued', 1)
    const before = state && predecessor(state, destination)
    const isBehind = before !== undefined && isOutstanding(tables, before, destination)
    if (hold === 'memory' && !isBehind) {
      memory.push(destination)
      continue
    }
    const due = hold === 'queue' ? now + delayMs : now
    const after = isBehind ? before : ''
    tables.queue.put(destination, record, { due, attempts: 0, claimer: '', after, body })
  }
  if (memory.length > 0) tables.journal.put(record, { destinations: memory, body })
  return { verdict, memory }
}

/** A dead letter is not outstanding: waiting for a person would stop the lane for good. */
export function isOutstanding(tables: Tables, record: string, destination: string): boolean {
  return (
    tables.journal.destinations(record)?.includes(destination) === true ||
    tables.queue.has(destination, record)
  )
}
