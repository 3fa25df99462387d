/**
 * Networks and requests with which every reason code, status and attempt result happens at least
 * once on a real gateway, and what each request must be counted as. What takes a state of the
 * gateway (its store away, its end) is left to the test.
 */
import { createHmac } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { request } from 'undici'
import { stringify } from 'yaml'
import { REASONS, type Reason } from '../../src/reasons.ts'

export const TOKEN = 'secret-token'
export const SECRET = 'signing-secret'

const FIELDS = {
  click_id: ['cid'],
  gclid: ['gclid'],
  transaction_id: ['tid'],
  payout: ['payout'],
  currency: ['currency'],
  status: ['status'],
  occurred_at: ['at'],
  sub2: ['to'],
  sub3: ['mark'],
  ip: ['ip'],
  user_agent: ['agent'],
}
const COMMON = { kind: 'generic', verified: 'vendor', docs: 'https://example.com/', fields: FIELDS }

function example(name: string, target: string, more: Record<string, unknown> = {}) {
  return [{ title: 'approved', request: { method: 'GET', target: `/in/${name}${target}` }, outcome: 'accepted', ...more }] // prettier-ignore
}

const NETWORK_RULES = {
  main: {
    ...COMMON,
    name: 'Main network',
    event: { default: 'sale' },
    status: { default: 'approved', map: { info: 'informational' } },
    time: { occurred_at: { format: 'unix_s' } },
    ignore: { test: { sub3: { equals: 'test' } } },
    verify: [{ token: 'path:token' }],
    reply: { probe: true },
    examples: example('main', `/${TOKEN}?cid=c&tid=t&payout=1`, { tokens: [TOKEN] }),
  },
  signed: {
    ...COMMON,
    name: 'Signing network',
    required: ['payout'],
    status: { default: 'approved' },
    verify: [
      { freshness: { from: 'ts', format: 'unix_s', within_seconds: 300 } },
      { signature: { algorithm: 'sha256', hmac: true, over: '{tid}', from: 'sig', encoding: 'hex' } },
    ],
    examples: example('signed', `?cid=c&tid=t&payout=1&ts=1767225600&sig=${sign('t')}`, { secrets: [SECRET] }),
  },
  keyed: {
    ...COMMON,
    name: 'Network with public keys',
    status: { default: 'approved' },
    verify: [
      { ecdsa_signature: { keys_url: 'https://no-such-host.invalid/keys', from: 'sig', key_id: 'key', encoding: 'base64url' } },
    ],
    examples: [{ title: 'unsigned', request: { method: 'GET', target: '/in/keyed?cid=c&tid=t' }, outcome: 'rejected' }],
  },
  listed: {
    ...COMMON,
    name: 'Network with addresses',
    status: { default: 'approved' },
    verify: [{ ip: ['198.51.100.0/24'] }],
    examples: example('listed', '?cid=c&tid=t&payout=1', { client: '198.51.100.1' }),
  },
} // prettier-ignore

const DESTINATION = {
  name: 'Test tracker',
  kind: 'tracker',
  verified: 'vendor',
  docs: 'https://example.com/',
  settings: { base: { title: 'Base URL' }, path: { title: 'Path' } },
  request: {
    method: 'GET',
    url: '{settings.base}/{settings.path}',
    query: { cid: '{click_id}', tid: '{transaction_id}', payout: '{payout}', st: '{status}' },
  },
  answer: { duplicate: [{ status: ['409'] }] },
  examples: [
    {
      title: 'sale',
      conversion: { click_id: 'c1', transaction_id: 't1', payout: '1.50' },
      settings: { base: 'https://t.example.com', path: 'a' },
      request: { method: 'GET', url: 'https://t.example.com/a?cid=c1&tid=t1&payout=1.50&st=approved' }, // prettier-ignore
    },
  ],
}
const DESTINATION_RULES = {
  'test-tracker': DESTINATION,
  'test-strict': {
    ...DESTINATION,
    answer: { success: [{ body_contains: ['yes'] }] },
  },
  'test-needy': {
    ...DESTINATION,
    required: ['user_id'],
    examples: [{ title: 'without a user', conversion: { click_id: 'c1' }, settings: { base: 'https://t.example.com', path: 'a' }, dead: 'insufficient_identity' }],
  },
} // prettier-ignore

/** A network and a destination that nobody uses, to be removed. */
export const SPARE = 'spare'

/** Path at which a destination meets the tracker. */
export const pathOf = (name: string) => (name === 'locked' ? '/locked/v1/event' : `/${name}`)

/** Destination → what its attempts come to, and the status its path answers. */
export const DESTINATIONS: Readonly<Record<string, { result: string; answers?: number | 'hang' }>> = {
  good: { result: 'ok', answers: 200 },
  knows: { result: 'duplicate', answers: 409 },
  moved: { result: 'http_3xx', answers: 302 },
  refuses: { result: 'http_4xx', answers: 400 },
  gone: { result: 'http_410', answers: 410 },
  throttles: { result: 'http_429', answers: 429 },
  fails: { result: 'http_5xx', answers: 500 },
  strict: { result: 'body_rejected', answers: 200 },
  hangs: { result: 'timeout', answers: 'hang' },
  closed: { result: 'connect_error' },
  unnamed: { result: 'dns_error' },
  plain: { result: 'tls_error' },
  cuts: { result: 'reset' },
  inside: { result: 'egress_blocked' },
  needy: { result: 'template_error' },
  locked: { result: 'auth_failed', answers: 401 },
  judges: { result: 'ok' },
} // prettier-ignore

export interface Places {
  readonly tracker: string
  /** Accepts a connection and closes it when a request has come. */
  readonly cutting: string
  /** Takes requests in and judges them later. */
  readonly judging: string
  readonly redis: string
}

/** Writes rules and configuration into `folder`; returns the configuration. */
export function everyReasonConfig(folder: string, places: Places): Record<string, unknown> {
  for (const [kind, files] of [
    ['networks', NETWORK_RULES],
    ['destinations', DESTINATION_RULES],
  ] as const) {
    mkdirSync(join(folder, 'rules', kind), { recursive: true })
    for (const [name, rule] of Object.entries(files)) {
      writeFileSync(join(folder, 'rules', kind, `${name}.yaml`), stringify(rule))
    }
  }
  const { port } = new URL(places.tracker)
  const bases: Readonly<Record<string, string>> = {
    closed: 'http://127.0.0.1:1',
    unnamed: 'http://no-such-host.invalid',
    plain: `https://127.0.0.1:${port}`,
    cuts: places.cutting,
    inside: `http://${hostname()}:${port}`,
  }
  const ruleOf: Readonly<Record<string, string>> = { strict: 'test-strict', needy: 'test-needy' }
  return {
    server: {
      listen: '127.0.0.1:0',
      allowed_hosts: ['127.0.0.1', 'a'],
      trusted_proxies: ['127.0.0.1/32'],
      limits: { in_flight: 40, request_timeout_ms: 2000 },
    },
    admin: { listen: '127.0.0.1:0', collect_interval_ms: 300 },
    log: { level: 'debug' },
    rules: [join(folder, 'rules')],
    store: { type: 'redis', redis: { url: places.redis, command_timeout_ms: 500 } },
    networks: {
      main: { tokens: ['${TEST_TOKEN}'], max_silence_hours: 1 },
      signed: { secrets: ['${TEST_SECRET}'] },
      listed: {},
      keyed: {},
      off: { rule: 'main', enabled: false, tokens: ['${TEST_TOKEN}'] },
      private: { rule: 'main', require_https: true, tokens: ['${TEST_TOKEN}'] },
      slow: { rule: 'main', rate_per_second: 1, tokens: ['${TEST_TOKEN}'] },
      [SPARE]: { rule: 'main', tokens: ['${TEST_TOKEN}'] },
    },
    destinations: Object.fromEntries(
      [...Object.keys(DESTINATIONS), SPARE].map(name => [
        name,
        {
          ...(name === 'locked'
            ? {
                rule: 'axon',
                click_id_from: 'click_id',
                settings: { pixel_id: 'P1', api_key: '${TEST_SECRET}', base_url: `${places.tracker}/locked`, page_url: 'https://shop.example.com/' },
              }
            : name === 'judges'
              ? { rule: 'google_data_manager', settings: judgedLater(places.judging) }
              : {
                rule: ruleOf[name] ?? 'test-tracker',
                settings: { base: bases[name] ?? places.tracker, path: name },
              }),
          ...(name === 'hangs' ? { timeout_ms: 300 } : {}),
          // One attempt each: with full jitter over a month none is repeated during the test.
          retry_schedule_ms: [2_592_000_000],
          budget_hours: 8760,
          ...(name === 'inside' ? {} : { allow_private: ['127.0.0.1/32'] }),
          // Some wait in memory when its circuit opens.
          ...(name === 'fails' ? { concurrency: 1 } : {}),
        },
      ]),
    ),
    routes: Object.keys(DESTINATIONS).map(name => ({ to: [name], when: { sub2: { equals: name } } })),
  } // prettier-ignore
}

function judgedLater(url: string): Record<string, string> {
  return {
    customer_id: '123-456-7890',
    client_id: 'client',
    client_secret: '${TEST_SECRET}',
    refresh_token: '${TEST_TOKEN}',
    events: 'sale=987654321',
    base_url: url,
    token_url: `${url}/token`,
    status_check_minutes: '0.001',
  }
}

export interface Sent {
  readonly reason: Reason
  /** Undefined where it is refused before its network is known. */
  readonly network: string | undefined
  readonly send: (url: string) => Promise<number>
}

const get = (path: string, options: Parameters<typeof request>[1] = {}) => {
  return async (url: string): Promise<number> => {
    const response = await request(`${url}${path}`, options)
    await response.body.dump()
    return response.statusCode
  }
}
const post = (path: string, type: string, body: string, headers: Record<string, string> = {}) =>
  get(path, { method: 'POST', body, headers: { 'content-type': type, ...headers } })
/** Bytes as they are; resolves to the status of the answer. */
const raw = (text: string) => (url: string) =>
  new Promise<number>((resolve, reject) => {
    const { port } = new URL(url)
    let answer = ''
    const socket = connect(Number(port), '127.0.0.1', () => socket.write(text))
    socket.on('data', chunk => (answer += chunk.toString()))
    socket.on('error', reject)
    socket.on('close', () => resolve(Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 0)))
  })

const MAIN = `/in/main/${TOKEN}`
export const main = (query: string) => `${MAIN}?${query}`
const json = (body: string) => post(MAIN, 'application/json', body)

function sign(text: string): string {
  return createHmac('sha256', SECRET).update(text).digest('hex')
}
const signed = (query: string) => get(`/in/signed?cid=c&payout=1&${query}`)
const now = () => Math.floor(Date.now() / 1000)

const NOBODY = ''

/** In this order: later ones build on what earlier ones stored. */
export function everyReason(): readonly Sent[] {
  const of = (reason: Reason, send: Sent['send'], network = 'main'): Sent => ({
    reason,
    network: network === NOBODY ? undefined : network,
    send,
  })
  return [
    of('new', get(main('cid=c&tid=life&payout=10&currency=EUR&status=pending&to=good'))),
    of('update', get(main('cid=c&tid=life&payout=10&currency=EUR&status=hold&to=good'))),
    of('update', get(main('cid=c&tid=life&payout=10&currency=EUR&status=approved&to=good'))),
    of('duplicate', get(main('cid=c&tid=life&payout=10&currency=EUR&status=approved&to=good'))),
    of('conflict', get(main('cid=c&tid=life&payout=11&currency=EUR&status=approved&to=good'))),
    of('update', get(main('cid=c&tid=life&payout=10&currency=EUR&status=reversed&to=good'))),
    of('new', get(main('cid=c&tid=no&payout=3&status=declined&to=good'))),
    of('stale', get(main('cid=c&tid=no&payout=3&status=pending&to=good'))),
    of('test', get(main('cid=c&tid=t1&payout=1&mark=test'))),
    of('informational', get(main('cid=c&tid=t2&payout=1&status=info'))),
    of('probe', get(MAIN)),
    of('encoding_invalid', get(main('cid=%ff&tid=t3&payout=1'))),
    of('body_invalid', json('{')),
    of('body_too_deep', json('['.repeat(50) + ']'.repeat(50))),
    of('param_duplicate', get(main('cid=c&tid=a&tid=b&payout=1'))),
    of('param_too_many', get(main(Array.from({ length: 120 }, (_, i) => `p${i}=1`).join('&')))),
    of('param_too_long', get(main(`cid=${'x'.repeat(5000)}&tid=t4&payout=1`))),
    of('param_invalid', get(main('cid=%01&tid=t5&payout=1'))),
    of('amount_invalid', get(main('cid=c&tid=t6&payout=ten'))),
    of('currency_unknown', get(main('cid=c&tid=t7&payout=1&currency=QQQ'))),
    of('time_invalid', get(main('cid=c&tid=t8&payout=1&at=yesterday'))),
    of('status_unknown', get(main('cid=c&tid=t9&payout=1&status=perhaps'))),
    of('macro_unreplaced', get(main('cid={aff_sub}&tid={transaction_id}&payout=1'))),
    of('dedupe_key_empty', get(main('payout=1'))),
    of('secret_missing', get('/in/main?cid=c&tid=t&payout=1')),
    of('secret_mismatch', get('/in/main/wrong?cid=c&tid=t&payout=1')),
    of('url_too_long', get(main(`cid=${'x'.repeat(8300)}`))),
    of('body_too_large', post(MAIN, 'application/json', ' '.repeat(70_000))),
    of('content_type_unsupported', post(MAIN, 'text/xml', '<a/>')),
    of('content_encoding_unsupported', post(MAIN, 'application/json', '{}', { 'content-encoding': 'gzip' })),
    of('method_not_allowed', get(MAIN, { method: 'PUT' })),
    of('loop_detected', get(main('cid=c&tid=t10&payout=1'), { headers: { 'postern-hop': '9' } })),
    of('new', signed(`tid=s1&ts=${now()}&sig=${sign('s1')}`), 'signed'),
    of('timestamp_missing', signed(`tid=s2&sig=${sign('s2')}`), 'signed'),
    of('timestamp_out_of_window', signed(`tid=s2&ts=${now() - 9000}&sig=${sign('s2')}`), 'signed'),
    of('signature_missing', signed(`tid=s2&ts=${now()}`), 'signed'),
    of('signature_malformed', signed(`tid=s2&ts=${now()}&sig=no`), 'signed'),
    of('signature_invalid', signed(`tid=s2&ts=${now()}&sig=${sign('s1')}`), 'signed'),
    of('param_missing', get(`/in/signed?cid=c&tid=s3&ts=${now()}&sig=${sign('s3')}`), 'signed'),
    of('keys_unavailable', get('/in/keyed?cid=c&tid=t&payout=1&sig=MEUCIQ&key=1'), 'keyed'),
    of('ip_denied', get('/in/listed?cid=c&tid=t&payout=1'), 'listed'),
    of('ip_unparseable', get('/in/listed?cid=c&tid=t&payout=1', { headers: { 'x-forwarded-for': 'nobody' } }), 'listed'),
    of('network_disabled', get(`/in/off/${TOKEN}?cid=c&tid=t&payout=1`), 'off'),
    of('https_required', get(`/in/private/${TOKEN}?cid=c&tid=t&payout=1`), 'private'),
    of('host_not_allowed', raw(`GET ${MAIN} HTTP/1.1\r\nhost: elsewhere\r\nconnection: close\r\n\r\n`)),
    of('expectation_failed', raw(`GET ${MAIN} HTTP/1.1\r\nhost: 127.0.0.1\r\nexpect: banana\r\nconnection: close\r\n\r\n`)),
    of('unknown_network', get('/in/nobody?cid=c'), NOBODY),
    of('bad_path', get('/in/%ff/x'), NOBODY),
    of('malformed_http', raw('NONSENSE\r\n\r\n'), NOBODY),
    of('headers_too_large', raw(`GET ${MAIN} HTTP/1.1\r\nhost: a\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`), NOBODY),
    of('request_timeout', raw(`GET ${MAIN} HTTP/1.1\r\nhost: a\r\n`), NOBODY),
  ] // prettier-ignore
}

/** The default answer; what a rule changes is another test's concern. */
export function expectedStatus(reason: Reason): number {
  return REASONS[reason].http
}
