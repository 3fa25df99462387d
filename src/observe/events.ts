/**
 * Everything that happens, one function per fact: its log line and its metrics together, so that
 * neither can say what the other does not. Accepted and delivered are `debug`; what needs a person
 * is `info` or above. No line carries personal data; client addresses are truncated. Where tracing
 * is configured, the same calls end its spans.
 */
import type { Logger } from 'pino'
import { createDeliveryEvents } from './delivery-events.ts'
import { createGatewayEvents } from './gateway-events.ts'
import type { Metrics } from './metrics.ts'
import { createPostbackEvents } from './postback-events.ts'
import { createProxyEvents } from './proxy-events.ts'
import type { Tracing } from './trace.ts'

export type { PostbackFact } from './postback-events.ts'
export type { CircuitState, DeliveryEnd } from './delivery-events.ts'

export type Events = ReturnType<typeof createEvents>

export function createEvents(
  logger: Logger,
  metrics: Metrics,
  nowSeconds: () => number,
  tracing?: Pick<Tracing, 'begin' | 'attempted'>,
) {
  return {
    /** Absent where nothing is traced. */
    begin: tracing?.begin,
    ...createPostbackEvents(logger, metrics, nowSeconds),
    ...createDeliveryEvents(logger, metrics, tracing),
    ...createProxyEvents(logger, metrics),
    ...createGatewayEvents(logger, metrics, nowSeconds),
  }
}
