/** The edge: what it hands on, in which order it answers, and how it begins and ends. Bad input: test/hostile. */
import { once } from 'node:events'
import { connect } from 'node:tls'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { addressBlock } from '../../src/base/address.ts'
import { systemClock } from '../../src/base/clock.ts'
import type { Postback } from '../../src/model/postback.ts'
import { REASONS, type Reason } from '../../src/reasons.ts'
import { compileHosts } from '../../src/receive/hosts.ts'
import { DEFAULT_LIMITS, type ReceiveLimits } from '../../src/receive/limits.ts'
import { createRates } from '../../src/receive/rate.ts'
import type { RateUse } from '../../src/store/store.ts'
import { defaultReply } from '../../src/receive/reply.ts'
import { createReceiver, type ReceiverOptions } from '../../src/receive/server.ts'
import { createTestClock } from '../store/clock.ts'
import { createCertificates } from '../support/certificates.ts'
import { open } from '../support/raw-client.ts'
import { until } from '../support/until.ts'

interface Setup {
  readonly limits?: Partial<ReceiveLimits>
  readonly trustedProxies?: readonly string[]
  readonly handle?: ReceiverOptions['handle']
  readonly terms?: NonNullable<ReceiverOptions['terms']>
  readonly certificate?: ReceiverOptions['certificate']
}

async function setUp(test: Test, setup: Setup = {}) {
  const seen: Postback[] = []
  const refused: { network: string | undefined; reason: Reason; detail: string }[] = []
  const unexpected: unknown[] = []
  const created = createReceiver({
    limits: { ...DEFAULT_LIMITS, ...setup.limits },
    trustedProxies: setup.trustedProxies ?? [],
    clock: systemClock,
    handle: async postback => {
      seen.push(postback)
      return (await setup.handle?.(postback)) ?? defaultReply('new')
    },
    refuse: (network, refusal) => {
      refused.push({ network, ...refusal })
      return defaultReply(refusal.reason)
    },
    unexpected: error => unexpected.push(error),
    ...(setup.terms ? { terms: setup.terms } : {}),
    certificate: setup.certificate,
  })
  if (!created.ok) throw new Error('bad trusted proxies')
  const receiver = created.value
  const port = await receiver.start({ host: '127.0.0.1', port: 0 })
  test.teardown(() => receiver.close())
  return { receiver, port, seen, refused, unexpected }
}

const get = (target: string, ...headers: string[]): string =>
  [`GET ${target} HTTP/1.1`, 'Host: pb.example', ...headers, '', ''].join('\r\n')

function post(type: string | undefined, body: string | Buffer, ...headers: string[]): Buffer {
  const head = [
    'POST /in/acme HTTP/1.1',
    'Host: pb.example',
    ...(type === undefined ? [] : [`Content-Type: ${type}`]),
    `Content-Length: ${Buffer.byteLength(body)}`,
    ...headers,
    '',
    '',
  ].join('\r\n')
  return Buffer.concat([Buffer.from(head), Buffer.from(body)])
}
const FORM = 'application/x-www-form-urlencoded'
const json = (body: string | Buffer, type = 'application/json') => post(type, body)

interface Case {
  readonly row: string
  readonly send: string | Buffer
  /** A reason, or what the pipeline must be handed. */
  readonly expect: Reason | ((postback: Postback) => unknown)
  /** With a function: what it must return. */
  readonly is?: unknown
}

const params = (postback: Postback) =>
  Object.fromEntries(postback.params.map(({ name, value }) => [name, value]))
const raws = (postback: Postback) => postback.params.map(({ raw }) => raw)

const CASES: Case[] = [
  { row: '22 slash stays in token', send: get('/in/acme/a%2Fb'), expect: p => [p.pathToken, p.pathEvent], is: ['a/b', undefined] },
  { row: '31 broken encoding', send: get('/in/acme?a=%zz&b=%E0%A4%A&c=%c0%af&d=%ed%a0%80'), expect: params, is: { a: null, b: null, c: null, d: null } },
  { row: '35 twice', send: get('/in/acme?tx=1&tx=2'), expect: p => p.params.map(x => x.value), is: ['1', '2'] },
  { row: '37 query names', send: get('/in/acme?__proto__=1&constructor=2&%5f_proto__=3&prototype&a=1'), expect: params, is: { a: '1' } },
  { row: '39 as sent', send: get('/in/acme?a=x+y&b=x%20y&c=x%2By'), expect: raws, is: ['x+y', 'x%20y', 'x%2By'] },
  { row: '40 path decoded once', send: get('/in/acme/%2541'), expect: p => p.pathToken, is: '%41' },
  { row: '51 numbers', send: json('{"tx":12345678901234567890,"a":1e999,"b":1.10,"c":-0}'), expect: params, is: { tx: '12345678901234567890', a: '1e999', b: '1.10', c: '-0' } },
  { row: '57 query and body', send: Buffer.from(post(FORM, 'tx=2').toString().replace('/in/acme', '/in/acme?tx=1')), expect: p => p.params.map(x => [x.source, x.value]), is: [['query', '1'], ['form', '2']] },
  { row: '58 GET with body', send: get('/in/acme?a=1', 'Content-Length: 3', `Content-Type: ${FORM}`) + 'b=2', expect: p => [params(p), p.body.length], is: [{ a: '1' }, 0] },
  { row: 'path token and event', send: get('/in/acme/s3cret/ftd?a=1'), expect: p => [p.pathToken, p.pathEvent, p.target], is: ['s3cret', 'ftd', '/in/acme/s3cret/ftd?a=1'] },
  { row: 'slash at the end', send: get('/in/acme/?a=1'), expect: p => [p.network, p.pathToken], is: ['acme', undefined] },
  { row: '/postback', send: get('/postback?a=1&network=acme'), expect: p => [p.network, params(p)], is: ['acme', { a: '1' }] },
  { row: '/postback without network', send: get('/postback?a=1'), expect: 'unknown_network' },
  { row: '/postback with two networks', send: get('/postback?network=acme&network=b'), expect: 'unknown_network' },
  { row: 'raw body bytes', send: json('{ "a" : 1 }'), expect: p => p.body.toString(), is: '{ "a" : 1 }' },
  { row: 'JSON scalars only', send: json('{"a":true,"b":null,"c":[1],"d":{"e":1},"f":"x"}'), expect: params, is: { a: 'true', f: 'x' } },
] // prettier-ignore

t.test('what the pipeline is handed', async t => {
  const { port, seen, refused, unexpected } = await setUp(t)
  for (const { row, send, expect, is } of CASES) {
    seen.length = refused.length = 0
    const connection = open(port)
    connection.send(send)
    const response = await connection.next()
    if (typeof expect === 'function') {
      t.equal(response?.status, 200, `${row}: status`)
      t.same(seen.map(expect), [is], `${row}: what the pipeline sees`)
    } else {
      t.equal(response?.status, REASONS[expect].http, `${row}: status`)
      t.equal(seen.length, 0, `${row}: never in the pipeline`)
    }
    connection.end()
  }
  t.same(unexpected, [], 'no row was a surprise')
})

t.test('answers on one connection keep their order, and the bad request comes last', async t => {
  const { port, seen } = await setUp(t, {
    // The first are the slowest, so order is not by luck.
    handle: async ({ params }) => {
      const turns = 100 - Number(params[0]?.value)
      for (let i = 0; i < turns; i++) await new Promise(setImmediate)
      return { status: 200, contentType: 'text/plain', body: String(params[0]?.value) }
    },
  })
  const connection = open(port)
  const good = Array.from({ length: 100 }, (_, i) => get(`/in/acme?n=${i}`))
  connection.send(`${good.join('')}GET /in/acme?n=\u0001 HTTP/1.1\r\n\r\n`)
  for (let i = 0; i < 100; i++) {
    const response = await connection.next()
    t.same([response?.status, response?.body], [200, String(i)])
  }
  t.equal((await connection.next())?.status, 400)
  t.equal(await connection.closed, '')
  t.equal(seen.length, 100)
})

t.test('a client that leaves while sending is nobody to answer', async t => {
  const { port, refused, unexpected, seen } = await setUp(t)
  const connection = open(port)
  connection.send(post(FORM, 'a=1&b=2').subarray(0, -3))
  connection.end()
  await connection.closed
  const next = open(port)
  next.send(get('/in/acme'))
  t.equal((await next.next())?.status, 200)
  next.end()
  t.same([refused, unexpected, seen.length], [[], [], 1])
})

t.test('above the limit in flight: 503 overloaded, then served again', async t => {
  let finish = (): void => {}
  const held = new Promise<void>(resolve => {
    finish = resolve
  })
  const { port, refused, receiver } = await setUp(t, {
    limits: { inFlight: 2 },
    handle: async () => {
      await held
      return defaultReply('new')
    },
  })
  const held1 = open(port)
  held1.send(get('/in/acme') + get('/in/acme'))
  while (receiver.inFlight() < 2) await new Promise(setImmediate)
  const third = open(port)
  third.send(get('/in/acme'))
  const response = await third.next()
  t.same([response?.status, response?.headers['retry-after']], [503, '5'])
  t.match(refused, [{ network: 'acme', reason: 'overloaded' }])
  finish()
  t.equal((await held1.next())?.status, 200)
  t.equal((await held1.next())?.status, 200)
  t.equal(receiver.inFlight(), 0)
  third.send(get('/in/acme'))
  t.equal((await third.next())?.status, 200, 'the connection stayed')
  held1.end()
  third.end()
})

t.test('draining: what is in flight is answered, the rest 503, connections close', async t => {
  let finish = (): void => {}
  const held = new Promise<void>(resolve => {
    finish = resolve
  })
  const { port, receiver } = await setUp(t, {
    handle: async () => {
      await held
      return defaultReply('new')
    },
  })
  const first = open(port)
  first.send(get('/in/acme'))
  const idle = open(port)
  while (receiver.inFlight() < 1) await new Promise(setImmediate)
  receiver.setDraining()
  idle.send(get('/in/acme'))
  const refused = await idle.next()
  t.same([refused?.status, refused?.headers['retry-after'], refused?.headers['connection']], [503, '5', 'close']) // prettier-ignore
  t.equal(await idle.closed, '')
  finish()
  const answered = await first.next()
  t.same([answered?.status, answered?.headers['connection']], [200, 'close'])
  t.equal(await first.closed, '')
})

t.test('close does not wait for ever for a half-sent request', async t => {
  const { port, receiver } = await setUp(t, { limits: { requestTimeoutMs: 100 } })
  const connection = open(port)
  connection.send(post(FORM, 'a=1').subarray(0, -1))
  const other = open(port)
  other.send(get('/in/acme'))
  await other.next()
  await receiver.close()
  await connection.closed
  t.pass('closed')
})

t.test('a defect of the pipeline promises nothing', async t => {
  const { port, unexpected } = await setUp(t, {
    handle: () => Promise.reject(new Error('secret detail')),
  })
  const connection = open(port)
  connection.send(get('/in/acme'))
  const response = await connection.next()
  t.equal(response?.status, 503)
  t.notMatch(response?.body, /secret/)
  t.equal(unexpected.length, 1)
  connection.end()
})

t.test('no more connections than the limit, and room again after', async t => {
  const { port, refused } = await setUp(t, { limits: { connections: 2 } })
  const [first, second] = [open(port), open(port)]
  for (const connection of [first, second]) {
    connection.send(get('/in/acme'))
    t.equal((await connection.next())?.status, 200)
  }
  const third = open(port)
  t.equal(await third.closed, '', 'closed without an answer')
  t.match(refused, [{ network: undefined, reason: 'overloaded' }], 'and counted')
  first.end()
  await first.closed
  await until('room again', async () => {
    const next = open(port)
    next.send(get('/in/acme'))
    const response = await next.next()
    next.end()
    return response?.status === 200
  })
  second.end()
})

t.test('HTTPS, and a certificate that is renewed under way', async t => {
  const { good, selfSigned } = createCertificates(t.testdir({}))
  const { port, receiver, refused } = await setUp(t, {
    certificate: good,
    terms: () => ({ isHttpsOnly: true, rate: 0 }),
  })
  const held = await openTls(port)
  t.equal(await held.ask(get('/in/acme')), 'HTTP/1.1 200 OK')
  receiver.setCertificate(selfSigned)
  const renewed = await openTls(port)
  t.not(renewed.fingerprint, held.fingerprint, 'new connections get the new one')
  t.equal(await renewed.ask(get('/in/acme')), 'HTTP/1.1 200 OK')
  t.equal(await held.ask(get('/in/acme')), 'HTTP/1.1 200 OK', 'old ones go on')
  held.end()
  renewed.end()
  const plain = open(port)
  plain.send(get('/in/acme'))
  t.equal(await plain.closed, '', 'plain HTTP is no TLS handshake')
  await until('counted', () => refused.length > 0)
  t.match(refused, [{ network: undefined, reason: 'malformed_http' }])
})

async function openTls(port: number) {
  const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  return {
    fingerprint: socket.getPeerCertificate().fingerprint256,
    ask: async (bytes: string) => {
      socket.write(bytes)
      const [data] = (await once(socket, 'data')) as [Buffer]
      return data.toString().split('\r\n')[0]
    },
    end: () => socket.destroy(),
  }
}

t.test('rates fill again with time, each key for itself', async t => {
  const clock = createTestClock()
  const rates = createRates(clock)
  const take = (key: string, perSecond: number, times: number) =>
    Array.from({ length: times }, () => rates.take(key, perSecond)).filter(Boolean).length
  t.equal(take('a', 10, 15), 10, 'one second’s worth at once')
  t.equal(take('b', 10, 1), 1)
  clock.advance(500)
  t.equal(take('a', 10, 15), 5)
  clock.advance(60_000)
  t.equal(take('a', 10, 15), 10, 'and never more')
  t.equal(take('a', 0, 1000), 1000, '0 is no limit')
  t.equal(addressBlock('2001:db8:1:2:3::4'), addressBlock('2001:db8:1:2::9'), 'a /64 is one')
  t.not(addressBlock('2001:db8:1:2::9'), addressBlock('2001:db8:1:3::9'))
  t.not(addressBlock('192.0.2.1'), addressBlock('192.0.2.2'))
})

t.test('rates that are shared are held together to within one exchange', async t => {
  const clock = createTestClock()
  const global = { tokens: 20, at: 0 }
  let isAway = false
  const share = async (uses: readonly RateUse[]) => {
    if (isAway) throw new Error('away')
    return uses.map(({ perSecond, taken }) => {
      const passed = clock.monotonic() - global.at
      const filled = Math.min(perSecond, global.tokens + (passed * perSecond) / 1000)
      Object.assign(global, { tokens: Math.max(filled - taken, -perSecond), at: clock.monotonic() })
      return global.tokens
    })
  }
  const gateways = [createRates(clock, share), createRates(clock, share)]
  let passed = 0
  const flood = async (exchanges: number) => {
    for (let i = 0; i < exchanges; i++) {
      for (const gateway of gateways) {
        for (let n = 0; n < 50; n++) if (gateway.take('net', 20)) passed++
      }
      await Promise.all(gateways.map(gateway => gateway.exchange()))
      clock.advance(200)
    }
  }
  await flood(50)
  // 10 s of a rate of 20 with a burst of 20: 220, and once as much as the other one let through.
  t.ok(passed <= 240 && passed >= 200, `${passed} in ten seconds`)
  clock.advance(5000)
  passed = 0
  isAway = true
  await flood(5)
  t.equal(passed, 2 * (20 + 4 * 4), 'without the store each holds it by itself')
})

t.test('hosts', async t => {
  const admit = compileHosts(['pb.example', '[2001:db8::1]', '192.0.2.1'])
  for (const [host, url, expected] of [
    ['pb.example', '/in/a', '/in/a'],
    ['PB.EXAMPLE.:443', '/in/a', '/in/a'],
    ['[2001:DB8::1]:80', '/', '/'],
    ['192.0.2.1', '/', '/'],
    ['pb.example.evil', '/in/a', undefined],
    ['evil', 'http://pb.example:80/in/a?x=1', '/in/a?x=1'],
    ['evil', 'https://PB.example?x=1', '/?x=1'],
    ['pb.example', 'http://evil/in/a', undefined],
    ['pb.example', 'http://pb.example@evil/in/a', undefined],
    ['pb.example', '*', undefined],
    [undefined, '/in/a', undefined],
  ] as const) {
    const request = { url, headers: host === undefined ? {} : { host } }
    t.equal(admit(request) ? request.url : undefined, expected, `${host} ${url}`)
  }
  t.ok(
    compileHosts([])({ url: 'http://any/in/a', headers: {} }),
    'without a list there is no question',
  )
})

/** Requests of every shape, for the mutator to damage. */
const CORPUS = [
  get('/in/acme/token/ftd?tid=1&payout=1.50&sub1=%F0%9F%92%B8+x%00'),
  post(FORM, 'tid=1&payout=1.50&x=%zz', 'Expect: 100-continue').toString('latin1'),
  json('{"tid":12345678901234567890,"a":{"b":[1,null,"\\u00e9"]}}').toString('latin1'),
  'POST /in/acme HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\n{"a":\r\n2\r\n1}\r\n0\r\nX-T: 1\r\n\r\n',
  'HEAD /in/acme HTTP/1.1\r\nHost: a\r\n\r\n',
  `${get('/postback?network=acme')}${get('/in/acme', 'X-Forwarded-For: 1.2.3.4, [::1]:9', 'Connection: close')}`,
]
const TROUBLE = [
  '\r\n',
  '\n',
  '\0',
  '\xff',
  ' ',
  ':',
  '%',
  '%00',
  '\r\n\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Content-Length: 3\r\n',
  'Host: b\r\n',
  'ffffffffffffffff',
  '-1',
  '/../',
  '//',
  '?',
  '#',
  '{',
  '"',
]

t.test('whatever is done to a request, it is answered or its connection closed', async t => {
  const { port, unexpected, seen } = await setUp(t, { limits: { requestTimeoutMs: 200 } })
  const edit = fc.record({
    at: fc.nat(),
    remove: fc.nat(6),
    put: fc.oneof(fc.constantFrom(...TROUBLE), fc.string({ unit: 'binary', maxLength: 3 })),
  })
  const damaged = fc
    .tuple(fc.constantFrom(...CORPUS), fc.array(edit, { minLength: 1, maxLength: 4 }))
    .map(([text, edits]) =>
      edits.reduce((now, { at, remove, put }) => {
        const from = at % (now.length + 1)
        return now.slice(0, from) + put + now.slice(from + remove)
      }, text),
    )
  const statuses = new Set<number>()
  await Promise.all(
    fc.sample(damaged, 400).map(async text => {
      const connection = open(port)
      connection.send(Buffer.from(text, 'latin1'))
      const answer = await connection.next(text.startsWith('HEAD'))
      if (answer) statuses.add(answer.status)
      connection.end()
    }),
  )
  const known = new Set([100, 200, ...Object.values(REASONS).map(({ http }) => http)])
  t.same(
    [...statuses].filter(status => !known.has(status)),
    [],
    'only answers that have a reason',
  )
  t.notOk(statuses.has(503), 'and none of them is a defect')
  t.same(unexpected, [])
  t.ok(seen.length > 0 && statuses.has(400), 'some were still good, others not')
  const last = open(port)
  last.send(get('/in/acme'))
  t.equal((await last.next())?.status, 200)
  last.end()
})

t.test('a host is the same in every spelling, and no other is', async () => {
  const admit = compileHosts(['pb.example'])
  const letters = 'pb.example'
    .split('')
    .map(letter => fc.constantFrom(letter, letter.toUpperCase()))
  const spelling = fc
    .tuple(fc.tuple(...letters), fc.constantFrom('', '.'), fc.constantFrom('', ':80', ':65535'))
    .map(([name, dot, at]) => name.join('') + dot + at)
  fc.assert(fc.property(spelling, host => admit({ url: '/', headers: { host } })))
  fc.assert(
    fc.property(fc.string(), fc.nat(10), (put, at) => {
      const host = 'pb.example'.slice(0, at) + put + 'pb.example'.slice(at)
      const isSame = /^\s*pb\.example\.?(:\d{1,5})?\s*$/i.test(host)
      return admit({ url: '/', headers: { host } }) === isSame
    }),
  )
})
