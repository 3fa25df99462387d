/**
 * What a crash may cost: nothing. A real gateway is killed with -9 at random points under load, its
 * store too, and its connections to the store are cut; afterwards every postback that was answered
 * 2xx is delivered to both trackers under one delivery id, and the ledger is 0.
 */
import t, { type Test } from 'tap'
import { account } from '../support/account.ts'
import { startGateway, temporaryFolder, type Gateway } from '../support/gateway.ts'
import { install, target, TOKEN } from '../support/installation.ts'
import { ledgerGap, pendingDeliveries } from '../support/ledger.ts'
import { startRedis } from '../support/redis-server.ts'
import { startSender } from '../support/sender.ts'
import { startTracker, type Arrival } from '../support/tracker.ts'
import { until } from '../support/until.ts'

const ENV = { TEST_TOKEN: TOKEN }
const ALWAYS = ['--appendonly', 'yes', '--appendfsync', 'always']
/** Kills per run; each happens at a random moment of the load. */
const KILLS = 4
const PER_SECOND = 300
/** Answers that came less than this before a kill may not have been recorded yet. */
const UNRECORDED_MS = 2500
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
  stalls: readonly number[]
}> {
  const folder = temporaryFolder(t)
  const tracker = await startTracker(t)
  const config = install(folder, { store: { ...store, lease_ms: LEASE_MS }, tracker: tracker.url })
  const gateway = {
    current: await startGateway(t, config, ENV),
    restart: async () => {
      gateway.current = await startGateway(t, config, ENV)
      started.push(gateway.current)
    },
  }
  const started = [gateway.current]
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
  return { answers: sender.journal.answers, repeated, stalls: started.flatMap(stallsOf) }
}

/** Kills at random moments; when. */
async function killGateways(gateway: {
  current: Gateway
  restart: () => Promise<void>
}): Promise<readonly number[]> {
  const kills: number[] = []
  for (let i = 0; i < KILLS; i++) {
    await randomMoment()
    kills.push(performance.now())
    await gateway.current.kill('SIGKILL')
    await gateway.restart()
  }
  await randomMoment()
  return kills
}

/** When a gateway was held up for longer than its lease: to the others it was dead then. */
function stallsOf({ lines }: Gateway): number[] {
  const lost = lines.filter(line => line['msg'] === 'lease.lost')
  return lost.map(line => Date.parse(String(line['time'])) - performance.timeOrigin)
}

/** Only what a kill or a lost lease kept from being recorded may come twice. */
function onlyLostAnswers(
  t: Test,
  repeated: readonly Arrival[],
  kills: readonly number[],
  stalls: readonly number[],
): void {
  const isExcused = ({ at }: Arrival) =>
    kills.some(kill => at < kill + 100 && kill - at < UNRECORDED_MS) ||
    stalls.some(stall => Math.abs(stall - at) < UNRECORDED_MS + LEASE_MS)
  const unexcused = repeated.filter(arrival => !isExcused(arrival))
  t.equal(unexcused.length, 0, `${repeated.length} repeats, all of answers that were lost`)
}

t.test('kill -9 of the gateway, LMDB', async t => {
  const folder = temporaryFolder(t)
  let kills: readonly number[] = []
  const { repeated, stalls } = await survive(t, { type: 'lmdb', path: folder }, async gateway => {
    kills = await killGateways(gateway)
  })
  onlyLostAnswers(t, repeated, kills, stalls)
})

t.test('kill -9 of the gateway, Redis', async t => {
  const redis = await startRedis(t, { args: ALWAYS })
  const store = { type: 'redis', redis: { url: redis.url } }
  let kills: readonly number[] = []
  const { repeated, stalls } = await survive(t, store, async gateway => {
    kills = await killGateways(gateway)
  })
  onlyLostAnswers(t, repeated, kills, stalls)
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
