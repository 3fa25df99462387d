/**
 * Everything that happens, one function per fact: its log line and its metrics together, so that
 * neither can say what the other does not. Accepted and delivered are `debug`; what needs a person
 * is `info` or above. No line carries personal data; client addresses are truncated.
 */
import type { Logger } from 'pino'
import { printable, truncateAddress } from '../base/redact.ts'
import type { Conversion } from '../model/conversion.ts'
import type { Attempt, DeadReason } from '../model/delivery.ts'
import type { Outcome, Reason } from '../reasons.ts'
import { StoreError } from '../store/store.ts'
import type { Metrics } from './metrics.ts'

/** One postback and its answer. */
export interface PostbackFact {
  readonly network: string
  readonly method: string
  readonly outcome: Outcome
  readonly reason: Reason
  /** Which check or field decided; never input. */
  readonly detail: string | undefined
  readonly httpStatus: number
  readonly durationMs: number
  readonly client: string | undefined
  /** Epoch milliseconds. */
  readonly receivedAt: number
  /** As far as it could be read. */
  readonly conversion: Partial<Conversion> | undefined
  readonly record: string | undefined
  readonly destinations: readonly string[]
}

export interface DeliveryEnd {
  readonly destination: string
  readonly network: string
  readonly record: string
  readonly outcome: 'delivered' | 'dead'
  readonly reason: DeadReason | undefined
  readonly attempts: number
  readonly latencyMs: number
  readonly detail?: string | undefined
}

/** Label of the one upstream. */
const TRACKER = 'tracker'

export type CircuitState = 'closed' | 'half_open' | 'open'
const CIRCUIT_STATES: readonly CircuitState[] = ['closed', 'half_open', 'open']

export type Events = ReturnType<typeof createEvents>

export function createEvents(logger: Logger, metrics: Metrics, nowSeconds: () => number) {
  return {
    postback(fact: PostbackFact): void {
      const { network, outcome, reason, conversion } = fact
      metrics.inboundRequests.inc(network, fact.method, String(fact.httpStatus))
      metrics.inboundDuration.observe({ network }, fact.durationMs / 1000)
      metrics.postbacks.inc(network, outcome)
      metrics.lastPostback.set({ network }, nowSeconds())
      if (outcome === 'rejected') metrics.rejected.inc(network, reason)
      if (outcome === 'accepted' && conversion) countConversion(metrics, network, conversion)
      const level = outcome === 'deferred' ? 'warn' : outcome === 'rejected' ? 'info' : 'debug'
      if (!logger.isLevelEnabled(level)) return
      logger[level](
        postbackLine(fact),
        outcome === 'deferred' ? 'postback.deferred' : `postback.${outcome}`,
      )
    },

    unrouted(reason: Reason): void {
      metrics.unrouted.inc(reason)
      logger.debug({ reason }, 'request.unrouted')
    },

    deduped(verdict: string): void {
      metrics.dedupe.inc(verdict)
    },

    replayed(hit: boolean): void {
      metrics.replays.inc(hit ? 'hit' : 'miss')
    },

    enqueued(destinations: readonly string[]): void {
      for (const destination of destinations) metrics.enqueued.inc(destination)
    },

    attempted(attempt: Attempt): void {
      const { destination, result } = attempt
      metrics.attempts.inc(destination, result)
      metrics.attemptDuration.observe({ destination }, attempt.durationMs / 1000)
      if (!logger.isLevelEnabled('debug')) return
      const { record, network, status, httpStatus, durationMs, detail } = attempt
      logger.debug(
        {
          destination,
          network,
          record,
          status,
          attempt: attempt.attempt,
          result,
          http_status: httpStatus,
          ms: Math.round(durationMs),
          detail,
        },
        'delivery.attempted',
      )
    },

    ended(end: DeliveryEnd): void {
      const { destination, outcome, latencyMs } = end
      metrics.deliveries.inc(destination, outcome)
      const line = {
        destination,
        network: end.network,
        record: end.record,
        reason: end.reason,
        attempts: end.attempts,
        ms: Math.round(latencyMs),
        detail: end.detail,
      }
      if (outcome === 'delivered') {
        metrics.deliveryLatency.observe({ destination }, latencyMs / 1000)
        logger.debug(line, 'delivery.delivered')
      } else {
        logger.warn(line, 'delivery.died')
      }
    },

    handedOver(fact: { destination: string; cause: string; count: number }): void {
      metrics.handedOver.add(fact.count, fact.destination, fact.cause)
      logger.debug(fact, 'delivery.handed_over')
    },

    circuit(fact: { destination: string; state: CircuitState }): void {
      const { destination, state } = fact
      metrics.circuitTransitions.inc(destination, state)
      for (const one of CIRCUIT_STATES) {
        metrics.circuit.set({ destination, state: one }, one === state ? 1 : 0)
      }
      logger[state === 'open' ? 'warn' : 'info'](fact, `circuit.${state}`)
    },

    egressBlocked(fact: { destination: string; reason: string }): void {
      metrics.egressBlocked.inc(fact.destination)
      logger.warn(fact, 'egress.blocked')
    },

    storeFailed({ operation, error }: { operation: string; error: unknown }): void {
      const reason = error instanceof StoreError ? error.reason : 'unexpected'
      metrics.storeErrors.inc(operation, reason)
      const message = printable(error instanceof Error ? error.message : String(error))
      logger.warn({ operation, reason, message }, 'store.failed')
    },

    leaseLost({ dropped }: { dropped: number }): void {
      metrics.leasesLost.inc()
      logger.warn({ dropped }, 'lease.lost')
    },

    tookOver({ count }: { count: number }): void {
      metrics.recovered.add(count, 'taken_over')
      logger.info({ count }, 'journal.taken_over')
    },

    reconciled({ count }: { count: number }): void {
      metrics.recovered.add(count, 'reconciled')
      logger.info({ count }, 'journal.reconciled')
    },

    proxied({ status, durationMs }: { status: number; durationMs: number }): void {
      metrics.proxyRequests.inc(TRACKER, String(status))
      metrics.proxyDuration.observe({ upstream: TRACKER }, durationMs / 1000)
      if (status >= 502 && status <= 504) logger.debug({ status }, 'proxy.failed')
    },

    tapped(fact: { network: string; result: string }): void {
      metrics.proxyTaps.inc(fact.network, fact.result)
      // A copy that was given up is a conversion that the other destinations never get.
      logger[fact.result === 'dropped' ? 'warn' : 'debug'](fact, 'proxy.tapped')
    },

    /** `reason`: why it would have been refused. */
    tapVerified({ network, reason }: { network: string; reason: Reason | undefined }): void {
      if (reason === undefined) return
      metrics.tapUnverified.inc(network, reason)
      logger.debug({ network, reason }, 'proxy.unverified')
    },

    shadowed({ network, result }: { network: string; result: string }): void {
      metrics.shadowAnswers.inc(network, result)
    },

    /** One sample of many; what each tracker said is in the decision log. */
    shadowDiffered(fact: { network: string; result: string }): void {
      logger.info(fact, 'shadow.differed')
    },

    reloaded(fact: {
      ok: boolean
      networks: number
      destinations: number
      faults: readonly string[]
    }): void {
      metrics.reloads.inc(fact.ok ? 'ok' : 'error')
      metrics.reloadOk.set(fact.ok ? 1 : 0)
      if (fact.ok) {
        metrics.reloadAt.set(nowSeconds())
        logger.info({ networks: fact.networks, destinations: fact.destinations }, 'config.loaded')
      } else {
        logger.error({ faults: fact.faults }, 'config.refused')
      }
    },

    demoReceived(fact: { method: string; url: string; body: string }): void {
      logger.info(fact, 'demo.received')
    },

    started(fact: Readonly<Record<string, unknown>>): void {
      logger.info(fact, 'gateway.started')
    },

    stopping(signal: string): void {
      logger.info({ signal }, 'gateway.stopping')
    },

    stopped(): void {
      logger.info('gateway.stopped')
    },

    /** Something that must be mended by hand; the message says what and how. */
    warned(message: string): void {
      logger.warn({ message }, 'gateway.warned')
    },

    /** The process cannot go on. */
    failed(error: unknown): void {
      logger.error(
        { err: error instanceof Error ? error : new Error(String(error)) },
        'gateway.failed',
      )
    },
  }
}

function countConversion(metrics: Metrics, network: string, conversion: Partial<Conversion>): void {
  const { status = 'approved', payout, currency = 'none' } = conversion
  metrics.conversions.inc(network, status)
  // A histogram sum is a float by nature; exact money stays in the conversion.
  if (payout !== undefined) metrics.payout.observe({ network, currency, status }, Number(payout))
}

function postbackLine(fact: PostbackFact): Record<string, unknown> {
  const { conversion } = fact
  return {
    network: fact.network,
    reason: fact.reason,
    detail: fact.detail,
    http_status: fact.httpStatus,
    ms: Math.round(fact.durationMs * 10) / 10,
    client: fact.client === undefined ? undefined : truncateAddress(fact.client),
    record: fact.record,
    click_id: clip(conversion?.click_id),
    transaction_id: clip(conversion?.transaction_id),
    status: conversion?.status,
    event: clip(conversion?.event),
    payout: conversion?.payout,
    currency: conversion?.currency,
    destinations: fact.destinations.length > 0 ? fact.destinations.join(',') : undefined,
  }
}

function clip(value: string | undefined): string | undefined {
  return value === undefined ? undefined : printable(value, 80)
}
