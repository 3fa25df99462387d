/**
 * Token buckets: how many requests a second one address or one network may send. A bucket holds one
 * second's worth, so a burst of that size passes and the pace after it is the rate.
 *
 * Each process decides by buckets of its own, at once. Where the store has shared ones, what was
 * taken is told to them in one batch now and then, and what is left there, after all gateways, is
 * what is left here: together they hold the rate to within what they let through between two
 * exchanges. Counting each request in the store would be one more round trip for every postback,
 * paid by everybody to be exact about somebody who is refused anyway.
 */
import { LRUCache } from 'lru-cache'
import type { Clock } from '../base/clock.ts'
import type { RateUse, Store } from '../store/store.ts'

export interface Rates {
  /** True: go on. `perSecond` 0 is no limit. */
  take(key: string, perSecond: number): boolean
  /** Tells the shared buckets what was taken here, and takes over what is left. Never rejects. */
  exchange(): Promise<void>
  /** Exchanges now and then from here on, where buckets are shared. */
  start(): void
  close(): void
}

interface Bucket {
  tokens: number
  at: number
}

/** Beyond it the longest unseen is forgotten, and begins again with a full bucket. */
const MAX_BUCKETS = 20_000
const EXCHANGE_MS = 200
/** In one exchange; under a flood from more addresses than these, the others are counted here only. */
const MAX_EXCHANGED = 2_000

export function createRates(clock: Pick<Clock, 'monotonic'>, share?: Store['shareRates']): Rates {
  const buckets = new LRUCache<string, Bucket>({ max: MAX_BUCKETS })
  let taken = new Map<string, { perSecond: number; count: number }>()
  let timer: NodeJS.Timeout | undefined
  let isExchanging = false

  function note(key: string, perSecond: number): void {
    const before = taken.get(key)
    if (before) before.count++
    else if (taken.size < MAX_EXCHANGED) taken.set(key, { perSecond, count: 1 })
  }

  async function exchange(): Promise<void> {
    if (!share || isExchanging || taken.size === 0) return
    const told = [...taken].map(([name, { perSecond, count }]): RateUse => ({
      name,
      perSecond,
      taken: count,
    }))
    taken = new Map()
    isExchanging = true
    try {
      const left = await share(told)
      const at = clock.monotonic()
      for (const [index, { name }] of told.entries()) {
        const tokens = left[index]
        const since = taken.get(name)?.count ?? 0
        if (tokens !== undefined) buckets.set(name, { tokens: tokens - since, at })
      }
    } catch {
      // The store is away: each goes on by its own buckets. Who needs the store will say so.
    } finally {
      isExchanging = false
    }
  }

  return {
    take: (key, perSecond) => {
      if (perSecond === 0) return true
      const now = clock.monotonic()
      let bucket = buckets.get(key)
      if (!bucket) {
        bucket = { tokens: perSecond, at: now }
        buckets.set(key, bucket)
      }
      const filled = bucket.tokens + ((now - bucket.at) * perSecond) / 1000
      bucket.tokens = Math.min(perSecond, filled)
      bucket.at = now
      if (bucket.tokens < 1) return false
      bucket.tokens -= 1
      if (share) note(key, perSecond)
      return true
    },
    exchange,
    start: () => {
      if (share) timer ??= setInterval(() => void exchange(), EXCHANGE_MS)
    },
    close: () => clearInterval(timer),
  }
}
