/**
 * The HTTP or HTTPS server under the edge: its time limits, sizes and certificate. What Node's
 * defaults leave open (five minutes for a request, any number of connections) is bounded here.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { ReceiveLimits } from './limits.ts'

/** PEM texts that belong together. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

export interface Listener {
  readonly server: Server
  /** For connections from now on. Nothing where the listener speaks plain HTTP. */
  setCertificate(certificate: Certificate): void
}

/** How late a timeout may be noticed. */
const TIMEOUT_CHECK_MS = 500
const KEEP_ALIVE_MS = 72_000

export interface ListenerOptions {
  readonly limits: ReceiveLimits
  readonly certificate: Certificate | undefined
  /** Of what is not a postback, where that is let through. */
  readonly foreign?: { readonly headerBytes: number; readonly requestTimeoutMs: number } | undefined
  readonly onRequest: (req: IncomingMessage, res: ServerResponse) => void
  /** `Expect` with something else than 100-continue. */
  readonly onExpectation: (req: IncomingMessage, res: ServerResponse) => void
  /** CONNECT: no response object, only a socket. */
  readonly onConnect: (socket: Socket) => void
  /** A connection was closed unread: too many, or no TLS where TLS is spoken. */
  readonly onDropped: (why: 'connections' | 'tls') => void
}

export function createListener(options: ListenerOptions): Listener {
  const { limits, certificate, foreign, onRequest, onExpectation, onConnect, onDropped } = options
  const http = {
    maxHeaderSize: Math.max(limits.urlBytes + limits.headerBytes, foreign?.headerBytes ?? 0),
    requestTimeout: foreign?.requestTimeoutMs ?? limits.requestTimeoutMs,
    headersTimeout: Math.min(limits.headerTimeoutMs, limits.requestTimeoutMs),
    connectionsCheckingInterval: TIMEOUT_CHECK_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    joinDuplicateHeaders: true,
    // The gate says so itself, with a reason.
    requireHostHeader: false,
    noDelay: true,
  }
  let secure: TlsServer | undefined
  if (certificate) {
    secure = createTlsServer(
      { ...http, ...certificate, handshakeTimeout: limits.headerTimeoutMs },
      onRequest,
    )
    secure.on('tlsClientError', () => onDropped('tls'))
  }
  // Node's two servers differ in their sockets only; Fastify asks for the plain one's type.
  const server = (secure as Server | undefined) ?? createServer(http, onRequest)
  // By default Node drops what comes after the 2000th header and says nothing: that could be the
  // X-Forwarded-For of a proxy. The gate counts them instead.
  server.maxHeadersCount = 0
  server.maxConnections = limits.connections
  server.on('checkExpectation', onExpectation)
  server.on('connect', (_request, socket) => onConnect(socket as Socket))
  server.on('drop', () => onDropped('connections'))
  return {
    server,
    setCertificate: next => secure?.setSecureContext({ ...next }),
  }
}
