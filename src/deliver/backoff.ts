/**
 * How long until the next attempt. In: schedule, attempts made, what the destination asked for.
 * Out: ms. Pure, with randomness passed in.
 */
import { RETRY_AFTER_MAX_MS } from '../model/answer.ts'
import type { AttemptResult } from '../model/delivery.ts'

/** "Slow down" without a time: at least this long. */
const THROTTLED_MIN_MS = 1_000
/** What a destination asked for is exceeded by up to this share, so that not all return at once. */
const SPREAD = 0.1
const FALLBACK_MS = 60_000

export interface RetryDelay {
  readonly scheduleMs: readonly number[]
  /** Attempts made, the failed one counted; at least 1. */
  readonly attempts: number
  readonly result: AttemptResult
  /** From `Retry-After`; undefined where none was sent. */
  readonly afterMs: number | undefined
  /** In [0, 1). */
  readonly random: number
}

/**
 * Full jitter over the schedule's wait: uniform in [0, wait).
 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 * Never earlier than the destination asked for, never later than a day.
 */
export function retryDelayMs(options: RetryDelay): number {
  const { scheduleMs, attempts, result, afterMs, random } = options
  if (afterMs !== undefined) {
    return Math.min(
      Math.ceil(afterMs * (1 + SPREAD * random)),
      Math.max(afterMs, RETRY_AFTER_MAX_MS),
    )
  }
  const wait = scheduleMs[Math.min(attempts, scheduleMs.length) - 1] ?? FALLBACK_MS
  const jittered = Math.floor(wait * random)
  return result === 'http_429' ? Math.max(jittered, THROTTLED_MIN_MS) : jittered
}
