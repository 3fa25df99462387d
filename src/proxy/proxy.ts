/**
 * In front of an existing tracker. In: the edge's HTTP server, with every request that is not under
 * `/in/`. Out: the tracker's answers; postbacks are tapped or gated on the way. Guarantees: one
 * fixed upstream, nothing is sent to it twice by passing through, no unbounded memory.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { ServerResponse, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Clock } from '../base/clock.ts'
import { createBacklog } from './backlog.ts'
import { hasBody, isDeclaredOver, limited } from './body.ts'
import { createCopies } from './copies.ts'
import { requestHeaders, type Forwarded } from './headers.ts'
import { registerPass, type Passing } from './pass.ts'
import { UPSTREAM, type ProxyPorts } from './ports.ts'
import { createPostbacks } from './postbacks.ts'
import { createTunnels, isWebSocket } from './tunnel.ts'
import { createUpstream, type Upstream } from './upstream.ts'

export interface ProxyOptions {
  readonly http: FastifyInstance
  /** Path that the edge rewrites foreign requests to. */
  readonly route: string
  readonly ports: ProxyPorts
  readonly clock: Clock
  /** False for what the edge keeps for itself. */
  readonly isForeign: (target: string) => boolean
  readonly isDraining: () => boolean
}

export interface Proxy {
  /** The rules were swapped: another upstream gets new connections. */
  reload(): void
  /** Tapped postbacks pending for the tracker, by a reading that began at `startedAt`. */
  backlogRead(pending: number, startedAt: number): void
  /** Ends WebSocket connections, which would hold the server open. */
  endTunnels(): void
  /** After the server has closed: the last copies go in. */
  close(): Promise<void>
}

/** Gateways a request may pass through; more is a loop. */
const MAX_HOPS = 5

export function createProxy(options: ProxyOptions): Proxy {
  const { http, route, ports, clock, isForeign, isDraining } = options
  const backlog = createBacklog(clock)
  const copies = createCopies({
    clock,
    dropped: network => ports.events.tapped({ network, result: 'dropped' }),
    failed: error => ports.events.failed(error),
  })
  const take = createPostbacks({ ports, backlog, copies, clock })
  let upstream = openUpstream()
  let opened = signature()

  function openUpstream(): Upstream {
    const { origin, connections, timeoutMs } = ports.rules()
    return createUpstream({ origin, connections, timeoutMs })
  }

  function signature(): string {
    const { origin, connections, timeoutMs } = ports.rules()
    return JSON.stringify([origin, connections, timeoutMs])
  }

  function forwardedOf(req: IncomingMessage): Forwarded {
    const { headers, socket } = req
    const isTrusted = ports.isTrusted(socket.remoteAddress)
    const theirs = (name: string): string | undefined =>
      isTrusted ? textOf(headers[name])?.split(',').at(-1)?.trim() : undefined
    return {
      client: ports.client(req),
      proto: theirs('x-forwarded-proto') === 'https' ? 'https' : 'http',
      host: theirs('x-forwarded-host') ?? headers.host ?? '',
      port: theirs('x-forwarded-port'),
      hop: hopOf(req),
    }
  }

  function headersOf(req: IncomingMessage): string[] {
    const { origin, preserveHost } = ports.rules()
    // HTTP/1.0 may name none.
    const host = (preserveHost && req.headers.host) || new URL(origin).host
    return requestHeaders(req.rawHeaders, req.headers.connection, host, forwardedOf(req))
  }

  function told(httpStatus: number, started: number): void {
    const durationMs = clock.monotonic() - started
    ports.events.proxied({ upstream: UPSTREAM, httpStatus, durationMs })
  }

  function prepare(
    request: FastifyRequest,
    reply: FastifyReply,
    go: (passing: Passing) => void,
  ): void {
    const { raw: req } = request
    const started = clock.monotonic()
    const rules = ports.rules()
    const { originalUrl: target } = request
    const answered = (status: number): void => told(status, started)
    const refuse = (status: number, text: string): void => {
      answered(status)
      reply.hijack()
      reply.raw.writeHead(status, { 'content-type': 'text/plain', connection: 'close' })
      reply.raw.end(text, () => req.destroy())
    }
    if (hopOf(req) > MAX_HOPS) return refuse(508, 'The upstream leads back to this gateway.\n')
    if (isDeclaredOver(req, rules.bodyBytes)) {
      return refuse(413, 'The request is larger than this gateway passes on.\n')
    }
    const headers = headersOf(req)
    const pass = (
      body: Passing['request']['body'] | undefined,
      signal: AbortSignal | undefined,
      timeoutMs: number,
      more: Partial<Passing>,
    ): void => {
      const streamed = body === undefined && hasBody(req) ? limited(req, rules.bodyBytes) : null
      go({
        request: {
          method: req.method ?? 'GET',
          target,
          headers,
          body: body === undefined ? streamed : body,
          timeoutMs,
          signal,
        },
        answered,
        ...more,
      })
    }
    const candidates = rules.places.at(target)
    if (!candidates) return pass(undefined, leaves(reply), rules.timeoutMs, {})
    // A postback is for the tracker even where the network does not wait for the answer.
    take({
      request,
      reply,
      target,
      headers,
      candidates,
      pass: (body, more) => {
        const isPostback = more.ended !== undefined
        const timeoutMs = isPostback ? rules.postbackTimeoutMs : rules.timeoutMs
        pass(body, isPostback ? undefined : leaves(reply), timeoutMs, more)
      },
    }).catch((error: unknown) => {
      ports.events.failed(error)
      if (!reply.raw.headersSent) refuse(503, '')
    })
  }

  const tunnels = createTunnels(() => {
    const { origin, timeoutMs } = ports.rules()
    const started = clock.monotonic()
    const answered = (status: number) => told(status, started)
    return { origin, timeoutMs, answered }
  })

  /** Once there is a listener, Node hands it every request that has an Upgrade header. */
  function upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void {
    const target = req.url ?? ''
    const isTheirs = isForeign(target) && !ports.rules().places.at(target)
    const isSound = req.headers.host !== undefined && !req.headers.host.includes(',')
    if (isTheirs && isSound && isWebSocket(req) && hopOf(req) <= MAX_HOPS && !isDraining()) {
      tunnels.open(req, socket, head, headersOf(req))
      return
    }
    // No upgrade, then, but a request like any other; its body would not be parsed any more.
    if (hasBody(req)) {
      socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n')
      return
    }
    const response = new ServerResponse(req)
    response.shouldKeepAlive = false
    response.assignSocket(req.socket)
    response.once('finish', () => socket.end())
    http.server.emit('request', req, response)
  }

  registerPass(http, {
    route,
    send: (request, done) => upstream.send(request, done),
    prepare,
    isLast: isDraining,
  })
  http.server.on('upgrade', upgrade)

  return {
    reload: () => {
      if (opened === signature()) return
      opened = signature()
      upstream.close()
      upstream = openUpstream()
    },
    backlogRead: backlog.read,
    endTunnels: tunnels.close,
    close: async () => {
      tunnels.close()
      await copies.close()
      upstream.destroy()
    },
  }
}

/** Aborts when the client leaves before it has its answer. */
function leaves({ raw: response }: FastifyReply): AbortSignal {
  const controller = new AbortController()
  response.once('close', () => {
    if (!response.writableFinished) controller.abort(new Error('the client left'))
  })
  return controller.signal
}

function hopOf({ headers }: IncomingMessage): number {
  const before = Number(headers['postern-hop'] ?? 0)
  return Number.isInteger(before) && before > 0 ? before + 1 : 1
}

function textOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(',') : value
}
