/**
 * Finds journal records that memory does not know: the store made them durable, but the answer to
 * `accept` was lost. In: the journal's ids. Out: such records are offered for delivery. A record
 * must be unknown in two sweeps in a row, because one that is just being accepted or just settled
 * looks the same in one.
 */
import type { JournalEntry, Store } from '../store/store.ts'
import type { DeliverEvents } from './events.ts'

const READ_BATCH = 100

export interface Sweep {
  start(): void
  stop(): void
  /** The journal is another's now: what was unknown in it does not count. */
  reset(): void
}

export interface SweepOptions {
  readonly store: Pick<Store, 'journal' | 'read' | 'leaseMs'>
  readonly events: Pick<DeliverEvents, 'storeFailed' | 'reconciled'>
  readonly isKnown: (record: string) => boolean
  readonly found: (entry: JournalEntry) => void
}

export function createSweep({ store, events, isKnown, found }: SweepOptions): Sweep {
  let suspects = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  let isStopped = true

  function schedule(): void {
    if (!isStopped) timer = setTimeout(() => void sweep(), store.leaseMs / 2)
  }

  async function sweep(): Promise<void> {
    const before = suspects
    try {
      const unknown = (await store.journal()).filter(record => !isKnown(record))
      // Reset meanwhile: these are the ids of a journal that is no longer ours.
      if (before === suspects) {
        suspects = new Set(unknown)
        await recover(unknown.filter(record => before.has(record)))
      }
    } catch (error) {
      events.storeFailed({ operation: 'reconcile', error: error as Error })
    }
    schedule()
  }

  async function recover(records: readonly string[]): Promise<void> {
    let count = 0
    for (let start = 0; start < records.length; start += READ_BATCH) {
      const entries = await store.read(records.slice(start, start + READ_BATCH))
      if (isStopped) return
      for (const entry of entries) {
        if (isKnown(entry.record)) continue
        found(entry)
        count += 1
      }
    }
    if (count > 0) events.reconciled({ count })
  }

  return {
    start: () => {
      isStopped = false
      schedule()
    },
    stop: () => {
      isStopped = true
      clearTimeout(timer)
    },
    reset: () => {
      suspects = new Set()
    },
  }
}
