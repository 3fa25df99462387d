/** The way out: what every kind of answer and failure comes to, with real sockets. */
import t, { type Test } from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import type { DeliveryPolicy, DeliveryRequest } from '../../src/model/delivery.ts'
import { createConnections } from '../../src/deliver/connections.ts'
import { createConnector } from '../../src/deliver/connector.ts'
import { EgressError } from '../../src/deliver/egress.ts'
import { exchange, type Sent } from '../../src/deliver/exchange.ts'
import { createResolver } from '../../src/deliver/resolve.ts'
import { createTransport, type TransportOptions } from '../../src/deliver/transport.ts'
import { createTestClock } from '../store/clock.ts'
import { createCertificates } from '../support/certificates.ts'
import * as receiver from '../support/scripted-receiver.ts'
import { createScriptedReceiver, raw, respond } from '../support/scripted-receiver.ts'
import { until } from '../support/until.ts'

const POLICY: DeliveryPolicy = {
  timeoutMs: 10_000,
  concurrency: 4,
  ratePerSecond: undefined,
  memory: 100,
  scheduleMs: [1000],
  budgetMs: 60_000,
  retryAfterAmbiguous: true,
  allowPrivate: ['127.0.0.0/8'],
}

function channelTo(
  t: Test,
  policy: Partial<DeliveryPolicy> = {},
  options: Partial<TransportOptions> = {},
) {
  const transport = createTransport({ clock: systemClock, version: '1.2.3', ...options })
  const channel = transport.channel({ ...POLICY, ...policy })
  t.teardown(() => channel.close())
  return channel
}

async function receive(t: Test, options: Parameters<typeof createScriptedReceiver>[0] = {}) {
  const made = await createScriptedReceiver(options)
  t.teardown(() => made.close())
  return made
}

const get = (url: string): DeliveryRequest => ({
  method: 'GET',
  url,
  headers: {},
  body: undefined,
})

/** What matters of an outcome, without text that differs between platforms. */
function brief(sent: Sent) {
  return sent.kind === 'answered'
    ? { status: sent.response.status }
    : { result: sent.result, isAmbiguous: sent.isAmbiguous }
}

t.test('sends what the destination built, and says who sends', async t => {
  const there = await receive(t)
  const channel = channelTo(t)
  const posted = await channel.send(
    {
      method: 'POST',
      url: `${there.origin}/a/b?x=1&y=%20#not-sent`,
      headers: {
        'content-type': 'application/json',
        authorization: 'Bearer s',
        host: 'evil.example',
        'postern-delivery-id': 'forged',
      },
      body: '{"é":1}',
    },
    'rec_dest',
    2,
  )
  t.match(posted, { kind: 'answered', response: { status: 200, body: 'OK' } })
  const [request] = there.received
  t.match(request, {
    method: 'POST',
    path: '/a/b?x=1&y=%20',
    body: '{"é":1}',
    headers: {
      host: `127.0.0.1:${there.port}`,
      'content-type': 'application/json',
      authorization: 'Bearer s',
      'user-agent': 'Postern/1.2.3',
      'accept-encoding': 'identity',
      'postern-delivery-id': 'rec_dest',
      'postern-hop': '2',
    },
  })
  t.equal(request?.headers['content-length'], '8')

  await channel.send({ ...get(there.origin), headers: { 'user-agent': 'Own/1' } }, 'i', 1)
  await channel.send(get(`${there.origin}?q=1`), 'i', 1)
  t.match(there.received[1], { path: '/', headers: { 'user-agent': 'Own/1' } })
  t.equal(there.received[2]?.path, '/?q=1')
  t.equal(there.connections(), 1, 'one connection is kept alive')
  t.same(there.faults, [])
})

t.test('answers of every kind', async t => {
  const rows: [string, receiver.Answer, object][] = [
    ['204', respond(204), { status: 204 }],
    ['301 is not followed', respond(301, '', { location: 'http://169.254.169.254/' }), { status: 301 }],
    ['408', respond(408), { status: 408 }],
    ['410', respond(410), { status: 410 }],
    ['429', respond(429, '', { 'retry-after': '7' }), { status: 429 }],
    ['500', respond(500, 'x'), { status: 500 }],
    ['an early hint first', raw('HTTP/1.1 103 Hint\r\nlink: a\r\n\r\nHTTP/1.1 202 OK\r\ncontent-length: 0\r\n\r\n'), { status: 202 }],
    ['hangs before the head', receiver.hang, { result: 'timeout', isAmbiguous: true }],
    ['hangs in the body', receiver.hangMidBody, { result: 'timeout', isAmbiguous: true }],
    ['trickles', receiver.trickle, { result: 'timeout', isAmbiguous: true }],
    ['resets at once', receiver.reset, { result: 'reset', isAmbiguous: true }],
    ['resets in the body', receiver.resetMidBody, { result: 'reset', isAmbiguous: true }],
    ['closes without an answer', receiver.close, { result: 'reset', isAmbiguous: true }],
    ['is not HTTP', receiver.invalidHttp, { result: 'reset', isAmbiguous: true }],
    ['never ends its headers', receiver.endlessHeaders, { result: 'reset', isAmbiguous: true }],
    ['never ends its body', receiver.endlessBody, { status: 200 }],
    ['promises more than it sends', socket => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nx'), { result: 'reset', isAmbiguous: true }],
    ['wants to switch protocols', raw('HTTP/1.1 101 Switch\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n'), { result: 'reset', isAmbiguous: true }],
  ] // prettier-ignore
  for (const [name, answer, expected] of rows) {
    const there = await receive(t, { answer })
    const slow = 'result' in expected && expected.result === 'timeout'
    const channel = channelTo(t, { timeoutMs: slow ? 150 : 10_000 })
    const sent = await channel.send(get(there.origin), 'id', 1)
    t.same(brief(sent), expected, name)
    t.equal(there.received.length, 1, `${name}: sent once`)
    there.answerWith(respond(200, 'fine'))
    t.same(
      brief(await channel.send(get(there.origin), 'id', 1)),
      { status: 200 },
      `${name}: works again`,
    )
  }
})

t.test('reads at most 64 KiB of a body, and never decodes it', async t => {
  const there = await receive(t, { answer: receiver.endlessBody })
  const channel = channelTo(t)
  const sent = await channel.send(get(there.origin), 'id', 1)
  t.equal(sent.kind === 'answered' && sent.response.body, 'z'.repeat(65_536))
  there.answerWith(
    raw(
      Buffer.from(
        'HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\n\x1f\x8b\x08',
        'latin1',
      ),
    ),
  )
  const gzip = await channel.send(get(there.origin), 'id', 1)
  t.match(gzip, {
    kind: 'answered',
    response: { status: 200, headers: { 'content-encoding': 'gzip' } },
  })
  t.equal(gzip.kind === 'answered' && gzip.response.body.length, 3)
})

t.test('connections that cannot be made', async t => {
  const gone = await createScriptedReceiver()
  await gone.close()
  const refused = await channelTo(t).send(get(gone.origin), 'id', 1)
  t.same(brief(refused), { result: 'connect_error', isAmbiguous: false })
  t.match(refused, { detail: /ECONNREFUSED/ })

  const unknown = await channelTo(
    t,
    {},
    {
      resolve: () =>
        Promise.reject(Object.assign(new Error('getaddrinfo ENOTFOUND'), { code: 'ENOTFOUND' })),
    },
  ).send(get('http://nobody.example/'), 'id', 1)
  t.same(brief(unknown), { result: 'dns_error', isAmbiguous: false })
  t.match(unknown, { detail: /ENOTFOUND/ })

  const nameless = await channelTo(t, {}, { resolve: async () => [] }).send(
    get('http://nobody.example/'),
    'id',
    1,
  )
  t.same(brief(nameless), { result: 'dns_error', isAmbiguous: false })

  const never = await channelTo(
    t,
    { timeoutMs: 100 },
    { resolve: () => new Promise(() => undefined) },
  ).send(get('http://nobody.example/'), 'id', 1)
  t.same(brief(never), { result: 'timeout', isAmbiguous: false }, 'a name server that hangs')
})

t.test('a request that cannot be HTTP is the template’s fault, and nothing is sent', async t => {
  const there = await receive(t)
  const channel = channelTo(t)
  for (const bad of [
    { ...get(there.origin), headers: { 'x-a': 'one\r\nx-evil: 1' } },
    { ...get(there.origin), headers: { 'x-a': '\u4e2d' } },
    get(`${there.origin}/a b`),
    get(`${there.origin}/\u4e2d`),
  ]) {
    const sent = await channel.send(bad, 'id', 1)
    t.same(brief(sent), { result: 'template_error', isAmbiguous: false })
  }
  t.equal(there.received.length, 0)
  t.same(brief(await channel.send(get(there.origin), 'id', 1)), { status: 200 })
})

t.test('TLS', async t => {
  const certificates = createCertificates(t.testdir({}))
  const { ca } = certificates
  const good = await receive(t, { tls: certificates.good })
  const trusted = channelTo(t, {}, { ca })
  t.same(brief(await trusted.send(get(good.origin), 'id', 1)), { status: 200 })
  t.same(
    brief(await channelTo(t).send(get(good.origin), 'id', 1)),
    { result: 'tls_error', isAmbiguous: false },
    'an authority nobody knows',
  )
  for (const name of ['expired', 'wrongHost', 'selfSigned'] as const) {
    const there = await receive(t, { tls: certificates[name] })
    const sent = await channelTo(t, {}, { ca }).send(get(there.origin), 'id', 1)
    t.same(brief(sent), { result: 'tls_error', isAmbiguous: false }, name)
    t.equal(there.received.length, 0, `${name}: nothing was sent`)
  }
  const plain = await receive(t, {
    connected: socket => void socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'),
  })
  const sent = await channelTo(t).send(get(plain.origin.replace('http:', 'https:')), 'id', 1)
  t.same(brief(sent), { result: 'tls_error', isAmbiguous: false }, 'no TLS there')
  const silent = await receive(t, { connected: socket => socket.pause() })
  const hung = await channelTo(t, { timeoutMs: 150 }).send(
    get(silent.origin.replace('http:', 'https:')),
    'id',
    1,
  )
  t.same(brief(hung), { result: 'timeout', isAmbiguous: false }, 'a handshake that hangs')
})

t.test('a kept-alive connection that died is replaced once, unseen', async t => {
  let requests = 0
  const there = await receive(t, {
    answer: (socket, request) => {
      requests += 1
      // Every connection serves one request and dies at the second, as at a race with its timeout.
      const isSecond = there.received.filter(r => r.connection === request.connection).length > 1
      if (isSecond) socket.resetAndDestroy()
      else respond(200, 'OK')(socket, request)
    },
  })
  const channel = channelTo(t)
  t.same(brief(await channel.send(get(there.origin), 'one', 1)), { status: 200 })
  t.same(brief(await channel.send(get(there.origin), 'two', 1)), { status: 200 })
  t.equal(requests, 3)
  t.same(
    there.received.map(r => r.headers['postern-delivery-id']),
    ['one', 'two', 'two'],
  )
  t.equal(there.connections(), 2)

  there.answerWith(receiver.reset)
  t.same(brief(await channel.send(get(there.origin), 'three', 1)), {
    result: 'reset',
    isAmbiguous: true,
  })
  t.equal(there.received.length, 5, 'the repeat on a new connection is not repeated again')
})

t.test('where a repeat could count twice, every request has its own connection', async t => {
  const there = await receive(t)
  const channel = channelTo(t, { retryAfterAmbiguous: false })
  await channel.send(get(there.origin), 'one', 1)
  await channel.send(get(there.origin), 'two', 1)
  t.equal(there.connections(), 2)
  t.equal(there.received[0]?.headers['connection'], 'close')
  there.answerWith(receiver.reset)
  t.same(brief(await channel.send(get(there.origin), 'three', 1)), {
    result: 'reset',
    isAmbiguous: true,
  })
  t.equal(there.received.length, 3)
})

t.test('closing lets a running exchange end', async t => {
  let answerNow = () => undefined as void
  const there = await receive(t, {
    answer: (socket, request) => {
      answerNow = () => respond(200, 'late')(socket, request)
    },
  })
  const channel = channelTo(t)
  const sending = channel.send(get(there.origin), 'id', 1)
  await there.count(1)
  channel.close()
  answerNow()
  t.match(await sending, { response: { body: 'late' } })
})

t.test('the egress guard at the socket', async t => {
  const there = await receive(t)
  const at = (host: string) => get(`http://${host}:${there.port}/`)
  const none = channelTo(t, { allowPrivate: [] })
  for (const host of [
    '127.0.0.1',
    '127.1',
    '2130706433',
    '0x7f.1',
    '0177.0.0.1',
    '0',
    '[::1]',
    '[::ffff:7f00:1]',
    'localhost',
  ]) {
    t.same(
      brief(await none.send(at(host), 'id', 1)),
      { result: 'egress_blocked', isAmbiguous: false },
      host,
    )
  }

  // Rebinding: public when the URL was checked, private when it is used.
  const answers = ['93.184.216.34', '127.0.0.1']
  const resolve = async () => [{ address: answers.shift() ?? '', family: 4 as const }]
  t.match(await resolve(), [{ address: '93.184.216.34' }])
  const rebound = await channelTo(t, { allowPrivate: [] }, { resolve }).send(
    at('rebind.example'),
    'id',
    1,
  )
  t.match(rebound, { result: 'egress_blocked', egress: 'loopback' })

  const mixed = channelTo(
    t,
    { allowPrivate: [] },
    {
      resolve: async () => [
        { address: '93.184.216.34', family: 4 },
        { address: '10.0.0.1', family: 4 },
      ],
    },
  )
  t.match(await mixed.send(at('mixed.example'), 'id', 1), {
    result: 'egress_blocked',
    egress: 'private',
  })

  const sixth = channelTo(
    t,
    { allowPrivate: [] },
    { resolve: async () => [{ address: 'fd00::1', family: 6 }] },
  )
  t.match(await sixth.send(at('v6.example'), 'id', 1), {
    result: 'egress_blocked',
    egress: 'private',
  })

  const metadata = channelTo(
    t,
    { allowPrivate: ['0.0.0.0/0', '::/0'] },
    {
      resolve: async () => [{ address: '169.254.169.254', family: 4 }],
    },
  )
  t.match(await metadata.send(at('metadata.example'), 'id', 1), {
    result: 'egress_blocked',
    egress: 'metadata',
  })
  t.match(await metadata.send(at('[::ffff:a9fe:a9fe]'), 'id', 1), { result: 'egress_blocked' })

  const own = channelTo(t, {}, { ownAddresses: () => [{ address: '0.0.0.0', port: there.port }] })
  t.match(await own.send(at('127.0.0.1'), 'id', 1), { result: 'egress_blocked', egress: 'port' })
  t.equal(there.connections(), 0, 'not even a connection was made')

  const allowed = channelTo(t, {}, { resolve: async () => [{ address: '127.0.0.1', family: 4 }] })
  t.same(brief(await allowed.send(at('inside.example'), 'id', 1)), { status: 200 })
  t.equal(there.received[0]?.headers['host'], `inside.example:${there.port}`)
})

t.test('the peer is looked at again once connected, before anything is sent', async t => {
  for (const scheme of ['http', 'https']) {
    let bytes = 0
    let closed = 0
    // Plain for both: not even the first bytes of a TLS handshake may come.
    const there = await receive(t, {
      connected: socket => {
        socket.on('data', chunk => (bytes += chunk.length))
        socket.on('close', () => (closed += 1))
      },
    })
    const looks: string[] = []
    const origin = `${scheme}://name.example:${there.port}`
    const connect = createConnector(new URL(origin), {
      guard: address => {
        looks.push(address)
        // As if the connection had gone elsewhere than the lookup said.
        return looks.length > 1 ? new EgressError('private', 'moved') : undefined
      },
      resolve: async () => [{ address: '127.0.0.1', family: 4 }],
      timeoutMs: 10_000,
      ca: undefined,
    })
    const connections = createConnections(origin, connect)
    t.teardown(() => connections.close())
    const { sent } = await exchange(
      connections.acquire(false),
      { method: 'GET', path: '/', headers: [], body: null, reset: false },
      10_000,
    )
    t.match(sent, { result: 'egress_blocked', egress: 'private', isAmbiguous: false })
    t.same(looks, ['127.0.0.1', '127.0.0.1'])
    await until('the connection is closed', () => closed === 1)
    t.equal(bytes, 0, scheme)
  }
})

t.test('a name is looked up once in 30 s, and a failure is not remembered', async t => {
  const clock = createTestClock()
  let fails = true
  let asked = 0
  const resolve = createResolver(async () => {
    asked += 1
    if (fails) throw new Error('no')
    return [{ address: '93.184.216.34', family: 4 }]
  }, clock)
  await t.rejects(Promise.all([resolve('a.example'), resolve('a.example')]))
  t.equal(asked, 1, 'questions at the same time share one lookup')
  fails = false
  t.match(await resolve('a.example'), [{ family: 4 }])
  clock.advance(29_999)
  await resolve('a.example')
  t.equal(asked, 2)
  clock.advance(1)
  await resolve('a.example')
  t.equal(asked, 3)
})
