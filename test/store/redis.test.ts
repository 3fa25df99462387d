import t from 'tap'
import { createRedisStore } from '../../src/store/redis.ts'
import { redisForTest } from '../support/redis-server.ts'
import { conformance } from './conformance.ts'
import { redisHarness } from './redis-harness.ts'

const { url } = await redisForTest(t)

conformance(
  t,
  redisHarness('redis', options => createRedisStore({ url, ...options })),
)
