/**
 * Token buckets: how many requests a second one address or one network may send. A bucket holds one
 * second's worth, so a burst of that size passes and the pace after it is the rate.
 *
 * Each process counts for itself. Counting together would be one more store call for every postback,
 * paid by everybody to be exact about somebody who is refused anyway. (@fastify/rate-limit works
 * behind routing and keeps its counts by request in Fastify's hooks; what is refused here is refused
 * before that, and some of it never has a route.)
 */
import { LRUCache } from 'lru-cache'
import type { Clock } from '../base/clock.ts'

export interface Rates {
  /** True: go on. `perSecond` 0 is no limit. */
  take(key: string, perSecond: number): boolean
}

interface Bucket {
  tokens: number
  at: number
}

/** Beyond it the longest unseen is forgotten, and begins again with a full bucket. */
const MAX_BUCKETS = 20_000

export function createRates(clock: Pick<Clock, 'monotonic'>): Rates {
  const buckets = new LRUCache<string, Bucket>({ max: MAX_BUCKETS })
  return {
    take: (key, perSecond) => {
      if (perSecond === 0) return true
      const now = clock.monotonic()
      const bucket = buckets.get(key)
      if (!bucket) {
        buckets.set(key, { tokens: perSecond - 1, at: now })
        return true
      }
      const filled = bucket.tokens + ((now - bucket.at) * perSecond) / 1000
      bucket.tokens = Math.min(perSecond, filled)
      bucket.at = now
      if (bucket.tokens < 1) return false
      bucket.tokens -= 1
      return true
    },
  }
}
