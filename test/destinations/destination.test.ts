/** A configured destination: settings, what it wants, policy, secrets, types in code, answers. */
import t from 'tap'
import { maskSecrets } from '../../src/base/redact.ts'
import { fail, ok } from '../../src/base/result.ts'
import type { DestinationConfig } from '../../src/config/schema-destination.ts'
import { compileAnswer } from '../../src/destinations/answer.ts'
import { defineDestination } from '../../src/destinations/define.ts'
import type { DestinationFault } from '../../src/destinations/fault.ts'
import { runDestinationExample } from '../../src/destinations/examples.ts'
import { createDestination } from '../../src/destinations/registry.ts'
import { parseSigningKey, signWebhook } from '../../src/destinations/signed-post.ts'
import { webhook } from '../../src/destinations/webhook.ts'
import type { DeliveryResponse } from '../../src/model/delivery.ts'
import { STATUSES } from '../../src/model/status.ts'
import type { DestinationRule } from '../../src/rules/destination-schema.ts'
import { attempt, create, faultsOf, NOW, rule, send } from './support.ts'

t.test('settings', t => {
  const settings = {
    key: { title: 'The key of the account', pattern: '^[a-z]{3}$' },
    goal: { title: 'Goal', default: '1' },
    extra: { title: 'Extra', default: '' },
  }
  const request = { query: { k: '{settings.key}', g: '{settings.goal}', x: '{settings.extra}' } }
  const faults = (given: Record<string, string>) =>
    faultsOf({ settings, request }, { settings: given })
  t.equal(
    send(create({ settings, request }, { settings: { key: 'abc' } })).url,
    'https://t.example/p?k=abc&g=1',
  )
  t.same(faults({}), ['config settings.key: setting "key" is missing'])
  t.same(faults({ key: 'abc', goall: '2' }), [
    'config settings.goall: unknown setting "goall", did you mean "goal"?',
  ])
  t.same(faults({ key: 'SECRET' }), ['config settings.key: setting "key" has the wrong form'])
  t.same(faults({ key: '' }), ['config settings.key: setting "key" is empty'])
  t.same(faults({ key: 'abc', extra: '' }), [])
  t.match(faults({ key: 'abc', extra: 'a\nb' }), [/control character or a line break/])
  t.match(
    faultsOf({ settings: { key: { title: 'K', pattern: '(' } } }, { settings: { key: 'a' } }),
    [/^rule settings\.key\.pattern: not a valid RE2 pattern/],
  )
  t.match(faultsOf({ request: { query: { a: '{settings.nope}' } } }), [/unknown macro/])
  t.same(
    faults({ constructor: 'x', key: 'abc' }),
    ['config settings.constructor: unknown setting "constructor"'],
    'names of Object.prototype are not settings',
  )
  t.end()
})

t.test('secrets are listed in every form a request shows them in', t => {
  const secret = `p!a'ss "w/rd\\+é`
  const settings = { token: { title: 'Token', secret: true }, open: { title: 'Open' } }
  const destination = create(
    {
      settings,
      request: {
        method: 'POST',
        url: 'https://t.example/{settings.token}/x',
        query: { t: '{settings.token}' },
        headers: { authorization: 'Bearer {settings.token}' },
        json: { t: '{settings.token}' },
      },
    },
    { settings: { token: secret, open: 'plain' } },
  )
  const form = create(
    {
      settings,
      request: { method: 'POST', form: { t: '{settings.token}', o: '{settings.open}' } },
    },
    { settings: { token: secret, open: 'plain' } },
  )
  for (const { request, secrets } of [
    { request: send(destination), secrets: destination.secrets },
    { request: send(form), secrets: form.secrets },
  ]) {
    for (const text of [request.url, request.body ?? '', ...Object.values(request.headers)]) {
      const masked = maskSecrets(text, secrets)
      t.notMatch(masked, /ss|rd/, `nothing of it is left in ${masked}`)
    }
  }
  t.notOk(destination.secrets.includes('plain'))
  t.same(
    destination.secrets.map(text => text.length),
    destination.secrets.map(text => text.length).toSorted((a, b) => b - a),
    'longest first',
  )
  t.end()
})

t.test('what it wants', t => {
  const wanted = (
    part: Partial<DestinationRule>,
    config: DestinationConfig = {},
    event?: string,
  ) => {
    const destination = create({ statuses: part.statuses ?? STATUSES.slice() }, config)
    return STATUSES.filter(status => destination.wants({ status, ...(event ? { event } : {}) }))
  }
  t.same(wanted({}), STATUSES)
  t.same(wanted({ statuses: ['approved', 'reversed'] }), ['approved', 'reversed'])
  t.same(wanted({ statuses: ['approved', 'reversed'] }, { statuses: ['hold', 'reversed'] }), [
    'reversed',
  ])
  t.same(wanted({}, { events: ['ftd'], statuses: ['approved'] }, 'ftd'), ['approved'])
  t.same(wanted({}, { events: ['ftd'] }, 'FTD'), [])
  t.same(wanted({}, { events: ['ftd'] }), [])
  t.match(faultsOf({ statuses: ['approved'] }, { statuses: ['declined'] }), [
    /^config statuses: nothing would be sent: this destination takes approved only/,
  ])
  t.end()
})

t.test('policy: configuration over rule over default', t => {
  t.same(create({}).policy, {
    timeoutMs: 10_000,
    concurrency: 32,
    ratePerSecond: undefined,
    memory: 1000,
    scheduleMs: [5e3, 30e3, 120e3, 600e3, 1800e3, 3600e3, 7200e3, 14400e3, 28800e3],
    budgetMs: 259_200_000,
    retryAfterAmbiguous: true,
    allowPrivate: [],
  })
  const part = {
    timeout_ms: 2000,
    concurrency: 4,
    rate_per_second: 9,
    retry_after_ambiguous: false,
  }
  const hinted = { timeoutMs: 2000, concurrency: 4, ratePerSecond: 9, retryAfterAmbiguous: false }
  t.match(create(part).policy, hinted)
  const config = {
    timeout_ms: 3000,
    concurrency: 5,
    rate_per_second: 8,
    memory: 10,
    retry_schedule_ms: [1, 2],
    budget_hours: 0.5,
    allow_private: ['10.0.0.0/8'],
  } satisfies DestinationConfig
  t.same(create(part, config).policy, {
    timeoutMs: 3000,
    concurrency: 5,
    ratePerSecond: 8,
    memory: 10,
    scheduleMs: [1, 2],
    budgetMs: 1_800_000,
    retryAfterAmbiguous: false,
    allowPrivate: ['10.0.0.0/8'],
  })
  t.equal(create({}).rule, 'dest', 'the rule is its own name')
  t.equal(create({}, { rule: 'voluum' }).rule, 'voluum', 'or the one it names')
  t.end()
})

const byText = (a: string, b: string) => (a < b ? -1 : 1)

t.test('every fault is told at once', t => {
  const faults = faultsOf(
    {
      required: ['nope'],
      request: { query: { a: '{nope}' }, headers: { host: 'x' } },
      answer: { success: [{}] },
    },
    { click_id_from: 'nope' },
  )
  t.same(faults.map(fault => fault.split(':')[0] ?? '').toSorted(byText), [
    'config click_id_from',
    'rule answer.success.0',
    'rule request.headers.host',
    'rule request.query.a',
    'rule required.0',
  ])
  t.end()
})

t.test('answers', t => {
  const faults: DestinationFault[] = []
  const read = (
    tests: DestinationRule['answer'],
    response: Partial<DeliveryResponse>,
    now = NOW,
  ) => {
    const verdict = compileAnswer(tests, ['answer'], faults)
    const all = { status: 200, headers: {}, body: '', ...response }
    return verdict(all, now)
  }
  const OK = { kind: 'delivered', result: 'ok' }
  const DUPLICATE = { kind: 'delivered', result: 'duplicate' }
  const REJECTED = { kind: 'retry', result: 'body_rejected' }
  const dead = (result: string) => ({ kind: 'dead', result, reason: 'rejected' })

  t.test('without tests the status decides', t => {
    t.same(read(undefined, { status: 204 }), OK)
    t.same(read({}, { status: 204 }), OK)
    t.match(read(undefined, { status: 410 }), { kind: 'retry', result: 'http_410' })
    t.same(read(undefined, { status: 429, headers: { 'retry-after': '120' } }), {
      kind: 'retry',
      result: 'http_429',
      afterMs: 120_000,
    })
    t.match(read({}, { status: 503, headers: { 'retry-after': ['7'] } }), { afterMs: 7000 })
    t.end()
  })
  t.test('the order is duplicate, permanent, retry, success, then status', t => {
    const all = {
      duplicate: [{ body_contains: ['dup'] }],
      permanent: [{ body_contains: ['bad'] }],
      retry: [{ body_contains: ['later'] }],
      success: [{ body_contains: ['fine'] }],
    }
    t.same(read(all, { body: 'DUP bad later fine' }), DUPLICATE)
    t.same(read(all, { body: 'Bad later fine' }), dead('body_rejected'))
    t.same(read(all, { body: 'LATER fine' }), REJECTED)
    t.same(read(all, { body: 'Fine' }), OK)
    t.same(read(all, { body: 'neither' }), REJECTED, 'a 2xx that passes no success test')
    t.same(read(all, { status: 409, body: 'dup' }), DUPLICATE, 'whatever the status')
    t.same(read(all, { status: 404, body: 'bad' }), dead('http_4xx'))
    t.same(read(all, { status: 410, body: 'bad' }), dead('http_410'))
    t.same(
      read(all, { status: 404, body: 'later' }),
      { kind: 'retry', result: 'http_4xx' },
      'no early end',
    )
    t.match(read(all, { status: 404, body: 'x' }), { kind: 'retry', maxAttempts: 3 })
    t.same(read(all, { status: 503, body: 'later', headers: { 'retry-after': '60' } }), {
      kind: 'retry',
      result: 'http_5xx',
      afterMs: 60_000,
    })
    t.end()
  })
  t.test('every part of a test must hold', t => {
    const success = [{ status: ['2xx'], body_equals: ['1', ' OK '] }, { status: ['418'] }]
    t.same(read({ success }, { status: 201, body: '\n1 ' }), OK)
    t.same(read({ success }, { status: 201, body: 'OK' }), OK)
    t.same(read({ success }, { status: 201, body: '12' }), REJECTED)
    t.match(read({ success }, { status: 301, body: '1' }), { result: 'http_3xx' })
    t.same(read({ success }, { status: 418 }), OK)
    const header = [{ header: { 'X-Result': 'taken' } }]
    t.same(read({ success: header }, { headers: { 'x-result': 'Taken; yes' } }), OK)
    t.same(read({ success: header }, { headers: { 'x-result': ['no', 'taken'] } }), OK)
    t.same(read({ success: header }, {}), REJECTED)
    t.same(read({ success: [{ header: { constructor: 'function' } }] }, {}), REJECTED)
    const matches = [{ body_matches: '^OK\\b' }]
    t.same(read({ success: matches }, { body: 'OK: 1' }), OK)
    t.same(read({ success: matches }, { body: 'not OK' }), REJECTED)
    t.end()
  })
  t.test('JSON', t => {
    const success = [{ json: { 'a.b[1]': ['yes', '0', 'true'] } }]
    for (const value of ['"yes"', '0', 'true']) {
      t.same(read({ success }, { body: `{"a":{"b":[9,${value}]}}` }), OK, value)
    }
    for (const body of [
      '{"a":{"b":["yes"]}}',
      '{"a":{"b":[1,null]}}',
      '{"a":{"b":[1,["yes"]]}}',
      '{"a":null}',
      '{"a":',
      '',
      'yes',
      'null',
    ]) {
      t.same(read({ success }, { body }), REJECTED, `body ${body}`)
    }
    t.same(read({ success: [{ json: { '__proto__.x': ['1'] } }] }, { body: '{}' }), REJECTED)
    t.end()
  })
  t.test('tests that cannot be compiled are faults', t => {
    t.same(faults, [])
    read({ success: [{ body_matches: '(' }] }, {})
    read({ retry: [{}] }, {})
    read({ permanent: [{ json: { 'a[': ['1'] } }] }, {})
    t.match(faults, [
      { path: ['answer', 'success', 0, 'body_matches'], message: /RE2/ },
      { path: ['answer', 'retry', 0], message: /at least one test/ },
      { path: ['answer', 'permanent', 0, 'json', 'a['], message: /JSON path/ },
    ])
    t.end()
  })
  t.end()
})

t.test('webhook', t => {
  const A = 'whsec_cG9zdGVybi10ZXN0LWtleS0wMDAwMDAwMDAwMDAwMDE='
  const B = 'whsec_cG9zdGVybi10ZXN0LWtleS0wMDAwMDAwMDAwMDAwMDI='
  const sign = (secrets: string[], id: string, timestamp: string, body: string) => {
    const keys = secrets.flatMap(secret => parseSigningKey(secret) ?? [])
    return signWebhook(keys, id, timestamp, body)
  }
  t.test('signatures of the specification and of ours, byte for byte', t => {
    t.equal(
      sign(
        ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
        'msg_p5jXN8AQM9LWM0D4loKWxJek',
        '1614265330',
        '{"test": 2432232314}',
      ),
      'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    )
    const body = (status: string, payout: string, reward: string) =>
      `{"type":"conversion.${status}","timestamp":"2026-01-01T00:00:00.000Z","data":{"event_id":"evt_1","network":"demo","user_id":"u-42","transaction_id":"tx-1001","status":"${status}","payout":"${payout}","currency":"USD","reward":"${reward}"}}`
    const approved = body('approved', '1.50', '1500')
    t.equal(Buffer.byteLength(approved), 227)
    const id = 'msg_01J9ZQ4T7Y8V6W5X4R3Q2P1N0M'
    const time = '1767225600'
    const byA = 'v1,OB7ReTqEFP/E1yQln444KmYradQqkm0kEGROvaLqTF8='
    const byB = 'v1,QVAnU1Vjf6iXA+kvMEBamUaar74HnauIMWBKzAdFAHY='
    t.equal(sign([A], id, time, approved), byA)
    t.equal(sign([B], id, time, approved), byB)
    t.equal(sign([B, A], id, time, approved), `${byB} ${byA}`, 'rotation')
    t.equal(
      sign([A], 'msg_01J9ZQ4T7Y8V6W5X4R3Q2P1N0N', time, body('reversed', '-1.50', '-1500')),
      'v1,zIUuGEq4tAfESHkZAEgZgTjG1Su7CICD1ZY3Fl355E0=',
    )
    t.equal(sign([A], id, time, ''), 'v1,CaBOaqKVthcTxDNiSfWSqVZFagkrKv4vrMKC+JWWNHg=')
    t.end()
  })
  const open = (settings: Record<string, string>, more: DestinationConfig = {}) =>
    createDestination('shop', { ...more, settings }, webhook)
  const opened = (settings: Record<string, string>, more: DestinationConfig = {}) => {
    const created = open(settings, more)
    if (!created.ok) throw new Error('expected a destination')
    return created.value
  }
  t.test('the request', t => {
    const shop = opened({ url: 'https://b.example/hook?x=1', secret: B, previous_secret: A })
    t.same(shop.origins, ['https://b.example'])
    t.equal(shop.rule, 'webhook')
    const conversion = {
      reward: '1500',
      sub1: 'a"b',
      occurred_at: Date.UTC(2025, 5, 1),
      status: 'reversed' as const,
    }
    const first = send(shop, { conversion, shares: { shop: '80' } })
    const again = send(shop, { conversion, shares: { shop: '80' }, attempt: 2, now: NOW + 60_000 })
    t.equal(first.method, 'POST')
    t.equal(first.url, 'https://b.example/hook?x=1')
    t.same(JSON.parse(first.body ?? ''), {
      type: 'conversion.reversed',
      timestamp: '2025-06-01T00:00:00.000Z',
      data: {
        event_id: 'rec-1-0',
        conversion_id: '00112233445566778899aabbccddeeff',
        network: 'net',
        status: 'reversed',
        click_id: 'click-1',
        transaction_id: 'tx-1',
        sub1: 'a"b',
        payout: '8.0000',
        reward: '1500',
        currency: 'USD',
        occurred_at: '2025-06-01T00:00:00.000Z',
      },
    })
    t.equal(first.headers['webhook-id'], 'msg_rec-1-0_shop')
    t.equal(first.headers['webhook-timestamp'], '1767225600')
    t.equal(
      first.headers['webhook-signature'],
      sign([B, A], 'msg_rec-1-0_shop', '1767225600', first.body ?? ''),
    )
    t.equal(again.headers['webhook-id'], first.headers['webhook-id'], 'the id stays')
    t.equal(again.body, first.body, 'and so does the body')
    t.equal(again.headers['webhook-timestamp'], '1767225660', 'the time is that of the attempt')
    t.not(again.headers['webhook-signature'], first.headers['webhook-signature'])
    t.ok(shop.secrets.includes(A) && shop.secrets.includes(B), 'both secrets are masked')
    t.notMatch(JSON.stringify(first), /whsec_/)
    t.end()
  })
  t.test('a click id of its own, and one that is a macro', t => {
    const shop = opened(
      { url: 'https://b.example', secret: A },
      { click_id_from: '{sub1|split:_:1}' },
    )
    const data = (sub1: string) => {
      const built = attempt(shop, { conversion: { sub1 } })
      return 'reason' in built ? built.reason : JSON.parse(built.body ?? '').data.click_id
    }
    t.equal(data('a_b'), 'b')
    t.equal(data('a'), undefined, 'never another destination’s click id')
    t.equal(data('a_{x}'), 'macro_unreplaced')
    t.equal(send(shop, { conversion: { sub1: 'a_b' } }).url, 'https://b.example/')
    t.end()
  })
  t.test('secrets and URLs that do not fit', t => {
    const faults = (settings: Record<string, string>) => {
      const created = open({ url: 'https://b.example/', secret: A, ...settings })
      return created.ok
        ? []
        : created.error.map(({ path, message }) => `${path.join('.')}: ${message}`)
    }
    const short = `whsec_${Buffer.alloc(23).toString('base64')}`
    const long = `whsec_${Buffer.alloc(65).toString('base64')}`
    for (const secret of [
      short,
      long,
      A.slice(6),
      `${A}x`,
      A.replace('=', ''),
      'whsec_',
      `whsec_${'-'.repeat(44)}`,
    ]) {
      const [fault = ''] = faults({ secret })
      t.match(fault, /^settings\.secret: setting "secret" is not whsec_/)
      if (secret !== 'whsec_') t.notOk(fault.includes(secret), 'and the value is not repeated')
      t.match(faults({ previous_secret: secret }), [/previous_secret/])
    }
    for (const bytes of [24, 25, 26, 64]) {
      t.ok(parseSigningKey(`whsec_${Buffer.alloc(bytes, 7).toString('base64')}`), `${bytes} bytes`)
    }
    t.match(faults({ url: 'ftp://b.example/' }), [/^settings\.url: .*must start with https/])
    t.match(faults({ url: 'https://u:p@b.example/' }), [/user name or password/])
    t.match(faults({ secret: '' }), [/"secret" is empty/])
    t.end()
  })
  t.end()
})

t.test('a type in code', t => {
  const type = defineDestination({
    type: 'demo',
    title: 'Demo',
    docs: 'https://example.com/',
    settings: { pixel: { title: 'Pixel' }, region: { title: 'Region', default: 'eu' } },
    statuses: ['approved', 'reversed'],
    policy: { budget_hours: 24, timeout_ms: 5000 },
    prepare: ({ pixel, region }) =>
      pixel === 'wrong'
        ? fail([{ setting: 'pixel', message: 'is no pixel' }])
        : ok({ url: `https://${region}.example/${pixel}` }),
    origins: ({ url }) => [new URL(url).origin],
    wants: ({ event }) => event !== 'install',
    request: (conversion, { url }, context) =>
      conversion.fbc
        ? ok({ method: 'POST', url, headers: {}, body: `${context.recordId} ${conversion.payout}` })
        : fail({ reason: 'insufficient_identity', detail: 'neither fbc nor email' }),
    verdict: () => ({ kind: 'delivered', result: 'duplicate' }),
    examples: [],
  })
  const created = createDestination('dest', { settings: { pixel: '7' }, rule: 'demo' }, type)
  if (!created.ok) throw new Error('expected a destination')
  const destination = created.value
  t.equal(destination.rule, 'demo')
  t.same(destination.origins, ['https://eu.example'])
  t.match(destination.policy, { budgetMs: 86_400_000, timeoutMs: 5000 })
  t.equal(destination.wants({ status: 'approved' }), true)
  t.equal(destination.wants({ status: 'pending' }), false)
  t.equal(destination.wants({ status: 'approved', event: 'install' }), false)
  t.match(send(destination, { conversion: { fbc: 'x' }, shares: { dest: '50' } }), {
    url: 'https://eu.example/7',
    body: 'rec-1-0 5.0000',
  })
  t.match(attempt(destination), { reason: 'insufficient_identity' })
  const wrong = createDestination('dest', { settings: { pixel: 'wrong' } }, type)
  t.match(wrong, {
    ok: false,
    error: [{ in: 'config', path: ['settings', 'pixel'], message: 'setting "pixel" is no pixel' }],
  })
  const example = {
    title: 'x',
    conversion: {},
    settings: { pixel: '7' },
    dead: 'insufficient_identity',
  }
  t.same(runDestinationExample(type, example).differences, [])
  t.end()
})

t.test('names of Object.prototype as destination ids', t => {
  const created = createDestination(
    'constructor',
    {},
    rule({ request: { query: { p: '{payout}' } } }),
  )
  if (!created.ok) throw new Error('expected a destination')
  t.match(send(created.value, { shares: {} }), { url: 'https://t.example/p?p=10.00' })
  t.end()
})
