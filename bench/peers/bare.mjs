/**
 * The ceiling: read the request, answer, send one request per destination. No store, no rules, no
 * verification, no retries, no metrics.
 */
import fastify from 'fastify'
import { Pool } from 'undici'

const { PORT, DESTINATIONS } = process.env
const pools = DESTINATIONS.split(',').map(
  port => new Pool(`http://127.0.0.1:${port}`, { connections: 64, pipelining: 1 }),
)
const handler = {
  onRequestStart() {},
  onResponseStart() {},
  onResponseData() {},
  onResponseEnd() {},
  onResponseError() {},
}

const server = fastify({ logger: false })
server.get('/in/:network', (request, reply) => {
  const { cid, tid, payout, cur, st } = request.query
  reply.type('text/plain; charset=utf-8').send('OK')
  for (const pool of pools) {
    const path = `/postback?cid=${encodeURIComponent(cid)}&txid=${encodeURIComponent(tid)}&payout=${payout}&currency=${cur}&status=${st}`
    pool.dispatch({ method: 'GET', path, headers: ['user-agent', 'bare'] }, handler)
  }
})
process.on('SIGTERM', () => process.exit())
await server.listen({ port: Number(PORT), host: '127.0.0.1' })
