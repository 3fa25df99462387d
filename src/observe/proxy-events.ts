/** What passes through to the tracker behind this gateway, and what a second one says of it. */
import type { Logger } from 'pino'
import type { Reason } from '../reasons.ts'
import type { Metrics } from './metrics.ts'

export function createProxyEvents(logger: Logger, metrics: Metrics) {
  return {
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
  }
}
