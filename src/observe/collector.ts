/**
 * Gauges of what all gateways share, read from the store on a timer and never in a scrape: a slow
 * store must not make the metrics go away. Each round also tells whether the store answers.
 */
import type { Clock } from '../base/clock.ts'
import { unaccounted, type Ledger, type Store } from '../store/store.ts'
import type { Metrics } from './metrics.ts'

export interface CollectorOptions {
  readonly store: Pick<Store, 'ledgers' | 'type'>
  readonly metrics: Metrics
  readonly clock: Clock
  readonly inMemory: () => readonly { destination: string; waiting: number; inFlight: number }[]
  /** Every reading, with the monotonic time at which it was begun. */
  readonly read?: (ledgers: readonly Ledger[], startedAt: number) => void
  readonly storeAnswered: (isUp: boolean) => void
  readonly storeFailed: (fact: { operation: string; error: unknown }) => void
  readonly intervalMs?: number
}

export interface Collector {
  start(): void
  stop(): void
}

export function createCollector(options: CollectorOptions): Collector {
  const { store, metrics, clock, intervalMs = 2000 } = options
  let timer: NodeJS.Timeout | undefined
  let isStopped = false

  async function round(): Promise<void> {
    try {
      const startedAt = clock.monotonic()
      const ledgers = await store.ledgers()
      options.read?.(ledgers, startedAt)
      for (const ledger of ledgers) {
        const { destination, pending, deadKept, overdueMs = 0 } = ledger
        metrics.pending.set({ destination, state: 'in_memory' }, pending.journal)
        metrics.pending.set({ destination, state: 'queued' }, pending.queued)
        metrics.overdue.set({ destination }, overdueMs / 1000)
        metrics.deadLetters.set({ destination }, deadKept)
        metrics.ledger.set({ destination }, unaccounted(ledger))
      }
      metrics.ledgerAt.set(clock.now() / 1000)
      answered(true)
    } catch (error) {
      answered(false)
      options.storeFailed({ operation: 'ledgers', error })
    }
    for (const { destination, waiting, inFlight } of options.inMemory()) {
      metrics.inMemory.set({ destination }, waiting + inFlight)
    }
    if (!isStopped) timer = setTimeout(() => void round(), intervalMs)
  }

  function answered(isUp: boolean): void {
    metrics.storeUp.set({ store: store.type }, isUp ? 1 : 0)
    options.storeAnswered(isUp)
  }

  return {
    start: () => void round(),
    stop: () => {
      isStopped = true
      clearTimeout(timer)
    },
  }
}
