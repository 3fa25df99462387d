/**
 * Traces, as the rest of the gateway sees them: one span a postback and one an attempt to deliver
 * it. Off unless configured: then nothing of OpenTelemetry is even loaded (see tracing.ts).
 */
import type { Attempt } from '../model/delivery.ts'
import type { PostbackFact } from './postback-events.ts'

/** One postback that was chosen to be traced. */
export interface Trace {
  /** W3C traceparent of its span, for the attempts: they may come days later, elsewhere. */
  readonly parent: string
  /** This stage is behind it. */
  mark(stage: 'verified' | 'normalized' | 'committed'): void
  end(fact: PostbackFact): void
}

/** Undefined where this postback is not traced. `parent`: the traceparent it came with, if any. */
export type BeginTrace = (
  network: string,
  receivedAt: number,
  parent: string | readonly string[] | undefined,
) => Trace | undefined

export interface Tracing {
  readonly begin: BeginTrace
  /** One attempt, which has just ended. */
  attempted(attempt: Attempt, parent: string): void
  /** Sends what waits, within two seconds. Never rejects. */
  close(): Promise<void>
}

export interface TraceContext {
  readonly traceId: string
  readonly spanId: string
  readonly isSampled: boolean
}

// https://www.w3.org/TR/trace-context/#traceparent-header-field-values
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/** Undefined for what must be ignored: the trace begins here then. */
export function parseTraceparent(
  header: string | readonly string[] | undefined,
): TraceContext | undefined {
  if (typeof header !== 'string') return undefined
  const [, version, traceId = '', spanId = '', flags = '', rest] = TRACEPARENT.exec(header) ?? []
  if (version === undefined || version === 'ff') return undefined
  // Later versions may say more after the flags.
  if (version === '00' && rest !== undefined) return undefined
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

export function toTraceparent({ traceId, spanId }: Omit<TraceContext, 'isSampled'>): string {
  return `00-${traceId}-${spanId}-01`
}
