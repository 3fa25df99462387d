/** What becomes of deliveries, told once: log line and metrics together. */
import type { Logger } from 'pino'
import { printable } from '../base/redact.ts'
import type { Attempt, DeadReason } from '../model/delivery.ts'
import type { Metrics } from './metrics.ts'
import type { Tracing } from './trace.ts'

export interface DeliveryEnd {
  readonly destination: string
  readonly network: string
  readonly outcome: 'delivered' | 'dead'
  /** Undefined for `delivered`. */
  readonly reason: DeadReason | undefined
  readonly attempts: number
  /** From acceptance to this end, in ms. */
  readonly latencyMs: number
  readonly record?: string | undefined
  /** Printable, secrets masked. */
  readonly detail?: string | undefined
}

export const CIRCUIT_STATES = ['closed', 'half_open', 'open'] as const
export type CircuitState = (typeof CIRCUIT_STATES)[number]

export function createDeliveryEvents(
  logger: Logger,
  metrics: Metrics,
  tracing?: Pick<Tracing, 'attempted'>,
) {
  return {
    attempted(attempt: Attempt): void {
      const { destination, result, trace } = attempt
      metrics.attempts.inc(destination, result)
      metrics.attemptDuration.observe(attempt.durationMs / 1000, destination)
      if (tracing && trace !== undefined) tracing.attempted(attempt, trace)
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
      const { destination, outcome, reason, latencyMs } = end
      metrics.deliveries.inc(destination, outcome)
      if (outcome === 'delivered') metrics.deliveryLatency.observe(latencyMs / 1000, destination)
      else metrics.died.inc(destination, reason ?? 'rejected')
      const level = outcome === 'delivered' ? 'debug' : 'warn'
      if (!logger.isLevelEnabled(level)) return
      const { network, record, attempts, detail } = end
      const line = { destination, network, record, reason, attempts, ms: Math.round(latencyMs) }
      const fact = outcome === 'delivered' ? 'delivery.delivered' : 'delivery.died'
      logger[level]({ ...line, detail: detail && printable(detail) }, fact)
    },

    handedOver(fact: { destination: string; cause: string; count: number }): void {
      metrics.handedOver.add(fact.count, fact.destination, fact.cause)
      logger.debug(fact, 'delivery.handed_over')
    },

    circuit(fact: { destination: string; state: CircuitState; reason?: string }): void {
      const { destination, state } = fact
      metrics.circuitTransitions.inc(destination, state)
      showCircuit(metrics, destination, state)
      logger[state === 'open' ? 'warn' : 'info'](fact, `circuit.${state}`)
    },

    authFailed(fact: { destination: string; detail: string | undefined }): void {
      metrics.authFailures.inc(fact.destination)
      logger.warn(fact, 'destination.auth_failed')
    },

    confirmed(fact: {
      destination: string
      record: string
      request: string
      result: string
      reasons: readonly string[]
    }): void {
      const { destination, record, request, result, reasons } = fact
      metrics.confirmations.inc(destination, result)
      const isFine = result === 'confirmed' || result === 'duplicate'
      const line = { destination, record, request, result, reasons: reasons.join(', ') }
      logger[isFine ? 'debug' : 'warn'](line, 'delivery.confirmed')
    },

    /** `reason`: the kind of address that was refused. */
    egressBlocked(fact: { destination: string; reason: string }): void {
      metrics.egressBlocked.inc(fact.destination, fact.reason)
      logger.warn(fact, 'egress.blocked')
    },
  }
}

/** One-hot: 1 for the state it is in, 0 for the others. */
export function showCircuit(metrics: Metrics, destination: string, state: CircuitState): void {
  for (const one of CIRCUIT_STATES) {
    metrics.circuit.set(one === state ? 1 : 0, destination, one)
  }
}
