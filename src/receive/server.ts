/**
 * The HTTP edge: sockets → postbacks → answers. Every request ends in exactly one answer: the
 * pipeline's (`handle`), or a refusal of the edge, which goes through `refuse` so that it is counted
 * and answered in the network's own words. Nothing that was sent is ever echoed.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { addressBlock, compileCidrs, type CidrFault } from '../base/address.ts'
import type { Clock } from '../base/clock.ts'
import { ok, type Result } from '../base/result.ts'
import type { Postback } from '../model/postback.ts'
import type { Store } from '../store/store.ts'
import { compileReadAddress } from './address.ts'
import { answerBroken, answerSocket, markAnswered } from './broken-request.ts'
import { refuseForeign, refuseHead, type EdgeRefusal } from './gate.ts'
import { compileHosts } from './hosts.ts'
import type { ReceiveLimits } from './limits.ts'
import { createListener, type Certificate, type Listener } from './listener.ts'
import { createRates } from './rate.ts'
import { readPostback } from './read.ts'
import {
  DROPPED,
  EXPECTATION_REFUSED,
  HEADERS_REFUSED,
  HOST_REFUSED,
  HTTPS_REFUSED,
  MAX_HEADERS,
  METHOD_REFUSED,
  RATE_REFUSED,
  edgeRefusal,
} from './refusals.ts'
import { defaultReply, type Reply } from './reply.ts'
import { isInbound, parseTarget } from './target.ts'

export interface ReceiverOptions {
  readonly limits: ReceiveLimits
  /** CIDRs of peers whose X-Forwarded-For is believed. */
  readonly trustedProxies: readonly string[]
  /** Names in the Host header that are served; empty or absent: any. */
  readonly allowedHosts?: readonly string[]
  /** HTTPS instead of HTTP. */
  readonly certificate?: Certificate | undefined
  readonly clock: Clock
  /** Where gateways hold rates together; absent: each by itself. */
  readonly shareRates?: Store['shareRates'] | undefined
  /** The pipeline. It answers expected failures itself; a rejection of the promise is a defect. */
  handle(postback: Postback): Promise<Reply>
  /** Counts and answers HEAD where the network's rule has `probe`; undefined: 405. */
  probe?(network: string): Reply | undefined
  /** What the configuration asks of this network's requests; undefined: nothing. */
  terms?(network: string): EdgeTerms | undefined
  /**
   * The edge refused. `network` is the name in the path, known or not, if there is one. Counts it
   * and returns the answer; default: the reason's own. `method` as far as there was one.
   */
  refuse?(network: string | undefined, refusal: EdgeRefusal, method?: string): Reply
  /** Set where requests that are no postbacks are served, too. */
  readonly foreign?: ForeignLimits
  /** A defect: `handle` threw. The network is answered 503, since nothing is promised. */
  unexpected?(error: unknown): void
}

export interface EdgeTerms {
  readonly isHttpsOnly: boolean
  /** Postbacks a second; 0 for no limit. */
  readonly rate: number
}

/**
 * Everything that is not under `/in/` is led to `FOREIGN_ROUTE` then, round all limits of postbacks:
 * only what is unsound HTTP is refused.
 */
export interface ForeignLimits {
  /** Of the request line and headers together. */
  readonly headerBytes: number
  /** From the first byte of a request to its last, in ms. */
  readonly requestTimeoutMs: number
}

export const FOREIGN_ROUTE = '/*'

export interface Receiver {
  /** For further routes beside `/in/…` (a proxy, say), added before `start`. */
  readonly http: FastifyInstance
  /** The port it listens on. */
  start(listen: { host: string; port: number }): Promise<number>
  /** From now on every request is answered 503 `draining` and its connection closed. */
  setDraining(): void
  /** A renewed certificate, for connections from now on; nothing where the edge speaks HTTP. */
  setCertificate(certificate: Certificate): void
  isDraining(): boolean
  /** Canonical address of who called. */
  client(request: IncomingMessage): string | undefined
  /** Runs a postback that did not come in at `/in/…`; within the same bounds, never rejects. */
  process(run: () => Promise<Reply>): Promise<Reply>
  /** Counts a refusal and says what is answered. */
  refuse(network: string | undefined, refusal: EdgeRefusal, method?: string): Reply
  answer(response: ServerResponse, reply: Reply): void
  /** Postbacks that are being read by the pipeline now. */
  inFlight(): number
  /** Drains, then resolves when the last connection is closed: at most the request timeout later. */
  close(): Promise<void>
}

/** A bucket of a rate has room again within the second; a store or a restart takes longer. */
const RETRY_AFTER_SECONDS: Readonly<Record<number, string>> = { 429: '1', 503: '5' }

export function createReceiver(options: ReceiverOptions): Result<Receiver, readonly CidrFault[]> {
  const { limits, clock, handle } = options
  const address = compileReadAddress(options.trustedProxies)
  if (!address.ok) return address
  const readAddress = address.value
  const trusted = compileCidrs(options.trustedProxies)
  if (!trusted.ok) return trusted
  const isTrusted = trusted.value
  const admitHost = compileHosts(options.allowedHosts ?? [])
  const rates = createRates(clock, options.shareRates)
  let listener: Listener | undefined
  let inFlight = 0
  let isDraining = false

  const refusal = (network: string | undefined, why: EdgeRefusal, method?: string): Reply =>
    options.refuse?.(network, why, method) ?? defaultReply(why.reason)

  /**
   * Refused unread. A body of a known, small length is skipped and the connection stays; after any
   * other the connection is closed, since nobody knows where the next request begins.
   */
  const refuseUnread = (req: IncomingMessage, res: ServerResponse, why: EdgeRefusal): void => {
    const { 'content-length': length = '0', 'transfer-encoding': coding } = req.headers
    const isSkippable = coding === undefined && Number(length) <= limits.bodyBytes
    const isLast = isDraining || !isSkippable || why.reason === 'malformed_http'
    if (isLast) markAnswered(req.socket)
    write(res, refusal(networkOf(req), why, req.method), isLast)
  }

  function gate(req: IncomingMessage, res: ServerResponse): boolean {
    if (options.foreign && !isInbound(req.url ?? '')) return gateForeign(req, res)
    let why = refuseHead(req, limits.urlBytes)
    if (!why && req.rawHeaders.length > MAX_HEADERS * 2) why = HEADERS_REFUSED
    if (!why && !admitHost(req)) why = HOST_REFUSED
    if (!why && limits.addressRate > 0 && !isInRate(req)) why = RATE_REFUSED
    why ??= busy()
    if (why) refuseUnread(req, res, why)
    else if (req.method === 'HEAD') answerHead(req, res)
    else {
      if (options.foreign && req.method === 'POST') hurry(req, res)
      return true
    }
    return false
  }

  function isInRate(req: IncomingMessage): boolean {
    const client = readAddress(req.socket.remoteAddress, req.headers['x-forwarded-for'])
    return rates.take(client === undefined ? '' : addressBlock(client), limits.addressRate)
  }

  /** Encrypted up to us, or up to a proxy whose word counts: the last entry is its own. */
  function isSecure(req: IncomingMessage): boolean {
    if ((req.socket as TLSSocket).encrypted) return true
    const proto = req.headers['x-forwarded-proto']
    if (proto === undefined || !isTrusted(req.socket.remoteAddress ?? '')) return false
    return String(proto).split(',').at(-1)?.trim().toLowerCase() === 'https'
  }

  function refusalOfTerms(req: IncomingMessage, network: string): EdgeRefusal | undefined {
    const terms = options.terms?.(network)
    if (!terms) return undefined
    if (terms.isHttpsOnly && !isSecure(req)) return HTTPS_REFUSED
    return rates.take(`network ${network}`, terms.rate) ? undefined : RATE_REFUSED
  }

  function gateForeign(req: IncomingMessage, res: ServerResponse): boolean {
    let why = refuseForeign(req)
    if (!why && req.rawHeaders.length > MAX_HEADERS * 2) why = HEADERS_REFUSED
    if (!why && !admitHost(req)) why = HOST_REFUSED
    if (!why) return true
    markAnswered(req.socket)
    write(res, refusal(undefined, why), true)
    return false
  }

  /** The server's own timeout is that of foreign uploads, and too long for a postback. */
  function hurry(req: IncomingMessage, res: ServerResponse): void {
    const timer = setTimeout(() => {
      if (req.complete) return
      markAnswered(req.socket)
      const detail = 'the body did not arrive in time'
      write(res, refusal(networkOf(req), { reason: 'request_timeout', detail }, req.method), true)
      res.once('finish', () => req.socket.destroy())
    }, limits.requestTimeoutMs)
    req.once('close', () => clearTimeout(timer))
  }

  function busy(): EdgeRefusal | undefined {
    if (isDraining) return { reason: 'draining', detail: 'shutting down' }
    if (inFlight < limits.inFlight) return undefined
    return { reason: 'overloaded', detail: `${limits.inFlight} postbacks in flight` }
  }

  function process(run: () => Promise<Reply>): Promise<Reply> {
    inFlight++
    return run().then(
      answer => {
        inFlight--
        return answer
      },
      (error: unknown) => {
        inFlight--
        options.unexpected?.(error)
        return defaultReply('store_unavailable')
      },
    )
  }

  function answerHead(req: IncomingMessage, res: ServerResponse): void {
    const network = networkOf(req)
    const reply = network === undefined ? undefined : options.probe?.(network)
    if (reply) write(res, reply, isDraining)
    else refuseUnread(req, res, METHOD_REFUSED)
  }

  function receive(request: FastifyRequest, reply: FastifyReply): void {
    const { raw: req } = request
    const res = reply.raw
    reply.hijack()
    const postback = readPostback(
      {
        method: req.method as 'GET' | 'POST',
        target: req.url ?? '',
        headers: req.headers,
        body: Buffer.isBuffer(request.body) ? request.body : NO_BODY,
      },
      readAddress(req.socket.remoteAddress, req.headers['x-forwarded-for']),
      clock.now(),
      limits,
    )
    if (!postback.ok) {
      write(res, refusal(networkOf(req), postback.error, req.method), isDraining)
      return
    }
    const { network } = postback.value
    const why = refusalOfTerms(req, network)
    if (why) {
      write(res, refusal(network, why, req.method), isDraining)
      return
    }
    void process(() => handle(postback.value)).then(answer => write(res, answer, isDraining))
  }

  function onError(error: { code?: string }, request: FastifyRequest, reply: FastifyReply): void {
    reply.hijack()
    // The client left while it was sending: nobody to answer.
    if (request.raw.socket.destroyed) return
    const why = edgeRefusal(error.code, limits)
    if (!why) {
      options.unexpected?.(error)
      write(reply.raw, defaultReply('store_unavailable'), true)
      return
    }
    refuseUnread(request.raw, reply.raw, why)
  }

  const http = fastify({
    logger: false,
    exposeHeadRoutes: false,
    return503OnClosing: false,
    bodyLimit: limits.bodyBytes,
    requestIdHeader: false,
    routerOptions: {
      maxParamLength: limits.urlBytes,
      // The query is read once, from the raw target.
      querystringParser: () => NO_QUERY,
    },
    frameworkErrors: (_error, request, reply) => {
      reply.hijack()
      const why: EdgeRefusal = { reason: 'bad_path', detail: 'broken percent-encoding in the path' }
      write(reply.raw, refusal(undefined, why), isDraining)
      request.raw.resume()
    },
    clientErrorHandler: (error, socket) => {
      const why = (reason: Parameters<typeof defaultReply>[0]) =>
        refusal(undefined, { reason, detail: `from the HTTP parser: ${error.code}` } as EdgeRefusal)
      answerBroken(error, socket as Socket, why)
    },
    serverFactory: route => {
      listener = createListener({
        limits,
        foreign: options.foreign,
        certificate: options.certificate,
        onRequest: (req, res) => {
          if (gate(req, res)) route(req, res)
        },
        onExpectation: (req, res) => refuseUnread(req, res, EXPECTATION_REFUSED),
        onConnect: socket => answerSocket(socket, refusal(undefined, METHOD_REFUSED)),
        onDropped: why => refusal(undefined, DROPPED[why]),
      })
      return listener.server
    },
    ...(options.foreign ? { rewriteUrl: routeOf } : {}),
  })
  http.removeAllContentTypeParsers()
  http.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => {
    done(null, body)
  })
  http.setErrorHandler(onError)
  http.setNotFoundHandler((_request, reply) => {
    reply.hijack()
    const why: EdgeRefusal = {
      reason: 'unknown_network',
      detail: 'postbacks come in at /in/NETWORK',
    }
    write(reply.raw, refusal(undefined, why), isDraining)
  })
  // Many trackers have a /postback of their own.
  for (const url of options.foreign ? ['/in/*'] : ['/in/*', '/postback']) {
    http.route({ method: ['GET', 'POST'], url, handler: receive })
  }

  return ok({
    http,
    start: async listen => {
      rates.start()
      await http.listen(listen)
      const bound = http.server.address()
      return bound !== null && typeof bound === 'object' ? bound.port : listen.port
    },
    setDraining: () => {
      isDraining = true
    },
    setCertificate: certificate => listener?.setCertificate(certificate),
    isDraining: () => isDraining,
    client: req => readAddress(req.socket.remoteAddress, req.headers['x-forwarded-for']),
    process: run => {
      const why = busy()
      return why ? Promise.resolve(refusal(undefined, why)) : process(run)
    },
    refuse: refusal,
    answer: (response, reply) => write(response, reply, isDraining),
    inFlight: () => inFlight,
    close: async () => {
      isDraining = true
      // Node stops checking request timeouts when a server closes, so one half-sent request could
      // hold the process for ever.
      const deadline = setTimeout(() => http.server.closeAllConnections(), limits.requestTimeoutMs)
      await http.close()
      clearTimeout(deadline)
      rates.close()
    },
  })
}

const NO_BODY = Buffer.alloc(0)
/** Any path does; nothing else is routed there. */
const FOREIGN_PATH = '/foreign'
const NO_QUERY = {}

const routeOf = ({ url = '' }: { url?: string | undefined }) =>
  isInbound(url) ? url : FOREIGN_PATH

/** The name in the path, for the refusal's count and words; undefined where there is none. */
function networkOf(req: IncomingMessage): string | undefined {
  const target = parseTarget(req.url ?? '')
  return target.ok ? target.value.network : undefined
}

function write(res: ServerResponse, reply: Reply, isLast: boolean): void {
  if (res.headersSent || res.destroyed) return
  const headers: Record<string, string | number> = {
    'content-type': reply.contentType,
    'content-length': Buffer.byteLength(reply.body),
    'x-content-type-options': 'nosniff',
  }
  const retryAfter = RETRY_AFTER_SECONDS[reply.status]
  if (retryAfter !== undefined) headers['retry-after'] = retryAfter
  if (isLast) headers['connection'] = 'close'
  res.writeHead(reply.status, headers)
  res.end(reply.body)
}
