/**
 * F2: the gateway dies at a named point, not at a random moment. On Redis the wire between the two is
 * held at that point; on LMDB the store itself ends the process (failpoints.mjs).
 * FAULT_RUNS: of each point, see runs.ts. Needs `npm run build`.
 */
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { defineScript } from '../../src/store/redis/script.ts'
import { temporaryFolder } from '../../test/support/gateway.ts'
import { startRedisProxy, type RedisProxy } from '../../test/support/redis-proxy.ts'
import { startRedis } from '../../test/support/redis-server.ts'
import { randomMoment, type Site } from '../../test/support/survive.ts'
import { until } from '../../test/support/until.ts'
import { more, prove } from './prove.ts'
import { runsOf } from './runs.ts'

const EACH = runsOf(5)
t.setTimeout(3_600_000)

/** Ends the gateway at that point, at once or by calling `reached`. */
type Arm = (site: Site, reached: () => void) => void
type Point = readonly [what: string, arm: Arm]

/** Kills at each point in turn; `disarm` lets everything go its way again. */
async function killAt(site: Site, points: readonly Point[], disarm: () => void): Promise<number> {
  for (const [what, arm] of points) {
    for (let i = 0; i < EACH; i++) {
      await more(site, 200, 'postbacks are taken')
      const { current } = site
      arm(site, () => {
        if (current === site.current) current.process.kill('SIGKILL')
      })
      await until(`${what}: reached`, () => current.process.signalCode !== null, 30_000)
      disarm()
      await site.died()
      await site.restart()
    }
  }
  await randomMoment()
  return points.length * EACH
}

// Points outside the store.

const asked: Point = [
  'destination asked, no answer yet',
  ({ tracker }, reached) => {
    tracker.behave.set('/a', () => {
      tracker.behave.clear()
      reached()
      return 'hang'
    })
  },
]

const reloading: Point = [
  'reload under way',
  ({ config }, reached) => {
    writeFileSync(config, `${readFileSync(config, 'utf8')}\n`)
    setTimeout(reached, Math.random() * 400)
  },
]

// --- Redis --------------------------------------------------------------------------------------

const accept = defineScript('accept').sha
const settle = defineScript('settle').sha

function holdRequest(proxy: RedisProxy, sha: string, reached: () => void): void {
  proxy.request = chunk => {
    if (!chunk.includes(sha)) return true
    reached()
    return false
  }
}

function holdReply(proxy: RedisProxy, sha: string, reached: () => void): void {
  const asked = new Set<Socket>()
  proxy.request = (chunk, socket) => {
    if (chunk.includes(sha)) asked.add(socket)
    return true
  }
  proxy.reply = (_, socket) => {
    if (!asked.has(socket)) return true
    reached()
    return false
  }
}

t.test('F2 Redis', async t => {
  const redis = await startRedis(t, { args: ['--appendonly', 'yes', '--appendfsync', 'always'] })
  const proxy = await startRedisProxy(t, redis.port)
  const store = { type: 'redis', redis: { url: proxy.url }, lease_ms: 3000 }
  const points: readonly Point[] = [
    ['before the claim is written', (_, reached) => holdRequest(proxy, accept, reached)],
    ['claim written, 2xx not sent', (_, reached) => holdReply(proxy, accept, reached)],
    asked,
    ['destination said 200, not recorded', (_, reached) => holdRequest(proxy, settle, reached)],
    ['recorded, confirmation lost', (_, reached) => holdReply(proxy, settle, reached)],
    reloading,
  ]
  const disarm = () => {
    proxy.request = () => true
    proxy.reply = () => true
  }
  const setting = `Redis, at ${points.length} points`
  await prove(t, ['F2 kill -9 at a named point', setting], { store }, site =>
    killAt(site, points, disarm),
  )
})

// --- LMDB ---------------------------------------------------------------------------------------

t.test('F2 LMDB', async t => {
  const file = join(temporaryFolder(t), 'point')
  const store = { type: 'lmdb', path: temporaryFolder(t), lease_ms: 3000 }
  const at = (point: string): Arm => {
    return () => writeFileSync(file, point)
  }
  const points: readonly Point[] = [
    ['before the claim is written', at('before accept')],
    ['while the claim is written', at('within accept')],
    ['claim written, 2xx not sent', at('after accept')],
    asked,
    ['destination said 200, not recorded', at('before settle')],
    ['while it is recorded', at('within settle')],
    ['recorded, confirmation lost', at('after settle')],
    reloading,
  ]
  const env = {
    FAILPOINT_FILE: file,
    NODE_OPTIONS: `--import=${join(import.meta.dirname, 'failpoints.mjs')}`,
  }
  const setting = `LMDB, at ${points.length} points`
  await prove(t, ['F2 kill -9 at a named point', setting], { store, env }, site =>
    killAt(site, points, () => rmSync(file, { force: true })),
  )
})
