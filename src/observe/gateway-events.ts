/** What becomes of the gateway itself: store, configuration, start and stop. */
import type { Logger } from 'pino'
import { printable } from '../base/redact.ts'
import { StoreError } from '../store/store.ts'
import { follow, type Configured } from './configured.ts'
import type { Metrics } from './metrics.ts'

export function createGatewayEvents(logger: Logger, metrics: Metrics, nowSeconds: () => number) {
  return {
    storeFailed(fact: { operation: string; error: unknown }): void {
      const { operation, error } = fact
      const reason = error instanceof StoreError ? error.reason : 'unexpected'
      metrics.storeErrors.inc(operation, reason)
      const message = printable(error instanceof Error ? error.message : String(error))
      logger.warn({ operation, reason, message }, 'store.failed')
    },

    /** This process was too late; `dropped` deliveries of its memory belong to others now. */
    leaseLost(fact: { dropped: number }): void {
      metrics.leasesLost.inc()
      logger.warn(fact, 'lease.lost')
    },

    tookOver(fact: { count: number }): void {
      metrics.recovered.add(fact.count, 'taken_over')
      logger.info(fact, 'journal.taken_over')
    },

    reconciled(fact: { count: number }): void {
      metrics.recovered.add(fact.count, 'reconciled')
      logger.info(fact, 'journal.reconciled')
    },

    /** These networks and destinations are in force: at start, and after each taken reload. */
    configured(configured: Configured): void {
      follow(metrics, configured, nowSeconds())
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

    /** A request passed through to an existing tracker. */
    proxied(fact: { upstream: string; httpStatus: number; durationMs: number }): void {
      metrics.proxyRequests.inc(fact.upstream, String(fact.httpStatus))
      metrics.proxyDuration.observe(fact.durationMs / 1000, fact.upstream)
    },

    /** `route` is the pattern, not the path. */
    administered(fact: { route: string; httpStatus: number }): void {
      metrics.adminRequests.inc(fact.route, String(fact.httpStatus))
    },

    demoReceived(fact: { method: string; url: string; body: string }): void {
      logger.info(fact, 'demo.received')
    },

    workerStarted(fact: Readonly<Record<string, unknown>>): void {
      logger.info(fact, 'worker.started')
    },

    workerDied(fact: { pid: number | undefined; code: number; signal: string }): void {
      logger.error(fact, 'worker.died')
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
      const err = error instanceof Error ? error : new Error(String(error))
      logger.error({ err }, 'gateway.failed')
    },
  }
}
