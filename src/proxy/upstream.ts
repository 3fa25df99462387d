/**
 * Connections to the tracker. In: a request whose target and headers are final. Out: its answer as
 * it comes, or the error. Guarantees: the host is that of the configuration, whatever a request
 * says; target and headers go out byte for byte; nothing is sent a second time.
 */
import type { Readable } from 'node:stream'
import { buildConnector, Pool, type Dispatcher } from 'undici'

export interface UpstreamRequest {
  readonly method: string
  readonly target: string
  /** Name, value, name, value … */
  readonly headers: string[]
  readonly body: Buffer | Readable | null
  /** Wait for the head of the answer, in ms. */
  readonly timeoutMs: number
  readonly signal: AbortSignal | undefined
}

export type UpstreamDone = (error: Error | null, answer: Dispatcher.ResponseData) => void

export interface UpstreamOptions {
  /** `scheme://host[:port]`. */
  readonly origin: string
  readonly connections: number
  /** Between two parts of an answer, and for a connection, in ms. */
  readonly timeoutMs: number
}

export interface Upstream {
  send(request: UpstreamRequest, done: UpstreamDone): void
  /** No new requests; running ones end by themselves. */
  close(): void
  /** Ends everything now. */
  destroy(): void
}

/** Below the 5 s after which common servers close an idle connection. */
const KEEP_ALIVE_MS = 4_000
const KEEP_ALIVE_MAX_MS = 60_000
const ANSWER_HEADER_BYTES = 65_536

export function createUpstream({ origin, connections, timeoutMs }: UpstreamOptions): Upstream {
  const { hostname } = new URL(origin)
  const dial = buildConnector({ allowH2: false, timeout: timeoutMs })
  const pool = new Pool(origin, {
    // The TLS name is the upstream's; undici would take it from the Host header of each request.
    connect: (options, callback) => dial({ ...options, servername: hostname }, callback),
    connections,
    pipelining: 1,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: KEEP_ALIVE_MAX_MS,
    maxHeaderSize: ANSWER_HEADER_BYTES,
    bodyTimeout: timeoutMs,
  })
  return {
    send: ({ method, target, headers, body, timeoutMs: headersTimeout, signal }, done) => {
      const options = {
        path: target,
        method: method as Dispatcher.HttpMethod,
        headers,
        body,
        headersTimeout,
        // The same for all, or undici would open a connection for each Host header.
        servername: hostname,
        ...(signal ? { signal } : {}),
      }
      pool.request(options, done)
    },
    close: () => void pool.close().catch(() => undefined),
    destroy: () => void pool.destroy().catch(() => undefined),
  }
}
