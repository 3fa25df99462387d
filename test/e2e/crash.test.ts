/**
 * What a crash may cost: nothing. A real gateway is killed with -9 at random points under load, its
 * store too, and its connections to the store are cut; afterwards every postback that was answered
 * 2xx is delivered to both trackers under one delivery id, and the ledger is 0.
 */
import t, { type Test } from 'tap'
import { account } from '../support/account.ts'
import { startGateway, temporaryFolder, type Gateway } from '../support/gateway.ts'
import { install, target, TOKEN } from '../support/installation.ts'
import { ledgerGap, pendingDeliveries, series } from '../support/ledger.ts'
import { startRedis } from '../support/redis-server.ts'
import { startSender } from '../support/sender.ts'
import { startTracker, type Arrival } from '../support/tracker.ts'
import { until } from '../support/until.ts'

const ENV = { TEST_TOKEN: TOKEN }
const ALWAYS = ['--appendonly', 'yes', '--appendfsync', 'always']
/** Kills per run; each happens at a random moment of the load. */
const KILLS = 4
const PER_SECOND = 300
/** A lease short enough that a takeover happens within the test. */
const LEASE_MS = 3000

t.setTimeout(180_000)

const wait = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms))
const randomMoment = () => wait(300 + Math.random() * 900)

/** Runs load while `trouble` happens, then settles the account. */
async function survive(
  t: Test,
  store: Record<string, unknown>,
  trouble: (gateway: { current: Gateway; restart: () => Promise<void> }) => Promise<void>,
): Promise<{
  answers: ReadonlyMap<number, number>
  repeated: readonly Arrival[]
}> {
  const folder = temporaryFolder(t)
  const tracker = await startTracker(t)
  const config = install(folder, { store: { ...store, lease_ms: LEASE_MS }, tracker: tracker.url })
  const gateway = {
    current: await startGateway(t, config, ENV),
    restart: async () => {
      gateway.current = await startGateway(t, config, ENV)
    },
  }
  const sender = startSender({
    url: () => gateway.current.url,
    target: id => target(id),
    perSecond: PER_SECOND,
    duplicates: 0.1,
  })
  await trouble(gateway)
  await sender.finish()
  await until(
    'nothing is pending',
    async () => (await pendingDeliveries(gateway.current)) === 0,
    60_000,
  )

  const repeated: Arrival[] = []
  for (const path of ['/a', '/b']) {
    const result = account(
      sender.journal,
      tracker.on(path),
      arrival => arrival.query.get('tid') ?? '',
    )
    t.same(result.lost, [], `${path}: nothing acknowledged is lost`)
    t.same(result.invented, [], `${path}: nothing is invented`)
    t.same(result.changed, [], `${path}: a repeat says the same as the first`)
    t.same(result.doubled, [], `${path}: one delivery id for each conversion`)
    repeated.push(...result.repeated)
  }
  t.equal(await ledgerGap(gateway.current), 0, 'enqueued = delivered + dead + discarded + pending')
  t.ok(sender.journal.acknowledged.size > PER_SECOND, 'there was a load')
  await gateway.current.kill('SIGTERM')
  return { answers: sender.journal.answers, repeated }
}

/** Kills at random moments, and starts again. */
async function killGateways(gateway: {
  current: Gateway
  restart: () => Promise<void>
}): Promise<void> {
  for (let i = 0; i < KILLS; i++) {
    await randomMoment()
    await gateway.current.kill('SIGKILL')
    await gateway.restart()
  }
  await randomMoment()
}

t.test('kill -9 of the gateway, LMDB', async t => {
  await survive(t, { type: 'lmdb', path: temporaryFolder(t) }, killGateways)
})

t.test('kill -9 of the gateway, Redis', async t => {
  const redis = await startRedis(t, { args: ALWAYS })
  await survive(t, { type: 'redis', redis: { url: redis.url } }, killGateways)
})

/**
 * A kill may repeat what was not recorded yet, and nothing else. So all is recorded first, but for some
 * that hang: the dead gateway's journal has to be taken over for their sake, and no more than they may
 * come out of it.
 */
async function repeatsOnlyUnrecorded(t: Test, store: Record<string, unknown>): Promise<void> {
  const tracker = await startTracker(t)
  const config = install(temporaryFolder(t), {
    store: { ...store, lease_ms: LEASE_MS },
    tracker: tracker.url,
  })
  const first = await startGateway(t, config, ENV)
  const send = async (from: number, to: number) => {
    for (let i = from; i < to; i++) t.ok((await fetch(first.url + target(`id${i}`))).ok)
  }
  await send(0, 100)
  await until('all is recorded', async () => (await pendingDeliveries(first)) === 0)
  t.equal(tracker.arrivals.length, 200)

  tracker.behave.set('/b', 'hang')
  await send(100, 140)
  await until('the others hang', () => tracker.on('/b').length === 140)
  await first.kill('SIGKILL')
  tracker.behave.delete('/b')
  const second = await startGateway(t, config, ENV)
  const recovered = async () =>
    [...(await series(second, 'postern_deliveries_recovered_total')).values()].some(n => n > 0)
  await until('the journal is taken over', recovered)
  await until('nothing is pending', async () => (await pendingDeliveries(second)) === 0)

  const times = new Map<string, number>()
  for (const { deliveryId } of tracker.arrivals) {
    times.set(deliveryId, (times.get(deliveryId) ?? 0) + 1)
  }
  t.equal(times.size, 280, 'every delivery has come')
  for (const id of tracker.arrivals.slice(0, 200).map(({ deliveryId }) => deliveryId)) {
    if (times.get(id) !== 1) t.fail('what was recorded is not sent again')
  }
  const hung = tracker.on('/b').filter(({ answered }) => answered === 0)
  t.ok(
    hung.every(({ deliveryId }) => times.get(deliveryId) === 2),
    'what hung is, once',
  )
  t.equal(await ledgerGap(second), 0)
}

t.test('kill -9 repeats only what was not recorded, LMDB', t =>
  repeatsOnlyUnrecorded(t, { type: 'lmdb', path: temporaryFolder(t) }),
)

t.test('kill -9 repeats only what was not recorded, Redis', async t => {
  const redis = await startRedis(t, { args: ALWAYS })
  await repeatsOnlyUnrecorded(t, { type: 'redis', redis: { url: redis.url } })
})

t.test('kill -9 and restart of Redis: 503 while it is away, nothing lost', async t => {
  const redis = await startRedis(t, { args: ALWAYS })
  const { answers } = await survive(
    t,
    { type: 'redis', redis: { url: redis.url, command_timeout_ms: 500 } },
    async ({ current }) => {
      for (let i = 0; i < 2; i++) {
        await randomMoment()
        await redis.kill('SIGKILL')
        await wait(800)
        await redis.restart()
        await until(
          'the gateway is ready again',
          async () => (await fetch(`${current.admin}/readyz`)).ok,
        )
      }
      await randomMoment()
    },
  )
  t.ok((answers.get(503) ?? 0) > 0, 'while Redis was away networks were told so')
  t.notOk(answers.has(500), 'and never anything else')
})

t.test('a storm of dropped Redis connections strands and doubles nothing', async t => {
  const redis = await startRedis(t, { args: ALWAYS })
  await survive(t, { type: 'redis', redis: { url: redis.url } }, async () => {
    for (let i = 0; i < 25; i++) {
      await wait(60 + Math.random() * 80)
      await redis.admin.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
    }
    await randomMoment()
  })
})

t.test('SIGTERM under load: what was accepted is delivered once, the exit is clean', async t => {
  const folder = temporaryFolder(t)
  const { repeated } = await survive(t, { type: 'lmdb', path: folder }, async gateway => {
    for (let i = 0; i < 2; i++) {
      await randomMoment()
      const { code } = await gateway.current.kill('SIGTERM')
      t.equal(code, 0, 'exit code')
      await gateway.restart()
    }
    await randomMoment()
  })
  t.same(repeated, [], 'a clean stop repeats nothing')
})
