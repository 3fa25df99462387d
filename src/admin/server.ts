/**
 * The listener for operators: /metrics, /healthz and /readyz. Its own address (loopback by
 * default), never the one that networks reach.
 */
import { createHash, timingSafeEqual } from 'node:crypto'
import { Server as TlsServer } from 'node:tls'
import { fastify, type FastifyInstance } from 'fastify'
import type { Health } from '../observe/health.ts'

export interface AdminOptions {
  readonly health: Pick<Health, 'why'>
  /** The text exposition format; see `contentType`. */
  readonly metrics: () => Promise<string>
  readonly contentType: string
  /** Told of every answer; `route` is the pattern, never the path. */
  readonly administered: (fact: { readonly route: string; readonly httpStatus: number }) => void
  /** PEM texts; HTTPS instead of HTTP. */
  readonly certificate?: Certificate | undefined
  /** Bearer token that /metrics asks for (RFC 6750); health is open to probes. */
  readonly token?: string | undefined
  /** Where it listens; default: anywhere. */
  readonly host?: string | undefined
}

interface Certificate {
  readonly cert: string
  readonly key: string
}

/** A browser that has seen this listener over HTTPS never again asks over HTTP (RFC 6797). */
const HSTS = 'max-age=31536000'

export function createAdmin(options: AdminOptions): FastifyInstance {
  const { health, metrics, contentType, administered, certificate } = options
  const isAllowed = compileAllowed(options.token)
  // Whoever must show a token cannot be a page that was tricked into asking.
  const isLocal = options.token === undefined && isLoopback(options.host ?? '')
  const common = { logger: false, exposeHeadRoutes: false, forceCloseConnections: true } as const
  const server: FastifyInstance = certificate
    ? // Fastify's types tell the two servers apart; nothing here depends on which it is.
      (fastify({ ...common, https: { ...certificate } }) as unknown as FastifyInstance)
    : fastify(common)
  server.addHook('onRequest', async (request, reply) => {
    reply.header('x-content-type-options', 'nosniff')
    if (certificate) reply.header('strict-transport-security', HSTS)
    // Probes may speak HTTP/1.0 and name no host; browsers always name one.
    const { hostname } = request
    if (isLocal && hostname !== '' && !isLoopback(hostname)) {
      return reply.code(421).send({ ok: false })
    }
  })
  server.addHook('onResponse', async (request, reply) => {
    administered({ route: request.routeOptions.url ?? 'unknown', httpStatus: reply.statusCode })
  })
  server.get('/metrics', async (request, reply) => {
    if (!isAllowed(request.headers.authorization)) {
      return reply.code(401).header('www-authenticate', 'Bearer').send({ ok: false })
    }
    reply.header('content-type', contentType)
    return metrics()
  })
  // Alive as long as the event loop answers; a broken store is not a reason to be restarted.
  server.get('/healthz', async () => ({ ok: true }))
  server.get('/readyz', async (_request, reply) => {
    const reason = health.why()
    if (reason !== undefined) reply.code(503)
    return reason === undefined ? { ok: true } : { ok: false, reason }
  })
  server.setNotFoundHandler((_request, reply) => reply.code(404).send({ ok: false }))
  return server
}

/** For connections from now on. */
export function renewCertificate(admin: FastifyInstance, certificate: Certificate): void {
  if (admin.server instanceof TlsServer) admin.server.setSecureContext({ ...certificate })
}

/**
 * A page in a browser of this machine may have its own name resolve to 127.0.0.1 and then read what
 * answers there ("DNS rebinding"); its requests bear that name in `Host`.
 */
function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase()
  return bare === 'localhost' || bare === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(bare)
}

/** Digests are compared, so that neither length nor content of the token shows in the time taken. */
function compileAllowed(token: string | undefined): (authorization: string | undefined) => boolean {
  if (token === undefined) return () => true
  const digest = (text: string) => createHash('sha256').update(text).digest()
  const expected = digest(`Bearer ${token}`)
  return authorization => timingSafeEqual(digest(authorization ?? ''), expected)
}
