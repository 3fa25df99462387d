/** The bad inputs of the wire, as bytes. Rows carry the numbers of the security review's table. */
import t, { type Test } from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import type { Postback } from '../../src/model/postback.ts'
import { REASONS, type Reason } from '../../src/reasons.ts'
import { DEFAULT_LIMITS, type ReceiveLimits } from '../../src/receive/limits.ts'
import { defaultReply } from '../../src/receive/reply.ts'
import { createReceiver, type ReceiverOptions } from '../../src/receive/server.ts'
import { open } from './raw-client.ts'

interface Setup {
  readonly limits?: Partial<ReceiveLimits>
  readonly trustedProxies?: readonly string[]
  readonly handle?: ReceiverOptions['handle']
  readonly probe?: NonNullable<ReceiverOptions['probe']>
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
    ...(setup.probe ? { probe: setup.probe } : {}),
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
const head = (...lines: string[]): string => [...lines, '', ''].join('\r\n')

interface Case {
  readonly row: string
  readonly send: string | Buffer
  /** A reason, or what the pipeline must be handed. */
  readonly expect: Reason | ((postback: Postback) => unknown)
  /** With a function: what it must return. */
  readonly is?: unknown
  /** The connection must be closed after the answer. */
  readonly closes?: boolean
}

const params = (postback: Postback) =>
  Object.fromEntries(postback.params.map(({ name, value }) => [name, value]))
const raws = (postback: Postback) => postback.params.map(({ raw }) => raw)

const CASES: Case[] = [
  { row: '1 no Host', send: 'GET /in/acme HTTP/1.1\r\n\r\n', expect: 'malformed_http' },
  { row: '1 no Host in HTTP/1.0', send: 'GET /in/acme HTTP/1.0\r\n\r\n', expect: p => p.network, is: 'acme' },
  { row: '2 two Hosts', send: get('/in/acme', 'Host: other.example'), expect: 'malformed_http' },
  { row: '4 length and chunked', send: head('POST /in/acme HTTP/1.1', 'Host: a', `Content-Type: ${FORM}`, 'Content-Length: 4', 'Transfer-Encoding: chunked') + '0\r\n\r\n', expect: 'malformed_http', closes: true },
  { row: '5 blank before colon', send: head('POST /in/acme HTTP/1.1', 'Host: a', 'Transfer-Encoding : chunked'), expect: 'malformed_http', closes: true },
  { row: '6 unknown transfer coding', send: head('POST /in/acme HTTP/1.1', 'Host: a', `Content-Type: ${FORM}`, 'Transfer-Encoding: xchunked'), expect: 'malformed_http', closes: true },
  { row: '6 coded twice', send: head('POST /in/acme HTTP/1.1', 'Host: a', `Content-Type: ${FORM}`, 'Transfer-Encoding: gzip, chunked') + '3\r\na=1\r\n0\r\n\r\n', expect: 'malformed_http', closes: true },
  { row: '7 two lengths', send: head('POST /in/acme HTTP/1.1', 'Host: a', 'Content-Length: 1', 'Content-Length: 2'), expect: 'malformed_http', closes: true },
  { row: '8 negative length', send: head('POST /in/acme HTTP/1.1', 'Host: a', 'Content-Length: -1'), expect: 'malformed_http', closes: true },
  { row: '9 bare LF', send: 'GET /in/acme HTTP/1.1\nHost: a\n\n', expect: 'malformed_http', closes: true },
  { row: '10 folded header', send: head('GET /in/acme HTTP/1.1', 'Host: a', 'X-A: 1', ' 2'), expect: 'malformed_http', closes: true },
  { row: '11 NUL in header', send: get('/in/acme', 'X-A: 1\u00002'), expect: 'malformed_http', closes: true },
  { row: '12 control in URL', send: get('/in/acme?a=\u0001'), expect: 'malformed_http', closes: true },
  { row: '12 UTF-8 byte in URL', send: get('/in/acme?a=é'), expect: 'malformed_http', closes: true },
  { row: '13 chunk size', send: head('POST /in/acme HTTP/1.1', 'Host: a', `Content-Type: ${FORM}`, 'Transfer-Encoding: chunked') + 'ZZ\r\n', expect: 'malformed_http', closes: true },
  { row: '14 chunk extension', send: head('POST /in/acme HTTP/1.1', 'Host: a', `Content-Type: ${FORM}`, 'Transfer-Encoding: chunked') + '3;a=b\r\na=1\r\n0\r\n\r\n', expect: params, is: { a: '1' } },
  { row: '17 huge URL', send: get(`/in/acme?a=${'x'.repeat(20_000)}`), expect: 'headers_too_large', closes: true },
  { row: '17 many headers', send: get('/in/acme', ...Array.from({ length: 3000 }, (_, i) => `X-${i}: 1`)), expect: 'headers_too_large', closes: true },
  { row: '17 long URL', send: get(`/in/acme?a=${'x'.repeat(9000)}`), expect: 'url_too_long' },
  { row: '18 long value', send: get(`/in/acme?a=${'x'.repeat(4097)}`), expect: 'param_too_long' },
  { row: '18 longest value', send: get(`/in/acme?a=${'x'.repeat(4096)}`), expect: p => p.params[0]?.value?.length, is: 4096 },
  { row: '19 many parameters', send: get(`/in/acme?${'a=1&'.repeat(101)}`), expect: 'param_too_many' },
  { row: '19 most parameters', send: get(`/in/acme?${'a=1&'.repeat(100)}`), expect: p => p.params.length, is: 100 },
  { row: '20 long network', send: get(`/in/${'a'.repeat(200)}`), expect: 'unknown_network' },
  { row: '21 broken path', send: get('/in/%zz'), expect: 'bad_path' },
  { row: '21 broken token', send: get('/in/acme/%c0%af'), expect: 'bad_path' },
  { row: '22 dots', send: get('/in/../admin'), expect: 'unknown_network' },
  { row: '22 encoded dots', send: get('/in/%2e%2e%2fadmin'), expect: 'unknown_network' },
  { row: '22 encoded slash', send: get('/in/acme%2Ftoken'), expect: 'unknown_network' },
  { row: '22 backslash', send: get('/in/..%5cadmin'), expect: 'unknown_network' },
  { row: '22 slash stays in token', send: get('/in/acme/a%2Fb'), expect: p => [p.pathToken, p.pathEvent], is: ['a/b', undefined] },
  { row: '23 double slash', send: get('//in/acme'), expect: 'unknown_network' },
  { row: '23 absolute form', send: get('http://evil.example/in/acme'), expect: 'unknown_network' },
  { row: '24 TRACE', send: head('TRACE /in/acme HTTP/1.1', 'Host: a'), expect: 'method_not_allowed' },
  { row: '24 OPTIONS *', send: head('OPTIONS * HTTP/1.1', 'Host: a'), expect: 'method_not_allowed' },
  { row: '24 PUT', send: head('PUT /in/acme HTTP/1.1', 'Host: a', 'Content-Length: 0'), expect: 'method_not_allowed' },
  { row: '24 unknown method', send: head('FOO /in/acme HTTP/1.1', 'Host: a'), expect: 'malformed_http', closes: true },
  { row: '25 HEAD', send: head('HEAD /in/acme HTTP/1.1', 'Host: a'), expect: 'method_not_allowed' },
  { row: '26 HTTP/0.9', send: 'GET /in/acme\r\n\r\n', expect: 'malformed_http', closes: true },
  { row: '27 HTTP/2 preface', send: 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', expect: 'malformed_http', closes: true },
  { row: '27 TLS hello', send: Buffer.from('16030100a5010000a10303', 'hex'), expect: 'malformed_http', closes: true },
  { row: '28 upgrade', send: get('/in/acme?a=1', 'Connection: Upgrade', 'Upgrade: websocket'), expect: params, is: { a: '1' } },
  { row: '33 NUL is kept for the field that uses it', send: get('/in/acme?tx=a%00b'), expect: params, is: { tx: 'a\0b' } },
  { row: '31 broken encoding', send: get('/in/acme?a=%zz&b=%E0%A4%A&c=%c0%af&d=%ed%a0%80'), expect: params, is: { a: null, b: null, c: null, d: null } },
  { row: '35 twice', send: get('/in/acme?tx=1&tx=2'), expect: p => p.params.map(x => x.value), is: ['1', '2'] },
  { row: '36 brackets', send: get('/in/acme?tx[]=1&tx[a]=2'), expect: params, is: { 'tx[]': '1', 'tx[a]': '2' } },
  { row: '37 query names', send: get('/in/acme?__proto__=1&constructor=2&%5f_proto__=3&prototype&a=1'), expect: params, is: { a: '1' } },
  { row: '37 form names', send: post(FORM, '__proto__=1&constructor=2&a=1'), expect: params, is: { a: '1' } },
  { row: '37 JSON names', send: json('{"__proto__":{}}'), expect: 'body_invalid' },
  { row: '37 JSON names, escaped', send: json('{"a":{"\\u005f_proto__":1}}'), expect: 'body_invalid' },
  { row: '38 semicolon', send: get('/in/acme?a=1;b=2'), expect: params, is: { a: '1;b=2' } },
  { row: '39 plus and blank', send: get('/in/acme?a=x+y&b=x%20y&c=x%2By'), expect: params, is: { a: 'x y', b: 'x y', c: 'x+y' } },
  { row: '39 as sent', send: get('/in/acme?a=x+y&b=x%20y&c=x%2By'), expect: raws, is: ['x+y', 'x%20y', 'x%2By'] },
  { row: '40 decoded once', send: get('/in/acme?a=%2541&b=%2B'), expect: params, is: { a: '%41', b: '+' } },
  { row: '40 path decoded once', send: get('/in/acme/%2541'), expect: p => p.pathToken, is: '%41' },
  { row: '48 bad JSON', send: json('{"a":1'), expect: 'body_invalid' },
  { row: '48 garbage after', send: json('{"a":1}x'), expect: 'body_invalid' },
  { row: '48 empty JSON', send: json(''), expect: 'body_invalid' },
  { row: '48 list', send: json('[1]'), expect: 'body_invalid' },
  { row: '48 string', send: json('"a"'), expect: 'body_invalid' },
  { row: '48 null', send: json('null'), expect: 'body_invalid' },
  { row: '49 deep', send: json('['.repeat(20_000)), expect: 'body_too_deep' },
  { row: '49 deep objects', send: json('{"a":'.repeat(5000) + '1' + '}'.repeat(5000)), expect: 'body_too_deep' },
  { row: '50 names twice', send: json('{"tx":1,"tx":2}'), expect: 'param_duplicate' },
  { row: '50 names twice inside', send: json('{"a":{"t\\u0078":1,"tx":2}}'), expect: 'param_duplicate' },
  { row: '51 numbers', send: json('{"tx":12345678901234567890,"a":1e999,"b":1.10,"c":-0}'), expect: params, is: { tx: '12345678901234567890', a: '1e999', b: '1.10', c: '-0' } },
  { row: '52 BOM', send: json(Buffer.from('\ufeff{"a":1}')), expect: 'encoding_invalid' },
  { row: '52 UTF-16', send: json(Buffer.from('{"a":1}', 'utf16le')), expect: 'encoding_invalid' },
  { row: '52 UTF-16, other order', send: json(Buffer.from('{"a":1}', 'utf16le').swap16()), expect: 'encoding_invalid' },
  { row: '52 UTF-16 with BOM', send: json(Buffer.from('\ufeff{"a":1}', 'utf16le')), expect: 'encoding_invalid' },
  { row: '52 not UTF-8', send: json(Buffer.from('{"a":"\xff"}', 'latin1')), expect: 'encoding_invalid' },
  { row: '52 form BOM', send: post(FORM, '\ufeffa=1'), expect: 'encoding_invalid' },
  { row: '52 form not UTF-8', send: post(FORM, Buffer.from('a=\xe9', 'latin1')), expect: 'encoding_invalid' },
  { row: '52 form UTF-8', send: post(FORM, 'a=é'), expect: params, is: { a: 'é' } },
  { row: '53 long body', send: post(FORM, `a=${'x'.repeat(70_000)}`), expect: 'body_too_large', closes: true },
  { row: '53 long chunked body', send: head('POST /in/acme HTTP/1.1', 'Host: a', `Content-Type: ${FORM}`, 'Transfer-Encoding: chunked') + `ffff\r\n${'x'.repeat(65_535)}\r\n`.repeat(2) + '0\r\n\r\n', expect: 'body_too_large', closes: true },
  { row: '54 no type', send: post(undefined, 'a=1'), expect: 'content_type_unsupported' },
  { row: '54 unknown type', send: post('text/plain', 'a=1'), expect: 'content_type_unsupported' },
  { row: '54 two types', send: post('application/json', '{}', `Content-Type: ${FORM}`), expect: 'content_type_unsupported' },
  { row: '54 UTF-7', send: post('application/json; charset=utf-7', '{}'), expect: 'content_type_unsupported' },
  { row: '54 two charsets', send: post(`${FORM}; charset=utf-8; charset=utf-7`, 'a=1'), expect: 'content_type_unsupported' },
  { row: '54 UTF-8 named', send: post(`${FORM.toUpperCase()};charset="UTF-8"`, 'a=1'), expect: params, is: { a: '1' } },
  { row: '54 JSON suffix', send: json('{"a":1}', 'application/vnd.x+json'), expect: params, is: { a: '1' } },
  { row: '54 no body, no type', send: head('POST /in/acme?a=1 HTTP/1.1', 'Host: a', 'Content-Length: 0'), expect: params, is: { a: '1' } },
  { row: '55 gzip', send: post(FORM, 'a=1', 'Content-Encoding: gzip'), expect: 'content_encoding_unsupported' },
  { row: '55 identity', send: post(FORM, 'a=1', 'Content-Encoding: identity'), expect: params, is: { a: '1' } },
  { row: '56 multipart', send: post('multipart/form-data; boundary=x', '--x--'), expect: 'content_type_unsupported' },
  { row: '57 query and body', send: Buffer.from(post(FORM, 'tx=2').toString().replace('/in/acme', '/in/acme?tx=1')), expect: p => p.params.map(x => [x.source, x.value]), is: [['query', '1'], ['form', '2']] },
  { row: '58 GET with body', send: get('/in/acme?a=1', 'Content-Length: 3', `Content-Type: ${FORM}`) + 'b=2', expect: p => [params(p), p.body.length], is: [{ a: '1' }, 0] },
  { row: '97 markup in path', send: get('/in/%3Cscript%3E'), expect: 'unknown_network' },
  { row: '97 elsewhere', send: get('/admin'), expect: 'unknown_network' },
  { row: 'path token and event', send: get('/in/acme/s3cret/ftd?a=1'), expect: p => [p.pathToken, p.pathEvent, p.target], is: ['s3cret', 'ftd', '/in/acme/s3cret/ftd?a=1'] },
  { row: 'slash at the end', send: get('/in/acme/?a=1'), expect: p => [p.network, p.pathToken], is: ['acme', undefined] },
  { row: 'too many segments', send: get('/in/acme/a/b/c'), expect: 'unknown_network' },
  { row: '/postback', send: get('/postback?a=1&network=acme'), expect: p => [p.network, params(p)], is: ['acme', { a: '1' }] },
  { row: '/postback without network', send: get('/postback?a=1'), expect: 'unknown_network' },
  { row: '/postback with two networks', send: get('/postback?network=acme&network=b'), expect: 'unknown_network' },
  { row: 'raw body bytes', send: json('{ "a" : 1 }'), expect: p => p.body.toString(), is: '{ "a" : 1 }' },
  { row: 'JSON scalars only', send: json('{"a":true,"b":null,"c":[1],"d":{"e":1},"f":"x"}'), expect: params, is: { a: 'true', f: 'x' } },
] // prettier-ignore

t.test('every row is answered once, by its reason, and the process serves on', async t => {
  const { port, seen, refused, unexpected } = await setUp(t)
  for (const { row, send, expect, is, closes } of CASES) {
    seen.length = refused.length = 0
    const connection = open(port)
    connection.send(send)
    const isHead = row.endsWith('HEAD')
    const response = await connection.next(isHead)
    if (typeof expect === 'function') {
      t.equal(response?.status, 200, `${row}: status`)
      t.same(seen.map(expect), [is], `${row}: what the pipeline sees`)
      t.same(refused, [], `${row}: not refused`)
    } else {
      t.equal(response?.status, REASONS[expect].http, `${row}: status`)
      if (!isHead)
        t.same(JSON.parse(response?.body ?? ''), { ok: false, reason: expect }, `${row}: body`)
      t.same(refused.map(({ reason }) => reason), [expect], `${row}: counted once`) // prettier-ignore
      t.equal(seen.length, 0, `${row}: never in the pipeline`)
      t.equal(response?.headers['x-content-type-options'], 'nosniff', `${row}: nosniff`)
    }
    if (closes) t.equal(await connection.closed, '', `${row}: closed, nothing after`)
    connection.end()
    const next = open(port)
    next.send(get('/in/acme?ok=1'))
    t.equal((await next.next())?.status, 200, `${row}: serves on`)
    next.end()
  }
  t.same(unexpected, [], 'no row was a surprise')
  t.equal(({} as Record<string, unknown>)['x'], undefined)
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

t.test('a refused body is skipped and the connection goes on', async t => {
  const { port, refused } = await setUp(t)
  const connection = open(port)
  connection.send(post('text/plain', 'GET /in/evil HTTP/1.1\r\nHost: a\r\n\r\n'))
  t.equal((await connection.next())?.status, 415)
  connection.send(get('/in/acme?a=1'))
  t.equal((await connection.next())?.status, 200)
  t.equal(refused.length, 1)
  connection.end()
})

t.test('16 and 15: a slow header or a short body is answered 408', async t => {
  const { port, refused, seen } = await setUp(t, { limits: { requestTimeoutMs: 200 } })
  const starts = [
    'GET /in/acme HTTP/1.1\r\nHost: a\r\nX-Slow: ',
    post(FORM, 'a=1').subarray(0, -1),
    head(
      'POST /in/acme HTTP/1.1',
      'Host: a',
      `Content-Type: ${FORM}`,
      'Transfer-Encoding: chunked',
    ),
  ]
  for (const start of starts) {
    const connection = open(port)
    connection.send(start)
    t.equal((await connection.next())?.status, 408)
    t.equal(await connection.closed, '')
  }
  t.same(refused.map(({ reason }) => reason), ['request_timeout', 'request_timeout', 'request_timeout']) // prettier-ignore
  t.equal(seen.length, 0)
})

t.test('29: Expect', async t => {
  const { port } = await setUp(t)
  const connection = open(port)
  const whole = post(FORM, 'a=1', 'Expect: 100-continue')
  connection.send(whole.subarray(0, -3))
  t.equal((await connection.next())?.status, 100)
  connection.send(whole.subarray(-3))
  t.equal((await connection.next())?.status, 200)
  connection.send(get('/in/acme', 'Expect: banana'))
  t.equal((await connection.next())?.status, 417)
  connection.end()
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

t.test('HEAD is answered where the network probes', async t => {
  const { port, seen } = await setUp(t, {
    probe: network => (network === 'prober' ? defaultReply('probe') : undefined),
  })
  const connection = open(port)
  connection.send(head('HEAD /in/prober?x=1 HTTP/1.1', 'Host: a'))
  t.equal((await connection.next(true))?.status, 200)
  connection.send(head('HEAD /in/acme HTTP/1.1', 'Host: a'))
  t.equal((await connection.next(true))?.status, 405)
  t.equal(seen.length, 0)
  connection.end()
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

t.test('67–71: the client address', async t => {
  const { port, seen } = await setUp(t, { trustedProxies: ['127.0.0.1/32', '10.0.0.0/8'] })
  const rows: [string[], string | undefined][] = [
    [[], '127.0.0.1'],
    [['X-Forwarded-For: 192.0.2.1, 203.0.113.9'], '203.0.113.9'],
    [['X-Forwarded-For: 192.0.2.1', 'X-Forwarded-For: 203.0.113.9, 10.1.2.3'], '203.0.113.9'],
    [['X-Forwarded-For: not-an-ip'], undefined],
    [['X-Forwarded-For: 1.2.3.4:5555'], '1.2.3.4'],
    [['X-Forwarded-For: [2001:DB8::1]:80'], '2001:db8::1'],
    [['X-Forwarded-For:  1.2.3.4 '], '1.2.3.4'],
    [['X-Forwarded-For: ::ffff:1.2.3.4'], '1.2.3.4'],
    [['X-Forwarded-For:'], undefined],
    [[`X-Forwarded-For: ${Array.from({ length: 300 }, () => '10.0.0.1').join(',')}`], undefined],
    [['X-Forwarded-For: 10.0.0.1, 10.0.0.2'], '10.0.0.1'],
    [['X-Real-IP: 1.2.3.4', 'Forwarded: for=1.2.3.4', 'CF-Connecting-IP: 1.2.3.4', 'True-Client-IP: 1.2.3.4'], '127.0.0.1'],
  ] // prettier-ignore
  for (const [headers, client] of rows) {
    const connection = open(port)
    connection.send(get('/in/acme', ...headers))
    t.equal((await connection.next())?.status, 200)
    t.equal(seen.at(-1)?.client, client, headers.join())
    connection.end()
  }
  const distrusting = await setUp(t)
  const connection = open(distrusting.port)
  connection.send(get('/in/acme', 'X-Forwarded-For: 1.2.3.4'))
  await connection.next()
  t.equal(distrusting.seen[0]?.client, '127.0.0.1')
  connection.end()
})
