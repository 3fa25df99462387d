/** Gateways as their users meet them: two on one Redis, order, isolation, bounded memory. */
import { readFileSync } from 'node:fs'
import { Agent, request } from 'undici'
import t, { type Test } from 'tap'
import { startGateway, temporaryFolder } from '../support/gateway.ts'
import { install, target, TOKEN } from '../support/installation.ts'
import { ledgerGap, pendingDeliveries, series } from '../support/ledger.ts'
import { startRedis } from '../support/redis-server.ts'
import { startTracker } from '../support/tracker.ts'
import { until } from '../support/until.ts'

const ENV = { TEST_TOKEN: TOKEN }
const ALWAYS = ['--appendonly', 'yes', '--appendfsync', 'always']
t.setTimeout(240_000)

const send = async (url: string): Promise<number> => {
  const response = await request(url)
  await response.body.dump()
  return response.statusCode
}

t.test(
  'F20: the same postback 8 times at once at two gateways: one delivery a destination',
  async t => {
    const redis = await startRedis(t, { args: ALWAYS })
    const tracker = await startTracker(t)
    const config = install(temporaryFolder(t), {
      store: { type: 'redis', redis: { url: redis.url } },
      tracker: tracker.url,
    })
    const first = await startGateway(t, config, ENV)
    const gateways = [first, await startGateway(t, config, ENV)]
    const ids = Array.from({ length: 200 }, (_, i) => `same-${i}`)
    for (const id of ids) {
      const answers = await Promise.all(
        Array.from({ length: 8 }, (_, i) => send(`${gateways[i % 2]?.url}${target(id)}`)),
      )
      t.same(new Set(answers), new Set([200]), `${id}: every copy is answered 200`)
    }
    await until('all is delivered', async () => (await pendingDeliveries(first)) === 0, 60_000)
    for (const path of ['/a', '/b']) {
      const got = tracker.on(path).map(arrival => arrival.query.get('tid') ?? '')
      t.same(got.sort(), [...ids].sort(), `${path} got each once`)
    }
  },
)

t.test('two gateways on one Redis hold the rate of a network together', async t => {
  const redis = await startRedis(t, { args: ALWAYS })
  const tracker = await startTracker(t)
  const rate = 20
  const config = install(temporaryFolder(t), {
    store: { type: 'redis', redis: { url: redis.url } },
    tracker: tracker.url,
    more: {
      networks: {
        net: { tokens: ['${TEST_TOKEN}'], rate_per_second: rate },
        other: { rule: 'net', tokens: ['${TEST_TOKEN}'] },
      },
    },
  })
  const [first, second] = await Promise.all([
    startGateway(t, config, ENV),
    startGateway(t, config, ENV),
  ])
  let taken = 0
  let isOther = true
  const started = performance.now()
  const seconds = () => (performance.now() - started) / 1000
  const flood = async (url: string) => {
    while (seconds() < 4) {
      const { statusCode, headers, body } = await request(`${url}${target('same')}`)
      await body.dump()
      if (statusCode === 200) taken++
      else if (statusCode !== 429 || headers['retry-after'] !== '1')
        throw new Error(`${statusCode}`)
      // Enough to be refused most of the time, and no more.
      await new Promise(resolve => setTimeout(resolve, 5))
    }
  }
  await Promise.all([
    flood(first.url),
    flood(second.url),
    send(`${first.url}${target('x').replace('/net/', '/other/')}`).then(status => {
      isOther = status === 200
    }),
  ])
  // A burst for each, of which one is paid back, and what both let through between two exchanges.
  // Each for itself they would have let through twice the rate: 160.
  const most = rate * (seconds() + 2)
  t.ok(taken <= most, `${taken} taken, at most ${most}`)
  t.ok(taken >= rate * 3, `${taken} taken: nobody is starved`)
  t.ok(isOther, 'another network is served')
})

async function order(t: Test, store: Record<string, unknown>): Promise<void> {
  const tracker = await startTracker(t)
  const config = install(temporaryFolder(t), {
    store,
    tracker: tracker.url,
    destination: { retry_schedule_ms: [50] },
  })
  const gateway = await startGateway(t, config, ENV)
  // Every first attempt at /a fails; an update must still not overtake what it updates.
  const failedOnce = new Set<string>()
  tracker.behave.set('/a', arrival => {
    if (failedOnce.has(arrival.deliveryId)) return 200
    failedOnce.add(arrival.deliveryId)
    return 500
  })
  const ids = Array.from({ length: 30 }, (_, i) => `order-${i}`)
  const agent = new Agent({ connections: 1, pipelining: 10 })
  t.teardown(() => agent.close())
  for (const id of ids) {
    await Promise.all(
      ['pending', 'approved', 'reversed'].map(async status => {
        const response = await request(`${gateway.url}${target(id, `&status=${status}`)}`, {
          dispatcher: agent,
        })
        await response.body.dump()
        t.equal(response.statusCode, 200)
      }),
    )
  }
  await until('all is delivered', async () => (await pendingDeliveries(gateway)) === 0, 60_000)
  for (const path of ['/a', '/b']) {
    for (const id of ids) {
      const statuses = tracker
        .on(path)
        .filter(arrival => arrival.query.get('tid') === id && arrival.answered === 200)
        .map(arrival => arrival.query.get('st'))
      t.same(statuses, ['pending', 'approved', 'reversed'], `${path} ${id}`)
    }
  }
  t.equal(await ledgerGap(gateway), 0)
}

t.test('pending → approved → reversed within a millisecond keep their order, LMDB', async t => {
  await order(t, { type: 'lmdb', path: temporaryFolder(t) })
})

t.test('pending → approved → reversed within a millisecond keep their order, Redis', async t => {
  const redis = await startRedis(t, { args: ALWAYS })
  await order(t, { type: 'redis', redis: { url: redis.url } })
})

t.test('F21: statuses out of order, changed and changed back', async t => {
  const tracker = await startTracker(t)
  const folder = temporaryFolder(t)
  const config = install(folder, { store: { type: 'lmdb', path: folder }, tracker: tracker.url })
  const gateway = await startGateway(t, config, ENV)
  // Statuses as sent, `:payout` where it differs → what each destination gets.
  const table: readonly (readonly [string, string, string])[] = [
    ['late', 'reversed approved pending', 'reversed'],
    ['straight', 'pending approved reversed', 'pending approved reversed'],
    ['twice', 'approved approved', 'approved'],
    ['conflict', 'approved approved:2.50', 'approved'],
    ['back', 'approved declined approved', 'approved declined approved'],
    ['undone', 'approved reversed approved', 'approved reversed'],
  ]
  for (const [id, statuses] of table) {
    for (const sent of statuses.split(' ')) {
      const [status, payout = '1.50'] = sent.split(':')
      const url = `${gateway.url}${target(id)}`.replace('payout=1.50', `payout=${payout}`)
      t.equal(await send(`${url}&status=${status}`), 200, `${id} ${sent}`)
    }
  }
  await until('all is delivered', async () => (await pendingDeliveries(gateway)) === 0)
  for (const path of ['/a', '/b']) {
    for (const [id, sent, expected] of table) {
      const got = tracker.on(path).filter(arrival => arrival.query.get('tid') === id)
      const statuses = got.map(arrival => arrival.query.get('st')).join(' ')
      t.equal(statuses, expected, `${path} ${id}: ${sent}`)
      t.same([...new Set(got.map(arrival => arrival.query.get('payout')))], ['1.50'])
    }
  }
  const lookups = await series(gateway, 'postern_dedupe_lookups_total')
  t.equal(lookups.get('{result="conflict"}'), 1, 'the conflict is counted')
  t.equal(lookups.get('{result="stale"}'), 3, 'what came too late is counted')
  t.equal(await ledgerGap(gateway), 0)
})

t.test('F10: a hanging and a failing destination change nothing for the others', async t => {
  const tracker = await startTracker(t)
  tracker.behave.set('/hangs', 'hang')
  tracker.behave.set('/fails', 500)
  const memory = 500
  const config = install(temporaryFolder(t), {
    store: { type: 'lmdb', path: temporaryFolder(t) },
    tracker: tracker.url,
    destinations: ['good', 'hangs', 'fails'],
    destination: { memory, timeout_ms: 1000, retry_schedule_ms: [1000] },
  })
  const gateway = await startGateway(t, config, ENV)
  const backlog = 50_000
  const agent = new Agent({ connections: 64 })
  t.teardown(() => agent.close())
  // Memory of the process itself; pages of the store's file are the kernel's to take back.
  const anonymousMiB = () => {
    const status = readFileSync(`/proc/${gateway.process.pid}/status`, 'utf8')
    return Number(/RssAnon:\s+(\d+) kB/.exec(status)?.[1]) / 1024
  }
  let next = 0
  let worst = 0
  let peak = 0
  async function worker(): Promise<void> {
    while (next < backlog) {
      const id = `b${next++}`
      const response = await request(`${gateway.url}${target(id)}`, { dispatcher: agent })
      await response.body.dump()
      worst = Math.max(worst, response.statusCode)
      if (next % 5000 === 0) {
        const inMemory = await series(gateway, 'postern_deliveries_in_memory')
        for (const count of inMemory.values()) peak = Math.max(peak, count)
      }
    }
  }
  await Promise.all(Array.from({ length: 8 }, worker))
  t.equal(worst, 200, 'every network is answered 200')
  await until(
    'the good destination has everything',
    () => tracker.on('/good').length === backlog,
    60_000,
  )
  t.ok(
    peak > 0 && peak <= memory,
    `at most ${memory} deliveries of a destination in memory, ${peak} seen`,
  )
  t.ok(anonymousMiB() < 400, `${Math.round(anonymousMiB())} MiB of its own memory`)
  t.ok(
    (await pendingDeliveries(gateway)) >= backlog * 2 - 2 * memory,
    'the rest waits in the store',
  )

  tracker.behave.clear()
  await until('the backlog drains', async () => (await pendingDeliveries(gateway)) === 0, 150_000)
  for (const path of ['/hangs', '/fails']) {
    const got = new Set(
      tracker
        .on(path)
        .filter(a => a.answered === 200)
        .map(a => a.query.get('tid')),
    )
    t.equal(got.size, backlog, `${path} got everything`)
  }
  t.equal(await ledgerGap(gateway), 0)
})
