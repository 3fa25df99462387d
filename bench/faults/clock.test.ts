/**
 * F12: the wall clock of a gateway under load runs wrong: 2 h back, drifting by 1 s a second, 1 h
 * ahead. One tracker refuses meanwhile, so that deliveries wait in the queue. What waits must be
 * tried in its time all the same; only the window of signatures goes by the wall clock.
 * Needs libfaketime, after `npm run build`.
 */
import { createHmac } from 'node:crypto'
import { request } from 'undici'
import t, { type Test } from 'tap'
import { temporaryFolder } from '../../test/support/gateway.ts'
import { startRedis } from '../../test/support/redis-server.ts'
import { wait, type Site } from '../../test/support/survive.ts'
import { until } from '../../test/support/until.ts'
import { more, prove } from './prove.ts'
import { spread } from './record.ts'
import { createWallClock, livesAt, type WallClock } from './wall-clock.ts'

const HOUR = 3600
const DRIFT_SECONDS = 8
const SECRET = 'whsec_of_this_test'
t.setTimeout(600_000)

/** Acknowledged, and not yet taken by the tracker that refuses at times. */
function missing({ journal, tracker }: Site): ReadonlySet<string> {
  const ids = new Set(journal.acknowledged)
  for (const { answered, query } of tracker.on('/a')) {
    if (answered === 200) ids.delete(query.get('tid') ?? '')
  }
  return ids
}

/** While the clock is wrong: what waited before is tried again, and arrives once it is taken. */
async function waitsNoLonger(
  site: Site,
  what: string,
  goWrong: () => Promise<void>,
): Promise<number> {
  const { behave } = site.tracker
  behave.set('/a', 503)
  await until('deliveries wait', () => missing(site).size > 200, 30_000)
  const waiting = missing(site)
  await goWrong()
  const from = performance.now()
  const isTried = () =>
    site.tracker.on('/a').some(({ at, query }) => at > from && waiting.has(query.get('tid') ?? ''))
  await until(`${what}: what waited is tried`, isTried, 120_000)
  behave.clear()
  const isThere = async () => {
    await wait(250)
    const still = missing(site)
    return ![...waiting].some(id => still.has(id))
  }
  await until(`${what}: what waited arrives`, isThere, 120_000)
  return performance.now() - from
}

async function jump(site: Site, clock: WallClock, offset: number): Promise<void> {
  clock.set(offset)
  await livesAt(site.current, offset)
  await more(site, 200, `${offset} s ahead: postbacks are taken`)
}

async function drift(clock: WallClock): Promise<void> {
  for (let tenth = 1; tenth <= DRIFT_SECONDS * 20; tenth++) {
    await wait(100)
    clock.set((tenth <= DRIFT_SECONDS * 10 ? tenth : DRIFT_SECONDS * 20 - tenth) / 10)
  }
}

/** What a network hears that signs now; the postback is of a kind that is recorded and no more. */
async function answerToSigned({ current }: Site): Promise<number> {
  const time = Math.floor(Date.now() / 1000)
  const body = JSON.stringify({ type: 'invoice.created', data: { object: { id: 'in_1' } } })
  const signature = createHmac('sha256', SECRET).update(`${time}.${body}`).digest('hex')
  const response = await request(`${current.url}/in/stripe-style`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'stripe-signature': `t=${time},v1=${signature}`,
    },
    body,
  })
  await response.body.dump()
  return response.statusCode
}

async function runWrong(t: Test, setting: string, store: Record<string, unknown>): Promise<void> {
  const clock = createWallClock(t)
  const took: number[] = []
  await prove(
    t,
    ['F12 wall clock −2 h, ±1 s/s, +1 h', setting],
    {
      store,
      perSecond: 100,
      env: { ...clock.env, TEST_SECRET: SECRET },
      destination: { budget_hours: 2, retry_schedule_ms: [500] },
      more: {
        networks: {
          net: { tokens: ['${TEST_TOKEN}'] },
          'stripe-style': { secrets: ['${TEST_SECRET}'] },
        },
      },
    },
    async site => {
      t.equal(await answerToSigned(site), 200, 'a signature is believed')
      for (const offset of [-2 * HOUR, HOUR]) {
        took.push(await waitsNoLonger(site, `${offset} s ahead`, () => jump(site, clock, offset)))
        t.equal(await answerToSigned(site), 401, 'but not by a clock that far off')
        await jump(site, clock, 0)
        t.equal(await answerToSigned(site), 200, 'and again by the right time')
      }
      took.push(await waitsNoLonger(site, 'drifting', () => drift(clock)))
      return 3
    },
    () => `what waited arrived after ${spread(took)} ms; signatures were refused only meanwhile`,
  )
}

t.test('F12 LMDB', t => runWrong(t, 'LMDB', { type: 'lmdb', path: temporaryFolder(t) }))

t.test('F12 memory', t => runWrong(t, 'memory', { type: 'memory' }))

t.test('F12 Redis', async t => {
  const redis = await startRedis(t, { args: ['--appendonly', 'yes', '--appendfsync', 'always'] })
  await runWrong(t, 'Redis', { type: 'redis', redis: { url: redis.url } })
})
