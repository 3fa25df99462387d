/**
 * Tap, gate and shadow: a real gateway process, and a real HTTP tracker behind it.
 * POSTERN_OUTAGE_SECONDS sets how long the tracker is stopped under load (default 3).
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import t, { type Test } from 'tap'
import { request } from 'undici'
import { cli } from '../support/cli.ts'
import { startGateway, temporaryFolder, type Gateway } from '../support/gateway.ts'
import { install, TOKEN } from '../support/installation.ts'
import { pendingDeliveries, series } from '../support/ledger.ts'
import { say, startOrigin, type Origin, type Seen } from '../support/origin.ts'
import { startSender } from '../support/sender.ts'
import { startTracker, type Tracker } from '../support/tracker.ts'
import { until } from '../support/until.ts'

const ENV = { TEST_TOKEN: TOKEN }
const OUTAGE_MS = 1000 * Number(process.env['POSTERN_OUTAGE_SECONDS'] ?? 3)
t.setTimeout(600_000)

interface Bench {
  readonly origin: Origin
  readonly destinations: Tracker
  readonly gateway: Gateway
  readonly config: string
}

async function setUp(t: Test, proxy: Record<string, unknown>, store = 'memory'): Promise<Bench> {
  const origin = await startOrigin(t)
  const destinations = await startTracker(t)
  const folder = temporaryFolder(t)
  const config = install(folder, {
    store: { type: store, ...(store === 'lmdb' ? { path: `${folder}/data` } : {}) },
    tracker: destinations.url,
    more: {
      networks: {
        net: { tokens: ['${TEST_TOKEN}'] },
        other: { rule: 'net', tokens: ['${TEST_TOKEN}'] },
      },
      admin: { listen: '127.0.0.1:0', collect_interval_ms: 500 },
      proxy: {
        upstream: origin.url,
        postbacks: [
          { path: '/pb/{token}', network: 'net' },
          { path: '/click.php', network: 'other', has: ['tid'] },
          { path: '/by/{network}/{token}' },
          { path: '/param', network_param: 'src', network_map: { '7': 'net', '9': 'other' } },
        ],
        delivery: { retry_schedule_ms: [50], timeout_ms: 700 },
        ...proxy,
      },
    },
  })
  return { origin, destinations, gateway: await startGateway(t, config, ENV), config }
}

const pb = (tid: string, more = '') => `/pb/${TOKEN}?cid=c-${tid}&tid=${tid}&payout=1.50${more}`
const tidOf = (seen: Seen) => new URL(seen.target, 'http://x').searchParams.get('tid') ?? ''

async function call(
  gateway: Gateway,
  target: string,
  options: { method?: string; body?: string | Buffer; headers?: Record<string, string> } = {},
): Promise<{ status: number; body: string; headers: Record<string, unknown> }> {
  const { method = 'GET', body = null, headers = {} } = options
  const answer = await request(gateway.url + target, { method: method as 'GET', body, headers })
  return {
    status: answer.statusCode,
    body: await answer.body.text(),
    headers: answer.headers,
  }
}

const count = async (gateway: Gateway, metric: string, label: string): Promise<number> => {
  let sum = 0
  for (const [labels, value] of await series(gateway, metric)) {
    if (labels.includes(label)) sum += value
  }
  return sum
}

t.test(
  'gate: only verified, first-seen postbacks reach the tracker, as they were sent',
  async t => {
    const { origin, destinations, gateway } = await setUp(t, { mode: 'gate' })
    origin.script = say(200, 'the tracker speaks')

    const target = `${pb('g1')}&x=%7e%zz&&q=a+b`
    const first = await call(gateway, target, {
      headers: { 'x-kept': 'yes', 'user-agent': 'net/1', connection: 'keep-alive' },
    })
    t.match(first, { status: 200, body: 'OK' }, 'answered here, at once')
    await until('the tracker has it', () => origin.seen.length === 1)
    const [seen] = origin.seen
    t.equal(seen?.method, 'GET')
    t.equal(seen?.target, target, 'byte for byte')
    t.match(seen?.headers, {
      host: new URL(gateway.url).host,
      'x-kept': 'yes',
      'user-agent': 'net/1',
      'x-forwarded-for': '127.0.0.1',
    })
    await until('destinations have it', () => destinations.arrivals.length === 2)

    t.match(await call(gateway, target), { status: 200, body: 'OK' }, 'a repeat is answered')
    t.equal((await call(gateway, pb('g2').replace(TOKEN, 'wrong'))).status, 401, 'so is a forgery')
    t.equal((await call(gateway, pb('g1', '&status=reversed'))).status, 200)
    await until('the update has come', () => origin.seen.length === 2)

    const body = 'cid=c9&tid=g9&payout=1.50&note=%C3%A9+x&&'
    const form = { 'content-type': 'application/x-www-form-urlencoded; charset=UTF-8' }
    t.equal(
      (await call(gateway, `/pb/${TOKEN}`, { method: 'POST', body, headers: form })).status,
      200,
    )
    await until('the form has come', () => origin.seen.length === 3)
    t.equal(origin.seen[2]?.body.toString(), body)
    t.equal(origin.seen[2]?.headers['content-type'], form['content-type'])

    await t.test('there is no way round', async t => {
      const before = origin.seen.length
      const bad = 'wrong?cid=c&tid=way&payout=1'
      for (const path of [
      `//pb/${bad}`, `/pb//${bad}`, `/PB/${bad}`, `/x/../pb/${bad}`, `/%70b/${bad}`, `/pb%2f${bad}`,
      `/.//pb/${bad}`, `/pb;x=1/${bad}`, `/by/net/${bad}`, `/by/nobody/${bad}`, `/click.php?tid=1&cid=c`,
      '/CLICK.PHP/more?tid=1', '/click.php?TID[]=1', `/param?src=7&tid=1`, `/param?src=8&tid=1`,
      '/param?src=7&src=9&tid=1', '/param?tid=1',
    ]) {
      const { status } = await call(gateway, path)
      t.ok(status === 401 || status === 404, `${path}: ${status}`)
    } // prettier-ignore
      for (const method of ['HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND']) {
        t.equal((await call(gateway, pb('way'), { method })).status, 405, method)
      }
      const parts = '--b\r\ncontent-disposition: form-data; name="tid"\r\n\r\n1\r\n--b--\r\n'
      for (const [type, sent] of [
        ['multipart/form-data; boundary=b', parts],
        ['text/plain', 'tid=1'],
        ['application/x-www-form-urlencoded', 'tid=1&cid=2'],
      ] as const) {
        const options = { method: 'POST', body: sent, headers: { 'content-type': type } }
        const { status } = await call(gateway, '/click.php', options)
        t.ok(status === 415 || status === 401, `${type}: ${status}`)
      }
      const large = { method: 'POST', body: Buffer.alloc(70_000, 97), headers: form }
      t.equal((await call(gateway, `/pb/${TOKEN}`, large)).status, 413)
      t.equal(origin.seen.length, before, 'none of it reached the tracker')
    })

    const before = origin.seen.length
    t.match(await call(gateway, '/click.php?c=1'), { status: 200, body: 'the tracker speaks' })
    t.match(await call(gateway, '/postback?network=net'), { status: 200 }, '/postback is its own')
    t.equal(origin.seen.length, before + 2, 'what is no postback passes')
    t.equal((await call(gateway, `/in/net/${TOKEN}?cid=1&tid=direct`)).status, 200)
    await until('direct postbacks go on', () => destinations.arrivals.length >= 8)
    t.notOk(
      origin.seen.some(one => one.target.includes('direct')),
      'a direct postback has no request to keep',
    )
  },
)

t.test(`gate: the tracker stopped ${OUTAGE_MS / 1000} s under load`, async t => {
  const { origin, gateway } = await setUp(t, { mode: 'gate' }, 'lmdb')
  const sender = startSender({
    url: () => gateway.url,
    target: id => pb(id),
    perSecond: 100,
    duplicates: 0.2,
  })
  const { journal } = sender
  const acknowledged = (more: number) => {
    const goal = journal.acknowledged.size + more
    return until(`${more} more are acknowledged`, () => journal.acknowledged.size >= goal)
  }
  await acknowledged(100)

  await origin.stop()
  const stoppedAt = performance.now()
  const beforeStop = journal.acknowledged.size
  await until('the outage is over', () => performance.now() - stoppedAt > OUTAGE_MS, OUTAGE_MS * 2)
  t.ok(journal.acknowledged.size > beforeStop + 20, 'the network had its success all the while')
  t.same([...journal.answers.keys()], [200], 'and nothing else')
  await origin.start()
  await acknowledged(50)

  // Then it answers 5xx for a while, then not at all.
  const refused = new Set<string>()
  for (const status of [503, 500]) {
    origin.script = (seen, response, req) => {
      refused.add(tidOf(seen))
      say(status)(seen, response, req)
    }
    await acknowledged(30)
  }
  origin.script = say(200)
  await acknowledged(50)
  await sender.finish()
  await until('all is delivered', async () => (await pendingDeliveries(gateway)) === 0, 60_000)

  const got = new Map<string, number>()
  for (const seen of origin.seen) got.set(tidOf(seen), (got.get(tidOf(seen)) ?? 0) + 1)
  const lost = [...journal.acknowledged].filter(id => !got.has(id))
  t.same(lost, [], `${journal.acknowledged.size} acknowledged, none lost`)
  const twice = [...got].filter(([id, times]) => times > 1 && !refused.has(id))
  t.same(twice, [], 'none seen twice but what it had answered 5xx')
  t.same(await series(gateway, 'postern_dead_letters').then(dead => [...dead.values()]), [0, 0, 0, 0]) // prettier-ignore
})

t.test('gate: order per conversion, with the tracker down in between', async t => {
  const { origin, gateway } = await setUp(t, { mode: 'gate' }, 'lmdb')
  const ids = Array.from({ length: 20 }, (_, i) => `order-${i}`)
  for (const status of ['pending', 'approved', 'reversed']) {
    if (status === 'approved') await origin.stop()
    for (const id of ids) {
      t.equal((await call(gateway, pb(id, `&status=${status}`))).status, 200)
    }
  }
  await origin.start()
  await until('all has come', () => origin.seen.length >= ids.length * 3, 30_000)
  for (const id of ids) {
    const statuses = origin.seen
      .filter(seen => tidOf(seen) === id)
      .map(seen => new URL(seen.target, 'http://x').searchParams.get('status'))
    t.same(statuses, ['pending', 'approved', 'reversed'], id)
  }
})

t.test('gate: a slow tracker holds no network up', async t => {
  const { origin, gateway } = await setUp(t, { mode: 'gate' })
  let isSlow = true
  const script = say(200)
  origin.script = (seen, response, req) => {
    if (!isSlow) script(seen, response, req)
  }
  for (let i = 0; i < 20; i++) t.equal((await call(gateway, pb(`slow-${i}`))).status, 200)
  isSlow = false
  await until('all is delivered', async () => (await pendingDeliveries(gateway)) === 0, 30_000)
  t.equal(new Set(origin.seen.map(tidOf)).size, 20)
})

t.test('tap: the tracker answers, and a copy goes on', async t => {
  const { origin, destinations, gateway } = await setUp(t, {})
  const copies = (tid: string) =>
    destinations.on('/a').filter(arrival => arrival.query.get('tid') === tid).length
  origin.script = say(207, 'its own words', { 'x-tracker': 'yes', 'set-cookie': 'a=1' })

  const answer = await call(gateway, pb('t1'))
  t.match(answer, { status: 207, body: 'its own words', headers: { 'x-tracker': 'yes' } })
  t.equal(origin.seen[0]?.target, pb('t1'))
  t.equal(origin.seen[0]?.headers['postern-delivery-id'], undefined)
  await until('the copy is there', () => copies('t1') === 1)

  await call(gateway, pb('t1'))
  t.equal(origin.seen.length, 2, 'the tracker gets repeats as before')
  await call(gateway, pb('t2').replace(TOKEN, 'forged'))
  await until('what verification refuses goes on', () => copies('t2') === 1)
  t.equal(copies('t1'), 1, 'a repeat does not')
  t.equal(await count(gateway, 'postern_proxy_taps_unverified_total', 'secret_mismatch'), 1)

  const body = 'cid=c&tid=t3&payout=2'
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  await call(gateway, `/pb/${TOKEN}`, { method: 'POST', body, headers })
  t.equal(origin.seen.at(-1)?.body.toString(), body)
  await until('the form is copied', () => copies('t3') === 1)

  const large = Buffer.alloc(300_000, 98)
  const passed = await call(gateway, `/pb/${TOKEN}`, { method: 'POST', body: large, headers })
  t.equal(passed.status, 207, 'too large for a postback, but not for the tracker')
  t.ok(origin.seen.at(-1)?.body.equals(large))
  const chunked = await request(`${gateway.url}/pb/${TOKEN}`, {
    method: 'POST',
    body: Readable.from([large.subarray(0, 200_000), large.subarray(200_000)]),
    headers,
  })
  t.equal(chunked.statusCode, 207)
  await chunked.body.dump()
  t.ok(origin.seen.at(-1)?.body.equals(large), 'of unknown length, too')
  for (const method of ['HEAD', 'PUT', 'DELETE']) {
    t.equal((await call(gateway, pb('m'), { method })).status, 207, method)
  }

  origin.script = say(404, 'no such click')
  t.match(await call(gateway, pb('t4')), { status: 404, body: 'no such click' })
  origin.script = say(500, 'broken')
  t.match(await call(gateway, pb('t5')), { status: 500 }, 'its own fault goes back')
  origin.script = say(200)
  t.equal((await call(gateway, '/click.php?tid=1')).status, 200)
  t.equal((await call(gateway, `/param?src=9&tid=t6&cid=1`)).status, 200)
  await until('by parameter', () => copies('t6') === 1)
  t.equal((await call(gateway, `/param?src=1&tid=t7&cid=1`)).status, 200, 'of nobody: it passes')
  t.equal(copies('t4') + copies('t5') + copies('t7'), 0, 'what it did not take is not copied')
  t.equal(await count(gateway, 'postern_proxy_taps_total', 'refused'), 2)

  await t.test('a network that does not wait for the answer', async t => {
    let go = (): void => undefined
    origin.script = (seen, response, req) => {
      go = () => say(200)(seen, response, req)
    }
    const before = origin.seen.length
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1')
    socket.write(`GET ${pb('left')} HTTP/1.1\r\nHost: h\r\n\r\n`)
    await until('it came', () => origin.seen.length > before)
    socket.destroy()
    go()
    await until('its copy is there', () => copies('left') === 1)
    t.equal(origin.seen.length, before + 1)
  })
})

t.test('tap: a tracker that is down costs no conversion', async t => {
  const { origin, destinations, gateway } = await setUp(t, {}, 'lmdb')
  const script = say(200, 'tracker')
  origin.script = script
  t.match(await call(gateway, pb('d0', '&status=pending')), { status: 200, body: 'tracker' })
  await origin.stop()
  t.match(await call(gateway, pb('d1', '&status=pending')), { status: 200, body: 'OK' }, 'stored')
  t.match(await call(gateway, pb('d1', '&status=pending')), { status: 200, body: 'OK' }, 'once')
  t.equal((await call(gateway, '/other')).status, 502, 'what is no postback cannot be')
  const broken = await call(gateway, `/pb/${TOKEN}?nothing=here`)
  t.equal(broken.status, 502, 'nor what is no conversion: the network may try again')
  await origin.start()
  t.match(await call(gateway, pb('d1', '&status=approved')), { body: 'OK' }, 'behind the first')
  await until('both have come', () => origin.seen.length === 3, 30_000)
  t.same(
    origin.seen.map(seen => new URL(seen.target, 'http://x').search),
    [pb('d0', '&status=pending'), pb('d1', '&status=pending'), pb('d1', '&status=approved')].map(
      target => new URL(target, 'http://x').search,
    ),
    'in order, each once',
  )
  await until(
    'the tracker answers again',
    async () => (await call(gateway, pb('probe'))).body === 'tracker',
  )
  for (const status of [502, 503, 504]) {
    origin.script = say(status)
    t.match(await call(gateway, pb(`e${status}`)), { status: 200, body: 'OK' }, `at ${status}`)
    origin.script = script
    await until(
      'the tracker answers again',
      async () => (await call(gateway, pb(`again-${status}`))).body === 'tracker',
      30_000,
    )
  }
  origin.script = () => undefined
  t.match(await call(gateway, pb('hangs')), { status: 200, body: 'OK' }, 'too slow: stored')
  origin.script = script
  await until('all is delivered', async () => (await pendingDeliveries(gateway)) === 0, 30_000)
  for (const tid of ['d0', 'd1', 'e502', 'e503', 'e504', 'hangs']) {
    const fed = destinations.on('/a').filter(arrival => arrival.query.get('tid') === tid)
    t.ok(fed.length >= 1, `${tid} has reached the other destinations`)
  }
  t.ok((await count(gateway, 'postern_proxy_taps_total', 'stored')) >= 6)
})

t.test('tap without store_when_down: the failure goes back', async t => {
  const { origin, gateway } = await setUp(t, { store_when_down: false })
  await origin.stop()
  t.equal((await call(gateway, pb('x'))).status, 502)
})

t.test('modes by network, and a reload that changes them', async t => {
  const { origin, gateway, config } = await setUp(t, { networks: { other: { mode: 'gate' } } })
  origin.script = say(200, 'tracker')
  t.match(await call(gateway, `/by/net/${TOKEN}?cid=1&tid=1`), { body: 'tracker' })
  t.match(await call(gateway, `/by/other/${TOKEN}?cid=1&tid=1`), { body: 'OK' })
  t.match(await call(gateway, '/by/other/wrong?cid=1&tid=2'), { status: 401 })
  const text = readFileSync(config, 'utf8')
  writeFileSync(config, text.replace('mode: gate', 'mode: tap'))
  await until(
    'the reload is in force',
    async () => (await call(gateway, '/by/other/wrong?cid=1&tid=2')).status === 200,
  )
  t.match(await call(gateway, `/by/other/${TOKEN}?cid=1&tid=9`), { body: 'tracker' })
})

t.test('shadow: a second tracker is compared and never heard', async t => {
  const second = await startOrigin(t)
  const { origin, gateway, config } = await setUp(
    t,
    {
      networks: { other: { mode: 'gate' } },
      shadow: {
        upstream: second.url,
        body: 'same',
        body_without: ['id=[0-9]+'],
        timeout_ms: 500,
      },
    },
    'lmdb',
  )
  const compared = (result: string) =>
    count(gateway, 'postern_proxy_shadow_answers_total', `result="${result}"`)
  origin.script = say(200, 'ok id=1')
  second.script = say(200, 'ok id=22 \n')
  const target = pb('s1', '&x=%zz')
  t.match(await call(gateway, target), { body: 'ok id=1' })
  await until('they agree', async () => (await compared('agree')) === 1)
  t.equal(second.seen[0]?.target, target)
  t.equal(second.seen[0]?.headers.host, new URL(gateway.url).host)

  second.script = say(200, 'duplicate')
  t.match(await call(gateway, pb('s2')), { body: 'ok id=1' })
  await until('they differ in the body', async () => (await compared('differ')) === 1)
  second.script = say(404, 'ok')
  // A sample a second is kept, so the second kind waits for its turn.
  await until('they differ in status', async () => {
    await call(gateway, pb(`s3-${await compared('differ')}`))
    const { stdout } = await cli(['log', '--config', config, '--json', '--limit', '100'], ENV)
    return stdout.includes('status: tracker 200')
  })
  await second.stop()
  await call(gateway, pb('s4'))
  await until('it failed', async () => (await compared('failed')) === 1)
  await second.start()
  second.script = () => undefined
  const started = performance.now()
  t.match(await call(gateway, pb('s5')), { body: 'ok id=1' }, 'a shadow that hangs')
  t.ok(performance.now() - started < 500, 'holds nobody up')
  await until('it timed out', async () => (await compared('failed')) === 2)

  second.script = say(200, 'ok')
  const before = second.seen.length
  const agreed = await compared('agree')
  t.equal((await call(gateway, `/by/other/${TOKEN}?cid=1&tid=gated`)).status, 200)
  t.equal((await call(gateway, `/by/other/${TOKEN}?cid=1&tid=gated`)).status, 200)
  await until('what passed the gate is compared', async () => (await compared('agree')) > agreed)
  t.equal(second.seen.length, before + 1, 'once')
  await call(gateway, '/other')
  t.notOk(
    second.seen.some(seen => seen.target === '/other'),
    'only postbacks are copied',
  )

  const { stdout } = await cli(['log', '--config', config, '--find', 'net', '--limit', '100'], ENV)
  t.match(stdout, /shadow_differ\b[^\n]*body: tracker 200 "ok id=1", shadow 200 "duplicate"/)
})
