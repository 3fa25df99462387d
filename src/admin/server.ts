/**
 * The listener for operators: /metrics, /healthz and /readyz. Its own address (loopback by
 * default), never the one that networks reach.
 */
import { fastify, type FastifyInstance } from 'fastify'
import type { Health } from '../observe/health.ts'

export interface AdminOptions {
  readonly health: Pick<Health, 'why'>
  /** The text exposition format; see `contentType`. */
  readonly metrics: () => Promise<string>
  readonly contentType: string
  /** Told of every answer; `route` is the pattern, never the path. */
  readonly administered: (fact: { readonly route: string; readonly httpStatus: number }) => void
}

export function createAdmin(options: AdminOptions): FastifyInstance {
  const { health, metrics, contentType, administered } = options
  const server = fastify({ logger: false, exposeHeadRoutes: false, forceCloseConnections: true })
  server.addHook('onResponse', async (request, reply) => {
    administered({ route: request.routeOptions.url ?? 'unknown', httpStatus: reply.statusCode })
  })
  server.get('/metrics', async (_request, reply) => {
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
