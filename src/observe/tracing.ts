/**
 * Spans to an OpenTelemetry collector over OTLP/HTTP. Import this file only where tracing is
 * configured: it loads the SDK. In: facts. Out: batches of spans. Guarantees: no global state of
 * OpenTelemetry is used or set; a collector that is down, slow or wrong costs at most some memory
 * and then spans, never a postback; no span carries an address, an id of the network, or input.
 */
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace, type Context } from '@opentelemetry/api'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'
import {
  AlwaysOnSampler,
  BatchSpanProcessor,
  TracerProvider,
  type SpanExporter,
  type TracerProviderOptions,
} from '@opentelemetry/sdk-trace'
import type { Clock } from '../base/clock.ts'
import { random, randomText } from '../base/id.ts'
import { printable } from '../base/redact.ts'
import { parseTraceparent, toTraceparent, type TraceContext, type Tracing } from './trace.ts'

export interface TracingOptions {
  /** Where to post, whole: `http://collector:4318/v1/traces`. */
  readonly endpoint: string
  /** Share of postbacks that are traced, above 0 and up to 1. */
  readonly sample: number
  /** Sent with each batch. */
  readonly headers: Readonly<Record<string, string>>
  readonly version: string
  readonly clock: Clock
  /** Spans were lost, and why; at most once a minute. */
  readonly failed: (message: string) => void
}

/** Spans that wait for the collector; more are dropped. About 2 KiB each. */
const QUEUE = 2048
/** Small, because a batch is made into JSON in one go. */
const BATCH = 128
const BATCH_EVERY_MS = 1000
const TIMEOUT_MS = 5000
/** Batches under way at once, at the end or when a collector answers one byte at a time. */
const CONCURRENT = 4
const CLOSE_MS = 2000
const TELL_EVERY_MS = 60_000
/**
 * Whoever sends a postback may ask for it to be traced. Above this many a second such a wish counts
 * no more than that of others, so that nobody can trace everything at our cost.
 */
const WISHES_PER_SECOND = 50

export function createTracing(options: TracingOptions): Tracing {
  const { clock, sample } = options
  const provider = new TracerProvider({
    resource: resource(options.version),
    // Chosen before a span is made: see `isChosen`.
    sampler: new AlwaysOnSampler(),
    spanProcessors: [
      new BatchSpanProcessor({
        exporter: watched(options),
        maxQueueSize: QUEUE,
        maxExportBatchSize: BATCH,
        scheduledDelayMillis: BATCH_EVERY_MS,
        exportTimeoutMillis: 2 * TIMEOUT_MS,
      }),
    ],
  })
  const tracer = provider.getTracer('postern', options.version)
  const wishes = createAllowance(WISHES_PER_SECOND, clock)

  function isChosen(parent: TraceContext | undefined): boolean {
    if (parent && !parent.isSampled) return false
    return (parent !== undefined && wishes.take()) || random() < sample
  }

  return {
    begin: (network, receivedAt, header) => {
      const parent = parseTraceparent(header)
      if (!isChosen(parent)) return undefined
      const begun = clock.monotonic()
      const now = () => toTime(receivedAt + clock.monotonic() - begun)
      const span = tracer.startSpan(
        `receive ${network}`,
        { kind: SpanKind.SERVER, startTime: toTime(receivedAt) },
        contextOf(parent),
      )
      return {
        parent: toTraceparent(span.spanContext()),
        mark: stage => void span.addEvent(stage, undefined, now()),
        end: fact => {
          const { conversion } = fact
          span.setAttributes({
            'http.request.method': fact.method,
            'http.response.status_code': fact.httpStatus,
            'postern.network': network,
            'postern.outcome': fact.outcome,
            'postern.reason': fact.reason,
            'postern.destinations': [...fact.destinations],
            ...(fact.record === undefined ? {} : { 'postern.record': fact.record }),
            ...(conversion?.status === undefined ? {} : { 'postern.status': conversion.status }),
          })
          // A refusal is what the sender did wrong; a deferral is ours.
          if (fact.outcome === 'deferred') {
            span.setStatus({ code: SpanStatusCode.ERROR, message: fact.reason })
          }
          span.end(now())
        },
      }
    },

    attempted: (attempt, header) => {
      const parent = parseTraceparent(header)
      if (!parent) return
      const { destination, result, httpStatus } = attempt
      const ended = clock.now()
      const span = tracer.startSpan(
        `deliver ${destination}`,
        {
          kind: SpanKind.CLIENT,
          startTime: toTime(ended - attempt.durationMs),
          // A retry may be days after its parent ended, and a link says that this is meant.
          links: [{ context: spanContextOf(parent) }],
          attributes: {
            'postern.destination': destination,
            'postern.network': attempt.network,
            'postern.record': attempt.record,
            'postern.status': attempt.status,
            'postern.attempt': attempt.attempt,
            'postern.result': result,
            ...(httpStatus === undefined ? {} : { 'http.response.status_code': httpStatus }),
          },
        },
        contextOf(parent),
      )
      if (result !== 'ok' && result !== 'duplicate') {
        span.setStatus({ code: SpanStatusCode.ERROR, message: result })
      }
      span.end(toTime(ended))
    },

    close: async () => {
      const closed = provider.shutdown().catch(() => undefined)
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<void>(resolve => (timer = setTimeout(resolve, CLOSE_MS)))
      await Promise.race([closed, late])
      clearTimeout(timer)
    },
  }
}

/** The exporter, with its failures told: the SDK would keep them to itself. */
function watched({ endpoint, headers, clock, failed }: TracingOptions): SpanExporter {
  const exporter = new OTLPTraceExporter({
    url: endpoint,
    headers: { ...headers },
    timeoutMillis: TIMEOUT_MS,
    concurrencyLimit: CONCURRENT,
  })
  let toldAt = -Infinity
  let lost = 0
  return {
    export: (spans, done) =>
      exporter.export(spans, result => {
        // 0 is success.
        if (result.code !== 0) {
          lost += spans.length
          if (clock.monotonic() - toldAt >= TELL_EVERY_MS) {
            toldAt = clock.monotonic()
            const why = printable(result.error?.message ?? 'no reason given')
            failed(`tracing: ${lost} spans did not reach tracing.endpoint: ${why}`)
            lost = 0
          }
        }
        done(result)
      }),
    forceFlush: () => exporter.forceFlush(),
    shutdown: () => exporter.shutdown(),
  }
}

type Resource = NonNullable<TracerProviderOptions['resource']>

function resource(version: string): Resource {
  const attributes = {
    'service.name': 'postern',
    'service.version': version,
    'service.instance.id': randomText(10),
    'process.pid': process.pid,
  }
  const made: Resource = {
    attributes,
    getRawAttributes: () => Object.entries(attributes),
    // Nothing is merged here: the provider gets the whole of it.
    merge: other => other ?? made,
  }
  return made
}

function createAllowance(perSecond: number, clock: Clock): { take(): boolean } {
  let second = 0
  let taken = 0
  return {
    take: () => {
      const now = Math.floor(clock.monotonic() / 1000)
      if (now !== second) taken = 0
      second = now
      return taken++ < perSecond
    },
  }
}

function contextOf(parent: TraceContext | undefined): Context {
  return parent ? trace.setSpanContext(ROOT_CONTEXT, spanContextOf(parent)) : ROOT_CONTEXT
}

function spanContextOf({ traceId, spanId, isSampled }: TraceContext) {
  return { traceId, spanId, traceFlags: isSampled ? 1 : 0, isRemote: true }
}

/** As seconds and nanoseconds: a plain number could be taken for the monotonic clock. */
function toTime(ms: number): [number, number] {
  const seconds = Math.floor(ms / 1000)
  return [seconds, Math.round((ms - seconds * 1000) * 1e6)]
}
