/**
 * Every example request, byte for byte: through a configured destination and the real transport to
 * a scripted HTTPS receiver, and to the platform's own host where no other is configured.
 */
import t from 'tap'
import type { Clock } from '../../../src/base/clock.ts'
import { attemptDelivery } from '../../../src/deliver/attempt.ts'
import { createTokens } from '../../../src/deliver/tokens.ts'
import { createTransport } from '../../../src/deliver/transport.ts'
import type { DestinationOptions } from '../../../src/destinations/options.ts'
import { createCertificates } from '../../support/certificates.ts'
import { createScriptedReceiver, respond, type Answer } from '../../support/scripted-receiver.ts'
import {
  build,
  conversionWith,
  create,
  EXAMPLES,
  NOW,
  ruleOf,
  typeOf,
  type Change,
} from './support.ts'

interface Row extends DestinationOptions {
  readonly type?: string
  readonly rule?: string
  readonly conversion?: Change
  readonly now?: number
  readonly answer: Answer
}

const IDS = { event_id: '{transaction_id}-{event}' }
const GRANTED = { consent: 'granted' }
const REFRESH = { client_id: 'c', client_secret: 's', refresh_token: 'r' }
const GOOGLE = { ...IDS, ...GRANTED, ...REFRESH, events: 'sale=987654321', customer_id: '123-456-7890' } // prettier-ignore
const DAY = 86_400_000

const ROWS: Readonly<Record<string, Row>> = {
  meta: {
    type: 'meta',
    settings: { ...IDS, test_event_code: 'TEST12345', test_mode: 'yes' },
    answer: respond(200, '{"events_received":1,"messages":[],"fbtrace_id":"A"}'),
  },
  meta_min: {
    type: 'meta',
    settings: IDS,
    conversion: {
      event: 'lead',
      payout: '2.50',
      landing_url: 'https://shop.example.com/',
      email: undefined,
      phone: undefined,
      first_name: undefined,
      last_name: undefined,
      city: undefined,
      region: undefined,
      zip: undefined,
      country: undefined,
      user_id: undefined,
      fbp: undefined,
    },
    answer: respond(200, '{"events_received":1}'),
  },
  tiktok: {
    type: 'tiktok',
    settings: { ...IDS, test_event_code: 'TEST12345', test_mode: 'yes' },
    answer: respond(200, '{"code":0,"message":"OK"}'),
  },
  dm: {
    type: 'google_data_manager',
    settings: GOOGLE,
    answer: respond(200, '{"requestId":"r-1"}'),
  },
  gads: {
    type: 'google_ads',
    settings: { ...GOOGLE, login_customer_id: '111-222-3333' },
    answer: respond(200, '{"results":[{}]}'),
  },
  gads_adj: {
    type: 'google_ads',
    settings: { ...GOOGLE, login_customer_id: '111-222-3333' },
    conversion: { status: 'reversed', received_at: Date.parse('2026-11-22T09:15:30Z') },
    now: NOW + 2 * DAY,
    answer: respond(200, '{"results":[{}]}'),
  },
  ga4: {
    type: 'google_analytics',
    settings: { ...IDS, ...GRANTED },
    // The examples' input has no cookies of Google Analytics; the request tells what they were.
    conversion: {
      ga_client_id: 'GA1.1.1098115397.1795075100',
      ga_session_id: 'GS1.1.1795075100.1.0.0',
    },
    answer: respond(204),
  },
  ms: {
    type: 'microsoft',
    settings: { ...IDS, ...GRANTED },
    answer: respond(200, '{"eventsReceived":1}'),
  },
  snap: { type: 'snapchat', settings: IDS, answer: respond(200, '{"status":"VALID"}') },
  pin: {
    type: 'pinterest',
    settings: { ...IDS, test_mode: 'yes' },
    answer: respond(
      200,
      '{"num_events_received":1,"num_events_processed":1,"events":[{"status":"processed"}]}',
    ),
  },
  reddit: {
    type: 'reddit',
    settings: { ...IDS, test_mode: 'yes', test_id: 't2_test' },
    answer: respond(200, '{"data":{"message":"Successfully processed 1 conversion events."}}'),
  },
  li: {
    type: 'linkedin',
    settings: { ...IDS, events: 'sale=789123', access_token: 'LITOKEN' },
    answer: respond(201),
  },
  x: {
    type: 'x',
    settings: { ...IDS, events: 'sale=tw-o8z6j-o8z21' },
    answer: respond(200, '{"data":{"conversions_processed":1,"debug_id":"d"}}'),
  },
  quora: {
    type: 'quora',
    settings: { ...IDS, send_email: 'yes' },
    answer: respond(200, '{"events_errored":0}'),
  },
  amazon: {
    type: 'amazon',
    settings: { ...IDS, ...REFRESH, client_id: 'amzn1.application-oa2-client.x' },
    answer: respond(207, '{"success":[{"index":0}],"error":[]}'),
  },
  nextdoor: { type: 'nextdoor', settings: IDS, answer: respond(200) },
  spotify: { type: 'spotify', settings: IDS, answer: respond(200) },
  criteo: {
    type: 'criteo',
    settings: IDS,
    conversion: { offer_id: 'offer-77' },
    answer: respond(200),
  },
  axon: {
    type: 'axon',
    settings: IDS,
    click_id_from: 'q.aleid',
    conversion: { event: 'lead' },
    answer: respond(200),
  },
  kwai: { type: 'kwai', settings: IDS, click_id_from: 'q.kwai_clickid', answer: respond(200) },
  openai: {
    type: 'openai',
    settings: { ...IDS, test_mode: 'yes' },
    click_id_from: '{q.oppref}',
    answer: respond(200),
  },
  bigo: { rule: 'bigo', click_id_from: 'q.bigo_bbg', answer: respond(200) },
  yahoo: {
    rule: 'yahoo-dsp',
    conversion: { click_id: 'vm-click-1' },
    answer: respond(200),
  },
}

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
      t.match(
        build(own, row.conversion, { now }),
        { url: example.url },
        'the host is the platform’s',
      )

      const isCode = 'type' in source
      const there = isCode
        ? { base_url: receiver.origin, ...('token_url' in (source.settings ?? {}) ? { token_url: `${receiver.origin}/token` } : {}) } // prettier-ignore
        : {}
      const changed = isCode
        ? source
        : { ...source, request: { ...source.request, url: source.request.url.replace(origin, receiver.origin) } } // prettier-ignore
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
      t.equal(sent?.path, example.url.slice(origin.length))
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
  const elsewhere = ['taboola', 'outbrain', 'exo', 'ts']
  t.same(Object.keys(EXAMPLES.requests).toSorted(), [...Object.keys(ROWS), ...elsewhere].toSorted())
})

t.test('Meta signs its token with the secret of the app', async t => {
  const meta = create(typeOf('meta'), { settings: { app_secret: 'app_secret_123' } })
  t.match(build(meta), {
    url: /access_token=EAATESTTOKEN&appsecret_proof=2e3b5739f4c846c92c7aafb217d88185f756aeb06f9b268333e118e764a31b70$/,
  })
})
