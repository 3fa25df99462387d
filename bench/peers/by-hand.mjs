/**
 * The relay that is written by hand: Express, ioredis for SET NX, axios for the destinations. It
 * checks the signature and answers when the destinations have.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { Agent } from 'node:http'
import axios from 'axios'
import express from 'express'
import { Redis } from 'ioredis'

const { PORT, DESTINATIONS, REDIS, SECRET } = process.env
const destinations = DESTINATIONS.split(',').map(port => `http://127.0.0.1:${port}/postback`)
const redis = new Redis(Number(REDIS), '127.0.0.1')
const http = axios.create({ httpAgent: new Agent({ keepAlive: true, maxSockets: 64 }) })

const app = express()
app.get('/in/:network', async (request, response) => {
  const { cid, tid, payout, cur, st, sig } = request.query
  const expected = createHmac('sha256', SECRET).update(`${cid}${tid}${payout}${st}`).digest()
  const given = Buffer.from(String(sig), 'hex')
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    return response.status(401).send('signature')
  }
  const isNew = await redis.set(`seen:${request.params.network}:${tid}`, '1', 'EX', 2592000, 'NX')
  if (isNew) {
    const params = { cid, txid: tid, payout, currency: cur, status: st }
    await Promise.all(destinations.map(url => http.get(url, { params })))
  }
  response.send('OK')
})
app.listen(Number(PORT), '127.0.0.1')
