/** How a destination is tried: the configuration over the rule or type, over the defaults. */
import type { DeliveryPolicy } from '../model/delivery.ts'
import type { DestinationOptions } from './options.ts'

/** What a rule or a type may say of its destination; milliseconds, attempts. */
export interface PolicyHints {
  readonly timeout_ms?: number
  readonly concurrency?: number
  readonly rate_per_second?: number
  readonly retry_after_ambiguous?: boolean
  readonly retry_schedule_ms?: readonly number[]
  /** Shorter where an answer is worthless after a time, such as the age limits of ad platforms. */
  readonly budget_hours?: number
}

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

export const DEFAULT_SCHEDULE_MS: readonly number[] = Object.freeze([
  5 * SECOND,
  30 * SECOND,
  2 * MINUTE,
  10 * MINUTE,
  30 * MINUTE,
  HOUR,
  2 * HOUR,
  4 * HOUR,
  8 * HOUR,
])

export function policyOf(config: DestinationOptions, hints: PolicyHints): DeliveryPolicy {
  const schedule = config.retry_schedule_ms ?? hints.retry_schedule_ms
  return Object.freeze({
    timeoutMs: config.timeout_ms ?? hints.timeout_ms ?? 10 * SECOND,
    concurrency: config.concurrency ?? hints.concurrency ?? 32,
    ratePerSecond: config.rate_per_second ?? hints.rate_per_second,
    memory: config.memory ?? 1000,
    scheduleMs: schedule ? Object.freeze([...schedule]) : DEFAULT_SCHEDULE_MS,
    budgetMs: Math.round((config.budget_hours ?? hints.budget_hours ?? 72) * HOUR),
    retryAfterAmbiguous: hints.retry_after_ambiguous ?? true,
    allowPrivate: Object.freeze([...(config.allow_private ?? [])]),
  })
}
