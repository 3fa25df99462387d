/**
 * Ownership of the journal, by heartbeat. In: the store. Out: whether this process may still send
 * from memory. The store counts the lease in its own time; here the monotonic clock counts from
 * when the heartbeat was sent, with a margin, so that a paused process finds itself late before
 * it sends what another has taken over.
 */
import type { Clock } from '../base/clock.ts'
import type { Store } from '../store/store.ts'
import type { DeliverEvents } from './events.ts'

const BEATS_PER_LEASE = 3
/** Share of the lease kept back for clocks and calls that take their time. */
const MARGIN = 0.2
const TAKE_OVER_BATCH = 500

export interface Lease {
  /** False: stop sending until the next heartbeat has answered. */
  readonly isHeld: () => boolean
  /** How often the lease was lost: work claimed before a loss is void after it. */
  readonly losses: () => number
  start(): void
  stop(): void
}

export interface LeaseOptions {
  readonly store: Pick<Store, 'heartbeat' | 'takeOver' | 'leaseMs'>
  readonly clock: Clock
  readonly events: Pick<DeliverEvents, 'storeFailed' | 'tookOver'>
  /** Another may own what memory holds. */
  readonly lost: () => void
  /** Work of dead owners is in the queue now. */
  readonly moved: () => void
  /** A heartbeat confirmed the lease; sending may go on. */
  readonly held: () => void
}

export function createLease(options: LeaseOptions): Lease {
  const { store, clock, events, lost, held, moved } = options
  let confirmedAt = clock.monotonic()
  let lostCount = 0
  let timer: NodeJS.Timeout | undefined
  let isStopped = true

  function schedule(delayMs: number): void {
    if (!isStopped) timer = setTimeout(() => void beat(), delayMs)
  }

  async function beat(): Promise<void> {
    const sentAt = clock.monotonic()
    try {
      if ((await store.heartbeat()) === 'lost') {
        lostCount += 1
        lost()
      }
      confirmedAt = sentAt
      held()
    } catch (error) {
      events.storeFailed({ operation: 'heartbeat', error: error as Error })
      return schedule(store.leaseMs / (BEATS_PER_LEASE * 3))
    }
    await takeOver()
    schedule(store.leaseMs / BEATS_PER_LEASE)
  }

  async function takeOver(): Promise<void> {
    try {
      const count = await store.takeOver(TAKE_OVER_BATCH)
      if (count > 0) {
        events.tookOver({ count })
        moved()
      }
      // A big journal goes slice by slice, and the heartbeat must not wait for it.
      if (count >= TAKE_OVER_BATCH && !isStopped) setImmediate(() => void takeOver())
    } catch (error) {
      events.storeFailed({ operation: 'take_over', error: error as Error })
    }
  }

  return {
    isHeld: () => clock.monotonic() - confirmedAt < store.leaseMs * (1 - MARGIN),
    losses: () => lostCount,
    start: () => {
      isStopped = false
      void beat()
    },
    stop: () => {
      isStopped = true
      clearTimeout(timer)
    },
  }
}
