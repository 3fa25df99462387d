/**
 * What follows an attempt. In: the verdict, how often it was tried, the policy, the time.
 * Out: how the delivery ends or waits, and what the attempt says of the destination. Pure.
 */
import type {
  AttemptResult,
  DeadReason,
  DeliveryPolicy,
  DeliveryVerdict,
} from '../model/delivery.ts'
import { retryDelayMs } from './backoff.ts'

export type NextStep =
  | { readonly end: 'delivered' }
  | { readonly end: 'retry'; readonly delayMs: number }
  | { readonly end: 'dead'; readonly reason: DeadReason }

export interface Tried {
  readonly verdict: DeliveryVerdict
  /** This attempt counted. */
  readonly attempts: number
  /** The destination may have acted on it although no answer came. */
  readonly isAmbiguous: boolean
  readonly policy: DeliveryPolicy
  /** Acceptance and now, epoch ms. */
  readonly receivedAt: number
  readonly now: number
  /** In [0, 1). */
  readonly random: number
}

/** Due again when a probe may be due; the open circuit decides when it goes out. */
const PARKED_MS = 1_000

export function nextStep(tried: Tried): NextStep {
  const { verdict, attempts, policy, now } = tried
  if (verdict.kind === 'delivered') return { end: 'delivered' }
  if (verdict.kind === 'dead') return { end: 'dead', reason: verdict.reason }
  if (verdict.kind === 'park') return { end: 'retry', delayMs: PARKED_MS }
  if (tried.isAmbiguous && !policy.retryAfterAmbiguous) return { end: 'dead', reason: 'rejected' }
  if (verdict.maxAttempts !== undefined && attempts >= verdict.maxAttempts) {
    const reason = verdict.result === 'egress_blocked' ? 'egress_blocked' : 'rejected'
    return { end: 'dead', reason }
  }
  if (now - tried.receivedAt >= policy.budgetMs) return { end: 'dead', reason: 'exhausted' }
  const delayMs = retryDelayMs({
    scheduleMs: policy.scheduleMs,
    attempts,
    result: verdict.result,
    afterMs: verdict.afterMs,
    random: tried.random,
  })
  return { end: 'retry', delayMs }
}

/**
 * What an attempt says of the destination as a whole: `failing` counts towards opening its
 * circuit, `gone` opens it at once, `throttled` pauses it, `alive` closes it, `unknown` is nothing.
 */
export type Health = 'alive' | 'failing' | 'gone' | 'throttled' | 'unknown'

const HEALTH: Readonly<Record<AttemptResult, Health>> = {
  ok: 'alive',
  duplicate: 'alive',
  http_3xx: 'alive',
  http_4xx: 'alive',
  body_rejected: 'alive',
  http_410: 'gone',
  http_429: 'throttled',
  http_5xx: 'failing',
  timeout: 'failing',
  connect_error: 'failing',
  dns_error: 'failing',
  tls_error: 'failing',
  reset: 'failing',
  // Nothing was sent, so nothing was learned.
  auth_failed: 'gone',
  egress_blocked: 'unknown',
  template_error: 'unknown',
}

export function healthOf(result: AttemptResult): Health {
  return HEALTH[result]
}
