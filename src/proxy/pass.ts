/**
 * Everything that is not ours, passed to the tracker by @fastify/http-proxy. In: a route that the
 * edge leads foreign requests to. Out: the tracker's answer, streamed. What the plugin would change
 * is taken round it: target and headers go out as they came (it would normalize paths and join
 * headers), TLS certificates are checked (its own agent does not), and it repeats nothing.
 */
import httpProxy from '@fastify/http-proxy'
import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  RawServerBase,
  RouteGenericInterface,
} from 'fastify'
import { METHODS, type IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import { BodyTooLarge } from './body.ts'
import { responseHeaders } from './headers.ts'
import type { UpstreamDone, UpstreamRequest } from './upstream.ts'

/** One exchange with the tracker, as whoever prepared it wants it. */
export interface Passing {
  readonly request: UpstreamRequest
  /**
   * Told once, before the client gets anything. It may keep the answer from the client by not
   * calling `go`, and must then answer itself.
   */
  ended?(outcome: Outcome, go: () => void): void
  /** Told what the client is answered. */
  answered(status: number): void
}

export type Outcome =
  | { readonly kind: 'answered'; readonly answer: Dispatcher.ResponseData }
  | { readonly kind: 'failed'; readonly error: Error }

export interface PassOptions {
  /** Path that the edge rewrites foreign requests to. */
  readonly route: string
  send(request: UpstreamRequest, done: UpstreamDone): void
  /** Prepares the exchange, or answers itself and gives none. Calls back at most once. */
  prepare(request: FastifyRequest, reply: FastifyReply, go: (passing: Passing) => void): void
  /** True from the moment the process is to end: connections are not kept. */
  isLast(): boolean
}

const PASSING = Symbol('passing')
type Carried = IncomingHttpHeaders & { [PASSING]?: Passing }

export function registerPass(http: FastifyInstance, options: PassOptions): void {
  for (const method of METHODS) {
    if (method !== 'CONNECT' && !http.supportedMethods.includes(method)) {
      http.addHttpMethod(method, { hasBody: true })
    }
  }
  const passings = new WeakMap<object, Passing>()
  void http.register(async scope => {
    // Bodies are for the tracker, not for parsers.
    scope.removeAllContentTypeParsers()
    scope.setErrorHandler((error, request, reply) => {
      answerFailed(reply as AnyReply, error as Error, passings.get(request.raw))
    })
    await scope.register(httpProxy, {
      // Only a placeholder: `undici` below decides where everything goes.
      upstream: 'http://upstream.invalid',
      prefix: '/',
      routes: [options.route],
      httpMethods: http.supportedMethods,
      internalRewriteLocationHeader: false,
      disableRequestLogging: true,
      // reply-from repeats GET on 503 by default, and takes 0 for "default": this is the whole off.
      retryMethods: [],
      maxRetriesOn503: 0,
      undici: { request: requestBy(options) },
      preHandler: (request, reply, done) => {
        options.prepare(request, reply, passing => {
          passings.set(request.raw, passing)
          done()
        })
      },
      handler: (_request, reply, _target, hooks) => reply.from('/', hooks),
      replyOptions: {
        retriesCount: 0,
        retryDelay: () => null,
        rewriteRequestHeaders: request => carry(passings.get(request.raw)),
        rewriteHeaders: headers => {
          const kept = responseHeaders(headers)
          if (options.isLast()) kept['connection'] = 'close'
          return kept
        },
        onResponse: (request, reply, answer) => {
          passings.get(request.raw)?.answered(reply.statusCode)
          void reply.send(answer.stream)
        },
        onError: (reply, { error }) => {
          answerFailed(reply, error, passings.get(reply.request.raw))
        },
      },
    })
  })
}

/** The one thing that reaches the plugin's agent of what we know of a request: its headers. */
function carry(passing: Passing | undefined): IncomingHttpHeaders {
  const carried: Carried = passing ? { [PASSING]: passing } : {}
  return carried
}

function requestBy({ send }: PassOptions): Dispatcher['request'] {
  const request = (options: { headers?: unknown }, done: UpstreamDone): void => {
    const passing = (options.headers as Carried)[PASSING]
    if (!passing) throw new Error('a request without its exchange')
    send(passing.request, (error, answer) => {
      const go = (): void => done(error, answer)
      const outcome: Outcome = error ? { kind: 'failed', error } : { kind: 'answered', answer }
      if (passing.ended) passing.ended(outcome, go)
      else go()
    })
  }
  return request as unknown as Dispatcher['request']
}

type AnyReply = FastifyReply<RouteGenericInterface, RawServerBase>

/** The client's answer where the tracker gave none. */
function answerFailed(reply: AnyReply, error: Error, passing: Passing | undefined): void {
  const cause = error.cause instanceof Error ? error.cause : error
  const isTooLarge = cause instanceof BodyTooLarge
  const status = isTooLarge ? 413 : isTimeout(cause) ? 504 : 502
  passing?.answered(status)
  // Of the request, some may be unread: nobody knows where the next one begins.
  void reply.code(status).headers({ connection: 'close' }).type('text/plain').send(WORDS[status])
}

const WORDS: Readonly<Record<number, string>> = {
  413: 'The request is larger than this gateway passes on.\n',
  502: 'The server behind this gateway did not answer.\n',
  504: 'The server behind this gateway did not answer in time.\n',
}

export function isTimeout(error: Error): boolean {
  const { code } = error as { code?: unknown }
  return (
    code === 'UND_ERR_HEADERS_TIMEOUT' ||
    code === 'UND_ERR_CONNECT_TIMEOUT' ||
    code === 'UND_ERR_BODY_TIMEOUT' ||
    code === 'ETIMEDOUT'
  )
}
