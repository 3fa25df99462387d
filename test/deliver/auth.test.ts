/** Refused accounts park their destination; access tokens are fetched once and used until they end. */
import { createVerify, generateKeyPairSync } from 'node:crypto'
import t, { type Test } from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { createTokens } from '../../src/deliver/tokens.ts'
import { createTransport } from '../../src/deliver/transport.ts'
import type { Destination, TokenGrant } from '../../src/model/delivery.ts'
import { PLAIN_POLICY, plainDestination } from '../support/plain-destination.ts'
import { hang, reset, respond, type Answer } from '../support/scripted-receiver.ts'
import { until } from '../support/until.ts'
import { createTestClock } from '../store/clock.ts'
import { receive, setUp } from './setup.ts'

const parking: Destination['verdict'] = ({ status }) =>
  status === 401 ? { kind: 'park', result: 'auth_failed' } : { kind: 'delivered', result: 'ok' }

t.test('a refused account parks the destination and uses up no delivery', async t => {
  let isRefusing = true
  const there = await receive(t, {
    answer: (socket, request) =>
      respond(isRefusing ? 401 : 200, isRefusing ? 'token hush is void' : '')(socket, request),
  })
  const fine = await receive(t)
  const s = await setUp(
    t,
    [
      plainDestination(
        'ads',
        there.origin,
        { budgetMs: 1 },
        { verdict: parking, secrets: ['hush'] },
      ),
      plainDestination('fine', fine.origin),
    ],
    { dispatcher: { breakerOpenMs: 20 } },
  )
  await s.acceptAll(['t1', 't2', 't3'], ['ads', 'fine'])
  await until('five refusals', () => s.log.authFailed.length >= 5)
  t.match(await s.ledger('ads'), { delivered: 0, dead: 0, pending: 3 }, 'nothing is lost or dead')
  t.match(s.log.circuit[0], { destination: 'ads', state: 'open', reason: 'auth' })
  t.match(s.log.authFailed[0], { destination: 'ads', detail: 'HTTP 401 token *** is void' })
  t.ok(
    s.attemptsAt('ads').every(({ attempt, result }) => attempt === 1 && result === 'auth_failed'),
    'attempts are not counted',
  )
  isRefusing = false
  await s.settled()
  t.same(await s.ledger('ads'), { delivered: 3, dead: 0, pending: 0 })
  t.same(await s.ledger('fine'), { delivered: 3, dead: 0, pending: 0 })
  t.ok(s.log.ended.every(({ attempts }) => attempts === 1))
  t.match(s.log.circuit.at(-1), { state: 'closed' })
  t.notOk('reason' in (s.log.circuit.at(-1) ?? {}))
})

t.test('other reasons to open the circuit are told too', async t => {
  const gone = await receive(t, { answer: respond(410) })
  const s = await setUp(t, [plainDestination('gone', gone.origin)])
  await s.accept('t1', ['gone'])
  await until('it opens', () => s.log.circuit.length > 0)
  t.match(s.log.circuit[0], { state: 'open', reason: 'gone' })
  t.same(s.log.authFailed, [])
})

const REFRESH = {
  kind: 'refresh_token',
  clientId: 'id',
  clientSecret: 's=1',
  refreshToken: 'a b&c',
} as const

interface Endpoint {
  readonly grant: TokenGrant
  /** Forms posted. */
  readonly forms: string[]
  answer: Answer
}

async function endpoint(t: Test): Promise<Endpoint> {
  const made: Endpoint = {
    forms: [],
    answer: respond(200, '{"access_token":"T1","expires_in":3600}'),
    grant: { ...REFRESH, url: '' },
  }
  const there = await receive(t, {
    answer: (socket, request) => {
      made.forms.push(request.body)
      made.answer(socket, request)
    },
  })
  return Object.assign(made, { grant: { ...REFRESH, url: `${there.origin}/token?v=2` } })
}

t.test('tokens', async t => {
  const channelOf = (t: Test, timeoutMs = 5_000) => {
    const transport = createTransport({ clock: systemClock, version: '0' })
    const channel = transport.channel({ ...PLAIN_POLICY, timeoutMs })
    t.teardown(() => channel.close())
    return channel
  }

  t.test('one request for all who wait, kept until shortly before its end', async t => {
    const there = await endpoint(t)
    const clock = createTestClock(1_000)
    const tokens = createTokens({ grant: there.grant, channel: channelOf(t), clock })
    const many = await Promise.all(Array.from({ length: 20 }, () => tokens.get()))
    t.ok(many.every(got => got.ok && got.value.text === 'T1'))
    t.same(there.forms, [
      'refresh_token=a+b%26c&client_id=id&client_secret=s%3D1&grant_type=refresh_token',
    ])
    clock.advance(3_299_000)
    t.match(await tokens.get(), { value: { text: 'T1', isFresh: false } })
    there.answer = respond(200, '{"access_token":"T2","expires_in":100}')
    clock.advance(1_000)
    t.match(await tokens.get(), { value: { text: 'T2', isFresh: true } }, 'five minutes early')
    clock.advance(49_999)
    t.match(await tokens.get(), { value: { text: 'T2', isFresh: false } })
    clock.advance(1)
    there.answer = respond(200, '{"access_token":"T3"}')
    t.match(await tokens.get(), { value: { text: 'T3' } }, 'a short one at half its life')
    tokens.forget('T2')
    t.match(await tokens.get(), { value: { text: 'T3', isFresh: false } }, 'another one stays')
    tokens.forget('T3')
    t.match(await tokens.get(), { value: { isFresh: true } })
  })

  t.test('why there is none', async t => {
    const rows: [Answer, object, RegExp][] = [
      [respond(400, '{"error":"invalid_grant","error_description":"revoked"}'), { kind: 'park' }, /HTTP 400 invalid_grant: revoked/],
      [respond(401, '{"error":"invalid_client"}'), { kind: 'park' }, /invalid_client/],
      [respond(429), { kind: 'retry', result: 'http_429' }, /429/],
      [respond(503, '<html>'), { kind: 'retry', result: 'http_5xx' }, /503/],
      [respond(302), { kind: 'retry', result: 'http_3xx' }, /302/],
      [respond(200, 'not json'), { kind: 'retry', result: 'body_rejected' }, /200/],
      [respond(200, '{"access_token":""}'), { kind: 'retry', result: 'body_rejected' }, /200/],
      [reset, { kind: 'retry', result: 'reset' }, /token endpoint/],
      [hang, { kind: 'retry', result: 'timeout' }, /token endpoint/],
    ] // prettier-ignore
    for (const [answer, verdict, detail] of rows) {
      const there = await endpoint(t)
      there.answer = answer
      const tokens = createTokens({ grant: there.grant, channel: channelOf(t, 300), clock: systemClock }) // prettier-ignore
      const got = await tokens.get()
      t.match(got, { ok: false, error: { verdict, detail } })
      if (!got.ok) t.notOk('maxAttempts' in got.error.verdict, 'the conversion is not to blame')
      t.equal(there.forms.length, 1, 'the library repeats nothing')
      there.answer = respond(200, '{"access_token":"T"}')
      t.match(await tokens.get(), { value: { text: 'T' } }, 'a failure is not remembered')
    }
  })

  t.test('a service account signs its assertion, at our time and for its endpoint', async t => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const there = await endpoint(t)
    const { url } = there.grant
    const grant: TokenGrant = {
      kind: 'service_account',
      url,
      email: 'x@y.iam',
      key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      scope: 'https://scope.example/ads',
    }
    const now = Date.UTC(2031, 0, 1)
    const clock = { now: () => now + 999, monotonic: systemClock.monotonic }
    const tokens = createTokens({ grant, channel: channelOf(t), clock })
    t.match(await tokens.get(), { value: { text: 'T1', isFresh: true } })
    const [form = ''] = there.forms
    const sent = Object.fromEntries(new URLSearchParams(form))
    t.same(Object.keys(sent), ['grant_type', 'assertion'])
    t.equal(sent['grant_type'], 'urn:ietf:params:oauth:grant-type:jwt-bearer')
    const [header = '', claims = '', signature = ''] = (sent['assertion'] ?? '').split('.')
    const read = (part: string): unknown => JSON.parse(Buffer.from(part, 'base64url').toString())
    t.same(read(header), { alg: 'RS256' })
    const iat = now / 1000
    const { email: iss, scope } = grant
    t.same(read(claims), { iss, scope, aud: url, iat, exp: iat + 3600 })
    const verify = createVerify('RSA-SHA256').update(`${header}.${claims}`)
    t.ok(verify.verify(publicKey, signature, 'base64url'))
  })

  t.test('tokens are fetched on the way of deliveries, whatever the library would do', async t => {
    const there = await endpoint(t)
    const transport = createTransport({ clock: systemClock, version: '0' })
    const guarded = transport.channel({ ...PLAIN_POLICY, allowPrivate: [] })
    t.teardown(() => guarded.close())
    const blocked = createTokens({ grant: there.grant, channel: guarded, clock: systemClock })
    t.match(await blocked.get(), { ok: false, error: { verdict: { result: 'egress_blocked' } } })
    t.same(there.forms, [], 'nothing was sent into a private network')
    t.teardown(() => delete process.env['HTTPS_PROXY'])
    process.env['HTTPS_PROXY'] = 'http://127.0.0.1:9'
    const free = createTokens({ grant: there.grant, channel: channelOf(t), clock: systemClock })
    t.match(await free.get(), { value: { text: 'T1' } }, 'the environment names no proxy for us')
  })
})

t.test('deliveries with a token', async t => {
  const there = await endpoint(t)
  let good = 'T1'
  const api = await receive(t, {
    answer: (socket, request) => {
      const isGood = request.headers['authorization'] === `Bearer ${good}`
      respond(isGood ? 200 : 401, `you said ${request.headers['authorization']}`)(socket, request)
    },
  })
  const s = await setUp(
    t,
    [plainDestination('ads', api.origin, {}, { verdict: parking, grant: there.grant })],
    { dispatcher: { breakerOpenMs: 20 } },
  )
  await s.acceptAll(['t1', 't2', 't3'], ['ads'])
  await s.settled()
  t.equal(there.forms.length, 1, 'one token for all')
  t.equal(api.received.length, 3)

  // Withdrawn at the other side: the attempt gets a new one and succeeds.
  good = 'T2'
  there.answer = respond(200, '{"access_token":"T2","expires_in":3600}')
  await s.accept('t4', ['ads'])
  await s.settled()
  t.equal(there.forms.length, 2)
  t.same(s.log.authFailed, [], 'nobody has to be told')
  t.match(s.log.ended.at(-1), { outcome: 'delivered', attempts: 1 })

  // Refused although it is new: the account.
  good = 'T9'
  await s.accept('t5', ['ads'])
  await until('it is parked', () => s.log.authFailed.length > 0)
  t.equal(s.log.authFailed[0]?.detail, 'HTTP 401 you said Bearer ***', 'the token is not shown')
  const before = api.received.length
  there.answer = respond(400, '{"error":"invalid_grant"}')
  await until('the endpoint refuses', () =>
    s.log.authFailed.some(({ detail }) => detail?.includes('invalid_grant')),
  )
  t.ok(api.received.length - before <= 2, 'without a token nothing is sent')
  t.match(await s.ledger('ads'), { delivered: 4, dead: 0, pending: 1 })
  there.answer = respond(200, '{"access_token":"T9","expires_in":3600}')
  await s.settled()
  t.same(await s.ledger('ads'), { delivered: 5, dead: 0, pending: 0 })
})
