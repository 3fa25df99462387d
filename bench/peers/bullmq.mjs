/**
 * Fastify in front of BullMQ: one job per destination, deduplicated by job id, and a worker in the
 * same process that sends with undici. It checks the signature.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { Queue, Worker } from 'bullmq'
import fastify from 'fastify'
import { Pool } from 'undici'

const { PORT, DESTINATIONS, REDIS, SECRET } = process.env
const connection = { host: '127.0.0.1', port: Number(REDIS), maxRetriesPerRequest: null }
const pools = DESTINATIONS.split(',').map(
  port => new Pool(`http://127.0.0.1:${port}`, { connections: 64, pipelining: 1 }),
)
const defaultJobOptions = { attempts: 10, backoff: { type: 'exponential', delay: 5000 }, removeOnComplete: 1000 } // prettier-ignore
const queue = new Queue('deliveries', { connection, defaultJobOptions })

const worker = new Worker(
  'deliveries',
  async job => {
    const { cid, tid, payout, cur, st, destination } = job.data
    const path = `/postback?cid=${encodeURIComponent(cid)}&txid=${encodeURIComponent(tid)}&payout=${payout}&currency=${cur}&status=${st}`
    const { statusCode, body } = await pools[destination].request({ method: 'GET', path })
    await body.dump()
    if (statusCode >= 300) throw new Error(`HTTP ${statusCode}`)
  },
  { connection, concurrency: 64 },
)
worker.on('error', () => {})

const server = fastify({ logger: false })
server.get('/in/:network', async request => {
  const { cid, tid, payout, cur, st, sig } = request.query
  const expected = createHmac('sha256', SECRET).update(`${cid}${tid}${payout}${st}`).digest()
  const given = Buffer.from(String(sig), 'hex')
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) throw new Error('signature') // prettier-ignore
  await queue.addBulk(
    pools.map((_, destination) => ({
      name: 'deliver',
      data: { cid, tid, payout, cur, st, destination },
      opts: { jobId: `${request.params.network}-${tid}-${destination}` },
    })),
  )
  return 'OK'
})
await server.listen({ port: Number(PORT), host: '127.0.0.1' })
