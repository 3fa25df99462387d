/** A scripted OpenTelemetry collector: a real HTTP server that keeps the spans it is sent. */
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Teardown } from './gateway.ts'

export interface CollectedSpan {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly kind: number
  readonly start: bigint
  readonly end: bigint
  readonly attributes: Readonly<Record<string, unknown>>
  readonly events: readonly { readonly name: string; readonly at: bigint }[]
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[]
  /** 0 unset, 2 error. */
  readonly status: { readonly code: number; readonly message: string | undefined }
  /** Of the process. */
  readonly resource: Readonly<Record<string, unknown>>
}

export interface Collector {
  /** Where spans are posted. */
  readonly endpoint: string
  readonly spans: readonly CollectedSpan[]
  readonly requests: readonly { readonly headers: IncomingHttpHeaders; readonly body: string }[]
  /** Requests that wait for an answer still. */
  waiting(): number
  /** From now on. */
  answerWith(answer: 'ok' | 'hang' | number): void
}

export async function startCollector(t: Teardown): Promise<Collector> {
  const spans: CollectedSpan[] = []
  const requests: { headers: IncomingHttpHeaders; body: string }[] = []
  let answer: 'ok' | 'hang' | number = 'ok'
  let waiting = 0
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString()
      requests.push({ headers: request.headers, body })
      waiting += 1
      response.once('close', () => (waiting -= 1))
      if (answer === 'hang') return
      if (answer === 'ok') spans.push(...readSpans(body))
      response.writeHead(answer === 'ok' ? 200 : answer, { 'content-type': 'application/json' })
      response.end('{}')
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return {
    endpoint: `http://127.0.0.1:${port}/v1/traces`,
    spans,
    requests,
    waiting: () => waiting,
    answerWith: next => {
      answer = next
    },
  }
}

interface AnyValue {
  readonly stringValue?: string
  readonly intValue?: number
  readonly doubleValue?: number
  readonly arrayValue?: { readonly values?: readonly AnyValue[] }
}
type Attributes = readonly { readonly key: string; readonly value: AnyValue }[]
interface WireSpan {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes?: Attributes
  readonly events?: readonly { readonly name: string; readonly timeUnixNano: string }[]
  readonly links?: readonly { readonly traceId: string; readonly spanId: string }[]
  readonly status: { readonly code?: number; readonly message?: string }
}
interface Export {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: Attributes }
    readonly scopeSpans: readonly { readonly spans: readonly WireSpan[] }[]
  }[]
}

/** https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding */
function readSpans(body: string): CollectedSpan[] {
  const { resourceSpans } = JSON.parse(body) as Export
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(scope =>
      scope.spans.map(span => ({
        name: span.name,
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId,
        kind: span.kind,
        start: BigInt(span.startTimeUnixNano),
        end: BigInt(span.endTimeUnixNano),
        attributes: toRecord(span.attributes ?? []),
        events: (span.events ?? []).map(event => ({
          name: event.name,
          at: BigInt(event.timeUnixNano),
        })),
        links: (span.links ?? []).map(({ traceId, spanId }) => ({ traceId, spanId })),
        status: { code: span.status.code ?? 0, message: span.status.message },
        resource: toRecord(resource.attributes),
      })),
    ),
  )
}

function toRecord(attributes: Attributes): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, plain(value)]))
}

function plain({ stringValue, intValue, doubleValue, arrayValue }: AnyValue): unknown {
  return stringValue ?? intValue ?? doubleValue ?? arrayValue?.values?.map(plain)
}
