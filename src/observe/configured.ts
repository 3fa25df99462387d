/**
 * Metrics follow the configuration: series of what is configured exist from the start, those of
 * what was removed go. A counter that is born with its first increment hides that increment from
 * rate(), and with it the first burst an alert is for.
 */
import { ATTEMPT_RESULTS, CONFIRMATION_RESULTS, DEAD_REASONS } from '../model/delivery.ts'
import { STATUSES } from '../model/status.ts'
import { REASON_CODES, REASONS, type Reason } from '../reasons.ts'
import { CATALOGUE, type MetricKey, type MetricSpec } from './catalogue.ts'
import { CIRCUIT_STATES } from './delivery-events.ts'
import type { Metrics } from './metrics.ts'

export interface Configured {
  readonly networks: readonly {
    readonly id: string
    /** 0 where its silence is no alarm. */
    readonly maxSilenceSeconds: number
    /** What its payouts are in where it does not say; others are declared when they come. */
    readonly currency: string
  }[]
  readonly destinations: readonly string[]
  /** Those of them that judge later what they took in. */
  readonly judgingLater?: readonly string[]
  /** Where this gateway stands in front of a tracker. */
  readonly proxy?: {
    readonly upstreams: readonly string[]
    /** A second tracker is compared with it. */
    readonly isShadowed: boolean
  }
}

const OUTCOMES = [...new Set(REASON_CODES.map(code => REASONS[code].outcome))]
/** Whoever is not the network fails with one of these; the alert on a burst of them needs zeros. */
export const AUTHENTICATION_REASONS = REASON_CODES.filter(
  code => REASONS[code].http === 401 || code === 'ip_denied' || code === 'ip_unparseable',
)
const DEFERRALS = REASON_CODES.filter(code => REASONS[code].outcome === 'deferred')
/** What comes before a network is known. */
const UNROUTED_REASONS: readonly Reason[] = [
  'unknown_network',
  'bad_path',
  'malformed_http',
  'method_not_allowed',
  'headers_too_large',
  'request_timeout',
]
const ENDS = ['delivered', 'dead']
const HANDED_OVER = ['circuit', 'paused', 'memory_full', 'claim_lapsed', 'removed', 'drain']
const EGRESS = ['private', 'loopback', 'link_local', 'metadata', 'reserved', 'embedded_v4', 'port']
/** Calls that are told of when they fail, and why they can. */
const STORE_CALLS = ['accept', 'settle', 'claim', 'heartbeat', 'take_over', 'look', 'note', 'expire', 'ledgers', 'connection', 'open'] // prettier-ignore
const STORE_FAILURES = ['timeout', 'connection', 'full', 'lease_lost', 'unexpected']
const TAPS = ['copied', 'stored', 'refused', 'unread', 'dropped']
const SHADOW_ANSWERS = ['agree', 'differ', 'failed', 'skipped']

/** Forgets what is no longer configured, then declares what is. Existing values stay. */
export function follow(metrics: Metrics, configured: Configured, nowSeconds: number): void {
  retain(metrics, configured)
  declare(metrics, configured, nowSeconds)
}

function retain(metrics: Metrics, { networks, destinations }: Configured): void {
  const kept: Readonly<Record<string, ReadonlySet<string>>> = {
    network: new Set(networks.map(network => network.id)),
    destination: new Set(destinations),
  }
  for (const key of Object.keys(CATALOGUE) as MetricKey[]) {
    const { labels, isShared }: MetricSpec = CATALOGUE[key]
    // Shared state is replaced whole by the collector: a removed destination may still be owed.
    const known = isShared ? undefined : kept[labels[0] ?? '']
    if (known) metrics[key].retain(known)
  }
}

function declare(metrics: Metrics, configured: Configured, nowSeconds: number): void {
  for (const { id, maxSilenceSeconds, currency } of configured.networks) {
    for (const outcome of OUTCOMES) metrics.postbacks.declare(id, outcome)
    for (const reason of AUTHENTICATION_REASONS) metrics.rejected.declare(id, reason)
    for (const reason of DEFERRALS) metrics.deferred.declare(id, reason)
    for (const status of STATUSES) {
      metrics.conversions.declare(id, status)
      metrics.payout.declare(id, currency, status)
    }
    for (const method of ['GET', 'POST']) {
      for (const code of ['200', '503']) metrics.inboundRequests.declare(id, method, code)
    }
    metrics.inboundDuration.declare(id)
    metrics.lastPostback.init(nowSeconds, id)
    metrics.maxSilence.set(maxSilenceSeconds, id)
  }
  for (const destination of configured.destinations) {
    metrics.enqueued.declare(destination)
    metrics.authFailures.declare(destination)
    for (const reason of DEAD_REASONS) metrics.died.declare(destination, reason)
    for (const end of ENDS) metrics.deliveries.declare(destination, end)
    for (const result of ATTEMPT_RESULTS) metrics.attempts.declare(destination, result)
    for (const cause of HANDED_OVER) metrics.handedOver.declare(destination, cause)
    for (const reason of EGRESS) metrics.egressBlocked.declare(destination, reason)
    metrics.attemptDuration.declare(destination)
    metrics.deliveryLatency.declare(destination)
    for (const state of CIRCUIT_STATES) {
      metrics.circuit.init(state === 'closed' ? 1 : 0, destination, state)
      metrics.circuitTransitions.declare(destination, state)
    }
  }
  declareProxy(metrics, configured)
  for (const call of STORE_CALLS) {
    for (const reason of STORE_FAILURES) metrics.storeErrors.declare(call, reason)
  }
  for (const destination of configured.judgingLater ?? []) {
    for (const result of [...CONFIRMATION_RESULTS, 'unknown']) {
      metrics.confirmations.declare(destination, result)
    }
  }
  for (const result of ['new', 'update', 'duplicate', 'stale', 'conflict']) {
    metrics.dedupe.declare(result)
  }
  for (const result of ['hit', 'miss']) metrics.replays.declare(result)
  for (const result of ['ok', 'error']) metrics.reloads.declare(result)
  for (const reason of UNROUTED_REASONS) metrics.unrouted.declare(reason)
  for (const how of ['taken_over', 'reconciled']) metrics.recovered.declare(how)
  for (const level of ['debug', 'info', 'warn', 'error']) metrics.logMessages.declare(level)
}

function declareProxy(metrics: Metrics, { networks, proxy }: Configured): void {
  for (const upstream of proxy?.upstreams ?? []) {
    for (const code of ['200', '502', '504']) metrics.proxyRequests.declare(upstream, code)
    metrics.proxyDuration.declare(upstream)
  }
  if (!proxy) return
  for (const { id } of networks) {
    for (const result of TAPS) metrics.proxyTaps.declare(id, result)
    for (const reason of AUTHENTICATION_REASONS) metrics.tapUnverified.declare(id, reason)
    if (!proxy.isShadowed) continue
    for (const result of SHADOW_ANSWERS) metrics.shadowAnswers.declare(id, result)
  }
}
