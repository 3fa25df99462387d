/**
 * Brings due deliveries from the store queue into memory. In: what each lane can take. Out: claimed
 * deliveries. One timer for all destinations: it runs when something is due, when room appears,
 * and at least every second.
 */
import type { Clock } from '../base/clock.ts'
import type { ClaimedDelivery, ClaimRequest, Store } from '../store/store.ts'
import type { DeliverEvents } from './events.ts'
import type { Lane } from './lane.ts'

const AT_MOST_MS = 1_000
/** Between two calls, however much is due. */
const AT_LEAST_MS = 5
/** What a claim lasts beyond the attempt's own timeout … */
const CLAIM_SPARE_MS = 30_000
/** … and how much of that must be left when the attempt starts. */
const SETTLE_SPARE_MS = 10_000

export interface Claims {
  start(): void
  /** No further claims; resolves when none is under way. */
  stop(): Promise<void>
  /** Look again soon: room appeared. */
  wake(): void
  /** Something is due after so many ms. */
  dueIn(delayMs: number): void
}

export interface ClaimsOptions {
  readonly store: Pick<Store, 'claim'>
  readonly clock: Clock
  readonly events: Pick<DeliverEvents, 'storeFailed'>
  readonly lanes: () => Iterable<readonly [string, Lane]>
  /** Changes when the lease was lost: an answer to an earlier call is void. */
  readonly losses: () => number
  /** `startBefore`: monotonic ms. */
  readonly claimed: (delivery: ClaimedDelivery, startBefore: number) => void
}

export function createClaims(options: ClaimsOptions): Claims {
  const { store, clock, events, lanes, losses, claimed } = options
  let timer: NodeJS.Timeout | undefined
  let dueAt = Number.POSITIVE_INFINITY
  let running: Promise<void> | undefined
  let isStopped = true
  /** Some lane got all it asked for, or was too full to ask: the queue may hold more for it. */
  let hasMore = false

  function schedule(delayMs: number): void {
    if (isStopped) return
    const at = clock.monotonic() + delayMs
    if (at >= dueAt) return
    clearTimeout(timer)
    dueAt = at
    timer = setTimeout(run, delayMs)
  }

  function run(): void {
    dueAt = Number.POSITIVE_INFINITY
    running ??= claim().then(nextMs => {
      running = undefined
      schedule(Math.min(AT_MOST_MS, Math.max(AT_LEAST_MS, nextMs)))
    })
  }

  /** Resolves to when to look again, in ms. */
  async function claim(): Promise<number> {
    const requests: ClaimRequest[] = []
    const allowance = new Map<string, number>()
    let nextMs = AT_MOST_MS
    let isFull = false
    for (const [destination, lane] of lanes()) {
      const max = lane.claimable()
      const waitMs = lane.waitMs()
      nextMs = Math.min(nextMs, waitMs ?? AT_MOST_MS)
      if (max === 0) {
        isFull ||= waitMs === undefined
        continue
      }
      requests.push({ destination, max, leaseMs: lane.timeoutMs() + CLAIM_SPARE_MS })
      allowance.set(destination, max)
    }
    hasMore = isFull
    if (requests.length === 0) return nextMs
    const sentAt = clock.monotonic()
    const before = losses()
    try {
      const { deliveries, nextDueMs } = await store.claim(requests)
      if (losses() !== before) return nextMs
      for (const delivery of deliveries) {
        claimed(delivery, sentAt + CLAIM_SPARE_MS - SETTLE_SPARE_MS)
        allowance.set(delivery.destination, (allowance.get(delivery.destination) ?? 0) - 1)
      }
      hasMore ||= [...allowance.values()].some(left => left <= 0)
      return Math.min(nextMs, nextDueMs ?? AT_MOST_MS)
    } catch (error) {
      events.storeFailed({ operation: 'claim', error: error as Error })
      return AT_MOST_MS
    }
  }

  return {
    start: () => {
      isStopped = false
      schedule(0)
    },
    stop: async () => {
      isStopped = true
      clearTimeout(timer)
      await running
    },
    wake: () => {
      if (hasMore && !running) schedule(AT_LEAST_MS)
    },
    dueIn: delayMs => schedule(Math.min(AT_MOST_MS, Math.max(AT_LEAST_MS, delayMs))),
  }
}
