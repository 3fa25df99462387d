/**
 * Every example request, byte for byte: through a configured destination and the real transport to
 * a scripted HTTPS receiver, and to the platform's own host where no other is configured.
 */
import t from 'tap'
import type { Clock } from '../../../src/base/clock.ts'
import { attemptDelivery } from '../../../src/deliver/attempt.ts'
import { createTokens } from '../../../src/deliver/tokens.ts'
import { createTransport } from '../../../src/deliver/transport.ts'
import { createCertificates } from '../../support/certificates.ts'
import { createScriptedReceiver, respond } from '../../support/scripted-receiver.ts'
import { ROWS } from './rows.ts'
import { build, conversionWith, create, EXAMPLES, NOW, ruleOf, typeOf } from './support.ts'

/** Sent by the transport with every request. */
const OURS = new Set([
  'host', 'connection', 'content-length', 'accept-encoding', 'user-agent', 'postern-delivery-id',
  'postern-hop',
]) // prettier-ignore

function clockAt(now: number): Clock {
  return { now: () => now, monotonic: () => performance.now() }
}

t.test('every example, byte for byte', async t => {
  const certificates = createCertificates(t.testdir())
  const receiver = await createScriptedReceiver({ tls: certificates.good })
  t.teardown(() => receiver.close())

  for (const [name, row] of Object.entries(ROWS)) {
    await t.test(name, async t => {
      const example = EXAMPLES.requests[name]
      const source = row.rule === undefined ? typeOf(row.type ?? name) : ruleOf(row.rule)
      if (!example || !source) return t.fail('example and source exist')
      const own = create(source, row)
      const now = row.now ?? NOW
      const conversion = conversionWith(row.conversion ?? {})
      const origin = new URL(example.url).origin
      t.equal(own.origins[0], origin)
      const inOrder = (path: string) =>
        row.isShuffled ? path.split(/[?&]/).toSorted().join('&') : path
      const built = build(own, row.conversion, { now })
      if ('reason' in built) return t.fail(built.detail)
      t.equal(inOrder(built.url), inOrder(example.url), 'the host is the platform’s')

      const isCode = 'type' in source
      const there = isCode
        ? { base_url: receiver.origin, ...('token_url' in (source.settings ?? {}) ? { token_url: `${receiver.origin}/token` } : {}) } // prettier-ignore
        : {}
      const changed = isCode
        ? source
        : { ...source, request: { ...source.request, url: source.request.url.replace(/^https:..[^/]+/, receiver.origin) } } // prettier-ignore
      const destination = create(changed, {
        ...row,
        settings: { ...row.settings, ...there },
        allow_private: ['127.0.0.0/8', '::1/128'],
      })
      const clock = clockAt(now)
      const transport = createTransport({ clock, version: '0', ca: certificates.ca })
      const channel = transport.channel(destination.policy)
      t.teardown(() => channel.close())
      const before = receiver.received.length
      const token = example.headers['Authorization']?.replace('Bearer ', '')
      receiver.answerWith((socket, request) => {
        const isToken = request.path === '/token'
        const answer = isToken
          ? respond(200, JSON.stringify({ access_token: token, expires_in: 3600 }))
          : row.answer
        answer(socket, request)
      })
      const { attempt } = await attemptDelivery(
        {
          record: { id: 'rec-1-0', conversion },
          destination: 'ads',
          attempts: 0,
          from: 'journal',
          startBefore: Infinity,
        },
        {
          destination,
          channel,
          tokens: destination.grant && createTokens({ grant: destination.grant, channel, clock }),
          clock,
          random: () => 0,
        },
      )
      t.equal(attempt.result, 'ok', attempt.detail ?? '')
      const [sent, ...rest] = receiver.received
        .slice(before)
        .filter(request => request.path !== '/token')
      t.same(rest, [])
      t.equal(sent?.method, example.method)
      t.equal(inOrder(sent?.path ?? ''), inOrder(example.url.slice(origin.length)))
      const headers = Object.entries(sent?.headers ?? {}).filter(([header]) => !OURS.has(header))
      const wanted = Object.entries(example.headers).map(([header, value]) => [
        header.toLowerCase(),
        value,
      ])
      t.same(Object.fromEntries(headers), Object.fromEntries(wanted))
      t.equal(sent?.body, example.body === null ? '' : JSON.stringify(example.body))
    })
  }
})

t.test('no example is left out', async t => {
  t.same(Object.keys(EXAMPLES.requests).toSorted(), Object.keys(ROWS).toSorted())
})

t.test('Meta signs its token with the secret of the app', async t => {
  const meta = create(typeOf('meta'), { settings: { app_secret: 'app_secret_123' } })
  t.match(build(meta), {
    url: /access_token=EAATESTTOKEN&appsecret_proof=2e3b5739f4c846c92c7aafb217d88185f756aeb06f9b268333e118e764a31b70$/,
  })
})
