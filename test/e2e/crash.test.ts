/**
 * What a crash may cost: nothing. A real gateway is killed with -9 at random points under load, its
 * store too, and its connections to the store are cut; afterwards the books are audited, P1–P9 of
 * test/support/account.ts. More kills, and the other faults: bench/faults.
 */
import { createServer } from 'node:net'
import t from 'tap'
import { install, target } from '../support/installation.ts'
import { startRedis } from '../support/redis-server.ts'
import { ENV, randomMoment, survive, wait, type Site } from '../support/survive.ts'
import { startGateway, temporaryFolder } from '../support/gateway.ts'
import { startTracker } from '../support/tracker.ts'
import { until } from '../support/until.ts'

const ALWAYS = ['--appendonly', 'yes', '--appendfsync', 'always']
/** Kills per run; each happens at a random moment of the load. */
const KILLS = 4
/** Short enough that takeovers happen within the test. */
const SHORT_LEASE = { lease_ms: 3000 }
/** Long enough that no machine is too slow to keep it. */
const LONG_LEASE = { lease_ms: 60_000 }

t.setTimeout(300_000)

async function killGateways(site: Site): Promise<void> {
  for (let i = 0; i < KILLS; i++) {
    await randomMoment()
    await site.kill()
    await site.restart()
  }
  await randomMoment()
}

t.test('F1: kill -9 of the gateway, LMDB', async t => {
  const store = { type: 'lmdb', path: temporaryFolder(t), ...SHORT_LEASE }
  const { repeats } = await survive(t, { store }, killGateways)
  t.comment(`${KILLS} kills, ${repeats.length} repeats`)
})

t.test('F1: kill -9 of the gateway, Redis', async t => {
  const redis = await startRedis(t, { args: ALWAYS })
  const store = { type: 'redis', redis: { url: redis.url }, ...SHORT_LEASE }
  const { repeats } = await survive(t, { store }, killGateways)
  t.comment(`${KILLS} kills, ${repeats.length} repeats`)
})

t.test('a gateway that starts before its Redis waits for it, and then takes postbacks', async t => {
  const redis = await startRedis(t, { args: ALWAYS })
  await redis.kill('SIGKILL')
  // Where Redis will be, something that takes connections and drops them.
  let calls = 0
  const notYet = createServer(socket => socket.destroy(void calls++)).listen(redis.port)
  t.teardown(() => notYet.close())
  const store = { type: 'redis', redis: { url: redis.url } }
  const { url } = await startTracker(t)
  const starting = startGateway(t, install(temporaryFolder(t), { store, tracker: url }), ENV)
  // One opening of the store knocks four times.
  await until('it has tried more than once', () => calls > 8)
  await new Promise(resolve => notYet.close(resolve))
  await redis.restart()
  const gateway = await starting
  t.equal((await fetch(`${gateway.url}${target('1')}`)).status, 200)
  const said = gateway.lines.find(({ operation }) => operation === 'open')
  t.equal(said?.['message'], 'no connection to Redis')
})

t.test('F4: kill -9 and restart of Redis: 503 while it is away, nothing lost', async t => {
  const redis = await startRedis(t, { args: ALWAYS })
  const store = { type: 'redis', redis: { url: redis.url, command_timeout_ms: 500 }, ...LONG_LEASE }
  const { journal } = await survive(t, { store }, async ({ current, journal }) => {
    for (let i = 0; i < 2; i++) {
      await randomMoment()
      await redis.kill('SIGKILL')
      const before = journal.answers.get(503) ?? 0
      await until('networks are told so', () => (journal.answers.get(503) ?? 0) > before)
      await redis.restart()
      await until(
        'the gateway is ready again',
        async () => (await fetch(`${current.admin}/readyz`)).ok,
      )
    }
    await randomMoment()
  })
  t.notOk(journal.answers.has(500), 'nothing but 503')
})

t.test('a storm of dropped Redis connections strands and doubles nothing', async t => {
  const redis = await startRedis(t, { args: ALWAYS })
  const store = { type: 'redis', redis: { url: redis.url }, ...LONG_LEASE, lease_ms: 10_000 }
  await survive(t, { store }, async () => {
    for (let i = 0; i < 25; i++) {
      await wait(60 + Math.random() * 80)
      await redis.admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    }
    await randomMoment()
  })
})

t.test('F16: SIGTERM under load: what was accepted is delivered once, exit 0', async t => {
  const store = { type: 'lmdb', path: temporaryFolder(t), ...LONG_LEASE }
  const { repeats } = await survive(t, { store }, async site => {
    for (let i = 0; i < 2; i++) {
      await randomMoment()
      t.equal(await site.stop(), 0, 'exit code')
      await site.restart()
    }
    await randomMoment()
  })
  t.same(repeats, [], 'a clean stop repeats nothing')
})

t.test(
  'F16: SIGTERM twice with a hanging destination: it ends at once, and loses nothing',
  async t => {
    const store = { type: 'lmdb', path: temporaryFolder(t), ...SHORT_LEASE }
    await survive(t, { store }, async site => {
      const { tracker, current } = site
      tracker.behave.set('/b', 'hang')
      await until('attempts hang', () => tracker.on('/b').length > 10)
      current.process.kill('SIGTERM')
      const stopping = () => current.lines.some(line => line['msg'] === 'gateway.stopping')
      await until('it is stopping', stopping)
      const { code, signal } = await current.kill('SIGTERM')
      // In the middle of a write of LMDB only SIGKILL ends it at once.
      t.ok(code === 130 || signal === 'SIGKILL', `ended by the second: ${code} ${signal}`)
      await site.died()
      tracker.behave.clear()
      await site.restart()
      await randomMoment()
    })
  },
)
