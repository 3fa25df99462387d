/**
 * Traces of a real gateway, as a collector gets them: which spans, whose children, and what is on
 * them. Off by default, without a trace of OpenTelemetry; and never at the expense of postbacks.
 */
import { writeFileSync, readFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { request } from 'undici'
import type { Clock } from '../../src/base/clock.ts'
import type { PostbackFact } from '../../src/observe/events.ts'
import { parseTraceparent, toTraceparent } from '../../src/observe/trace.ts'
import { createTracing } from '../../src/observe/tracing.ts'
import { startCollector } from '../support/collector.ts'
import { startGateway, temporaryFolder, type Gateway } from '../support/gateway.ts'
import { install, target, TOKEN } from '../support/installation.ts'
import { startTracker } from '../support/tracker.ts'
import { until } from '../support/until.ts'

t.setTimeout(240_000)

const HEADER_SECRET = 'CANARY-collector'
const ENV = { TEST_TOKEN: TOKEN, COLLECTOR_TOKEN: HEADER_SECRET }
const TRACE = '0af7651916cd43dd8448eb211c80319c'
const PARENT = 'b7ad6b7169203331'

async function send(gateway: Gateway, path: string, headers = {}, method = 'GET') {
  const response = await request(gateway.url + path, { headers, method: method as 'GET' })
  await response.body.dump()
  return response.statusCode
}

/**
 * Writes what was loaded of OpenTelemetry into a file when the process ends. Its API, which does
 * nothing by itself, is loaded by prom-client in any case.
 */
function watchModules(folder: string) {
  const script = join(folder, 'watch.cjs')
  const list = join(folder, 'modules.json')
  writeFileSync(
    script,
    `process.on('exit', () => require('node:fs').writeFileSync(${JSON.stringify(list)},
       JSON.stringify(Object.keys(require('node:module')._cache).filter(file => /@opentelemetry.(?!api.)/.test(file)))))`,
  )
  return {
    env: { NODE_OPTIONS: `--require ${script}` },
    loaded: () => JSON.parse(readFileSync(list, 'utf8')) as string[],
  }
}

t.test('the spans of postbacks and of their deliveries', async t => {
  const folder = temporaryFolder(t)
  const collector = await startCollector(t)
  const seen: IncomingHttpHeaders[] = []
  // The first attempt fails, the next one succeeds.
  const server = createServer((req, res) => {
    seen.push(req.headers)
    res.statusCode = seen.length === 1 ? 500 : 200
    res.end('OK')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const { port } = server.address() as AddressInfo
  const modules = watchModules(folder)
  const config = install(folder, {
    store: { type: 'lmdb', path: join(folder, 'data') },
    tracker: `http://127.0.0.1:${port}`,
    destinations: ['a'],
    destination: { retry_schedule_ms: [20] },
    more: {
      log: { level: 'debug' },
      tracing: {
        endpoint: collector.endpoint,
        sample: 1,
        headers: { authorization: '${COLLECTOR_TOKEN}' },
      },
    },
  })
  const gateway = await startGateway(t, config, { ...ENV, ...modules.env })
  const before = BigInt(Date.now()) * 1_000_000n
  const traceparent = `00-${TRACE}-${PARENT}-01`
  const path = target('first')
  t.equal(await send(gateway, path, { traceparent, tracestate: 'a=b' }), 200)
  t.equal(await send(gateway, path), 200, 'a duplicate')
  t.equal(await send(gateway, '/in/net/wrong-token?cid=c&tid=t&payout=1'), 401)
  t.equal(await send(gateway, target('put'), {}, 'PUT'), 405, 'refused before it was read')
  const unsampled = `00-${TRACE}-${PARENT}-00`
  t.equal(await send(gateway, target('untraced'), { traceparent: unsampled }), 200)
  t.equal(await send(gateway, target('broken'), { traceparent: '00-xyz' }), 200)
  await until('all is delivered', () => seen.length === 4)
  await until('all spans came', () => collector.spans.length >= 8)

  const named = (name: string) => collector.spans.filter(span => span.name === name)
  const of = (reason: string) =>
    named('receive net').filter(span => span.attributes['postern.reason'] === reason)
  const [accepted, other] = of('new').sort((a, b) => (a.start < b.start ? -1 : 1))
  if (!accepted || !other) throw new Error('no span of an accepted postback')

  await t.test('an accepted one', t => {
    t.equal(accepted.traceId, TRACE, 'continues the trace it came with')
    t.equal(accepted.parentSpanId, PARENT)
    const { 'postern.record': record, ...attributes } = accepted.attributes
    t.match(record, /^[0-9a-z]+-[0-9a-z]+-0$/)
    t.same(attributes, {
      'http.request.method': 'GET',
      'http.response.status_code': 200,
      'postern.network': 'net',
      'postern.outcome': 'accepted',
      'postern.reason': 'new',
      'postern.destinations': ['a'],
      'postern.status': 'approved',
    })
    t.equal(accepted.kind, 2, 'a server span')
    t.same(accepted.events.map(event => event.name), ['verified', 'normalized', 'committed']) // prettier-ignore
    const times = [accepted.start, ...accepted.events.map(event => event.at), accepted.end]
    t.same(
      times,
      times.toSorted((a, b) => Number(a - b)),
      'in this order',
    )
    t.ok(accepted.start >= before)
    t.equal(accepted.status.code, 0)
    t.equal(accepted.resource['service.name'], 'postern')
    t.equal(accepted.resource['process.pid'], gateway.process.pid)
    t.end()
  })

  await t.test('a duplicate, a refused one, and one refused unread', t => {
    const [duplicate] = of('duplicate')
    t.equal(duplicate?.attributes['postern.outcome'], 'duplicate')
    t.equal(duplicate?.parentSpanId, undefined, 'begins a trace of its own')
    t.not(duplicate?.traceId, TRACE)
    const [refused] = of('secret_mismatch')
    t.equal(refused?.attributes['postern.outcome'], 'rejected')
    t.equal(refused?.attributes['http.response.status_code'], 401)
    t.same(refused?.events, [], 'it got past nothing')
    t.equal(refused?.status.code, 0, 'not our failure')
    t.equal(of('method_not_allowed')[0]?.attributes['http.response.status_code'], 405)
    t.equal(other.parentSpanId, undefined, 'a broken traceparent is ignored')
    t.equal(named('receive net').length, 5, 'one that is not sampled where it came from is not here') // prettier-ignore
    t.end()
  })

  await t.test('a delivery that failed once', t => {
    const attempts = named('deliver a').filter(span => span.traceId === TRACE)
    const first = attempts.find(span => span.attributes['postern.attempt'] === 1)
    const second = attempts.find(span => span.attributes['postern.attempt'] === 2)
    t.equal(attempts.length, 2)
    const common = {
      'postern.destination': 'a',
      'postern.network': 'net',
      'postern.record': accepted.attributes['postern.record'],
      'postern.status': 'approved',
    }
    t.same(first?.attributes, {
      ...common,
      'postern.attempt': 1,
      'postern.result': 'http_5xx',
      'http.response.status_code': 500,
    })
    t.same(first?.status, { code: 2, message: 'http_5xx' })
    t.same(second?.attributes, {
      ...common,
      'postern.attempt': 2,
      'postern.result': 'ok',
      'http.response.status_code': 200,
    })
    t.equal(second?.status.code, 0)
    for (const attempt of [first, second]) {
      t.equal(attempt?.parentSpanId, accepted.spanId, 'a child of its postback')
      t.same(attempt?.links, [{ traceId: TRACE, spanId: accepted.spanId }])
      t.equal(attempt?.kind, 3, 'a client span')
      t.ok((attempt?.end ?? 0n) > (attempt?.start ?? 0n))
    }
    t.ok((first?.end ?? 0n) <= (second?.start ?? 0n))
    const [own] = named('deliver a').filter(span => span.traceId === other.traceId)
    t.equal(own?.parentSpanId, other.spanId)
    t.equal(named('deliver a').length, 3, 'none of the postback that is not traced')
    t.end()
  })

  await t.test('nothing of it goes to the destination', t => {
    for (const headers of seen) {
      t.equal(headers['traceparent'], undefined)
      t.equal(headers['tracestate'], undefined)
    }
    t.end()
  })

  t.equal(await send(gateway, target('last')), 200)
  const end = await gateway.kill('SIGTERM')
  t.equal(end.code, 0)
  t.equal(of('new').length, 3, 'what waited was sent at the end')
  t.ok(modules.loaded().length > 0, 'the list of modules is one')

  await t.test('nothing that was sent is in any span', t => {
    const sent = collector.requests.map(({ body }) => body).join('\n')
    const private_ = [
      TOKEN,
      'wrong-token',
      'click-',
      'first',
      'untraced',
      '1.50',
      '127.0.0',
      'cid=',
    ]
    for (const text of private_) t.notMatch(sent, text)
    for (const { headers } of collector.requests) {
      t.equal(headers.authorization, HEADER_SECRET)
      t.equal(headers['content-type'], 'application/json')
    }
    t.notMatch(gateway.output(), HEADER_SECRET)
    t.end()
  })
})

t.test('off by default: no span, and nothing of OpenTelemetry is loaded', async t => {
  const folder = temporaryFolder(t)
  const collector = await startCollector(t)
  const tracker = await startTracker(t)
  const modules = watchModules(folder)
  const config = install(folder, { store: { type: 'memory' }, tracker: tracker.url })
  const gateway = await startGateway(t, config, {
    ...ENV,
    ...modules.env,
    // What other programs are told.
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.endpoint,
  })
  const traceparent = `00-${TRACE}-${PARENT}-01`
  t.equal(await send(gateway, target('one'), { traceparent }), 200)
  await until('it is delivered', () => tracker.arrivals.length === 2)
  await gateway.kill('SIGTERM')
  t.equal(collector.requests.length, 0)
  t.same(modules.loaded(), [])
})

t.test('a collector that hangs, refuses or is away costs spans only', async t => {
  const troubled = async (t: Test, endpoint: string, postbacks: number) => {
    const folder = temporaryFolder(t)
    const tracker = await startTracker(t)
    const config = install(folder, {
      store: { type: 'memory' },
      tracker: tracker.url,
      more: { tracing: { endpoint, sample: 1 } },
    })
    const gateway = await startGateway(t, config, ENV)
    const tids = Array.from({ length: postbacks }, (_, i) => `${i}`)
    const statuses = await Promise.all(tids.map(tid => send(gateway, target(tid))))
    t.same(new Set(statuses), new Set([200]))
    await until('all is delivered', () => tracker.arrivals.length === 2 * postbacks)
    return gateway
  }
  const told = (gateway: Gateway) =>
    gateway.lines.filter(line => String(line['message']).startsWith('tracing: '))

  await t.test('hangs', async t => {
    const collector = await startCollector(t)
    collector.answerWith('hang')
    const gateway = await troubled(t, collector.endpoint, 800)
    t.ok(collector.requests.length > 0, 'it was asked; more spans came than may wait')
    t.equal((await gateway.kill('SIGTERM')).code, 0, 'and does not hold up the end')
  })
  await t.test('refuses', async t => {
    const collector = await startCollector(t)
    collector.answerWith(400)
    const gateway = await troubled(t, collector.endpoint, 200)
    await until('it is told', () => told(gateway).length > 0, 60_000)
    await until('again and again', () => collector.requests.length > 3)
    t.equal(told(gateway).length, 1, 'once a minute at most')
    t.match(told(gateway)[0]?.['message'], /^tracing: \d+ spans did not reach tracing\.endpoint: /)
    t.equal((await gateway.kill('SIGTERM')).code, 0)
  })
  await t.test('is away', async t => {
    const gateway = await troubled(t, 'http://127.0.0.1:1/v1/traces', 1)
    await until('it is told', () => told(gateway).length > 0, 60_000)
    t.match(told(gateway)[0]?.['message'], /ECONNREFUSED/)
    t.equal((await gateway.kill('SIGTERM')).code, 0)
  })
})

t.test('the end waits for the collector, but not for one that hangs', async t => {
  const collector = await startCollector(t)
  const clock: Clock = { now: () => Date.now(), monotonic: () => performance.now() }
  const open = () =>
    createTracing({
      endpoint: collector.endpoint,
      sample: 1,
      headers: {},
      version: '1',
      clock,
      failed: () => {},
    })
  const fact: PostbackFact = {
    network: 'net',
    method: 'GET',
    outcome: 'deferred',
    reason: 'store_unavailable',
    detail: undefined,
    httpStatus: 503,
    durationMs: 1,
    client: undefined,
    receivedAt: clock.now(),
    conversion: undefined,
    record: undefined,
    destinations: [],
  }
  const first = open()
  first.begin('net', clock.now(), undefined)?.end(fact)
  await first.close()
  t.match(collector.spans, [{ status: { code: 2, message: 'store_unavailable' } }], 'ours to mend')

  collector.answerWith('hang')
  const second = open()
  second.begin('net', clock.now(), undefined)?.end(fact)
  await second.close()
  t.equal(collector.waiting(), 1, 'it has not even given up')
})

t.test('which postbacks are traced', async t => {
  let at = 0
  const clock: Clock = { now: () => 1_700_000_000_000 + at, monotonic: () => at }
  const open = (sample: number) => {
    const options = { version: '1', clock, headers: {}, failed: () => {} }
    const tracing = createTracing({ ...options, endpoint: 'http://127.0.0.1:1/v1/traces', sample })
    const chosen = (parent: string | undefined, times: number) => {
      let count = 0
      for (let i = 0; i < times; i++) if (tracing.begin('net', clock.now(), parent)) count++
      return count
    }
    return { chosen }
  }
  const wish = toTraceparent({ traceId: TRACE, spanId: PARENT })
  const rare = open(1e-12)
  t.equal(rare.chosen(undefined, 1000), 0)
  t.equal(rare.chosen(wish, 1000), 50, 'so many wishes a second are granted')
  at += 1000
  t.equal(rare.chosen(wish, 1000), 50)
  const all = open(1)
  t.equal(all.chosen(undefined, 10), 10)
  t.equal(all.chosen(wish, 200), 200)
  t.equal(all.chosen(`00-${TRACE}-${PARENT}-00`, 10), 0, 'nor what its sender does not trace')
  const some = open(0.5).chosen(undefined, 2000)
  t.ok(some > 800 && some < 1200, `${some} of 2000`)
})

t.test('traceparent', t => {
  const parsed = { traceId: TRACE, spanId: PARENT, isSampled: true }
  t.same(parseTraceparent(`00-${TRACE}-${PARENT}-01`), parsed)
  t.same(parseTraceparent(`00-${TRACE}-${PARENT}-02`), { ...parsed, isSampled: false })
  t.same(parseTraceparent(`cc-${TRACE}-${PARENT}-03-later`), parsed, 'a later version')
  for (const wrong of [
    undefined,
    '',
    [`00-${TRACE}-${PARENT}-01`],
    `00-${TRACE}-${PARENT}-01-more`,
    `ff-${TRACE}-${PARENT}-01`,
    `00-${'0'.repeat(32)}-${PARENT}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${PARENT}-01`,
    `00-${TRACE}-${PARENT}-01, 00-${TRACE}-${PARENT}-01`,
    ` 00-${TRACE}-${PARENT}-01`,
  ]) {
    t.equal(parseTraceparent(wrong), undefined, String(wrong))
  }
  const hex = (length: number) =>
    fc.string({ minLength: length, maxLength: length, unit: fc.constantFrom(...'123456789abcdef') })
  fc.assert(
    fc.property(hex(32), hex(16), (traceId, spanId) => {
      const found = parseTraceparent(toTraceparent({ traceId, spanId }))
      return found?.traceId === traceId && found.spanId === spanId && found.isSampled
    }),
  )
  fc.assert(fc.property(fc.string(), text => parseTraceparent(text) === undefined))
  t.end()
})
