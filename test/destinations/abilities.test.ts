/** What a rule can ask for beyond a plain request: signatures, sign-in, money, changes by status. */
import { createHash } from 'node:crypto'
import t from 'tap'
import { maskSecrets } from '../../src/base/redact.ts'
import { x } from '../../src/destinations/ads/x.ts'
import type { DestinationOptions } from '../../src/destinations/options.ts'
import { createDestination } from '../../src/destinations/registry.ts'
import { rewardsWebhook } from '../../src/destinations/rewards-webhook.ts'
import type { Conversion } from '../../src/model/conversion.ts'
import { STATUSES } from '../../src/model/status.ts'
import { attempt, create, faultsOf, rule, send, type RulePart } from './support.ts'

const SECRET = { title: 'Key', secret: true }
const settings = { secret: 's3cret' }

t.test('signatures', t => {
  const signed = (signature: NonNullable<RulePart['signatures']>[string]): RulePart => ({
    settings: { secret: SECRET },
    signatures: { s: signature },
    request: { query: { u: '{user_id}', sig: '{signature.s}' } },
  })
  const signatureOf = (part: RulePart, conversion: Partial<Conversion>) =>
    new URL(send(create(part, { settings }), { conversion }).url).searchParams.get('sig')
  const conversion = { user_id: 'u-42', transaction_id: 'tx-1001', reward: '1500' }
  const hmac = {
    algorithm: 'sha256',
    hmac: true,
    key: '{settings.secret}',
    over: 'user_id={user_id}&transaction_id={transaction_id}&amount={reward}&status={status}',
    url_encoded: true,
    encoding: 'hex',
  } as const

  t.test('HMAC: the vector of offerwall scripts', t => {
    const expected = '90c56156980ddc50908d98be777005ce0e3b3d6bc00146377b8328819ac482cb'
    t.equal(signatureOf(signed(hmac), conversion), expected)
    const base64 = Buffer.from(expected, 'hex').toString('base64url')
    t.equal(signatureOf(signed({ ...hmac, encoding: 'base64url' }), conversion), base64)
    t.not(signatureOf(signed(hmac), { ...conversion, status: 'reversed' }), expected)
    t.end()
  })
  t.test('plain hashes over values as they are, or as the query has them', t => {
    const over = '{user_id}.{transaction_id}.{settings.secret}'
    for (const algorithm of ['md5', 'sha1', 'sha256', 'sha512'] as const) {
      const raw = signatureOf(signed({ algorithm, over, encoding: 'hex' }), {
        user_id: 'a b',
        transaction_id: 'é',
      })
      t.equal(raw, createHash(algorithm).update('a b.é.s3cret').digest('hex'), algorithm)
    }
    const part = signed({ algorithm: 'md5', over, url_encoded: true, encoding: 'hex' })
    const encoded = signatureOf(part, { user_id: 'a b', transaction_id: 'é' })
    t.equal(encoded, createHash('md5').update('a%20b.%C3%A9.s3cret').digest('hex'))
    t.end()
  })
  t.test('an id that is a macro is not signed either', t => {
    const part = signed({ algorithm: 'md5', over: '{transaction_id}', encoding: 'hex' })
    const built = attempt(create(part, { settings }), { conversion: { transaction_id: '{tid}' } })
    t.match(built, { reason: 'macro_unreplaced' })
    t.end()
  })
  t.test('faults', t => {
    const faults = (change: object) => faultsOf(signed({ ...hmac, ...change }), { settings })
    t.same(faults({}), [])
    t.match(faults({ over: '{nope}' }), [/^rule signatures\.s\.over: unknown macro/])
    t.match(faults({ key: '{click_id}' }), [/^rule signatures\.s\.key: .*settings only/])
    t.match(faults({ key: undefined }), [/^rule signatures\.s\.hmac: an HMAC needs a key/])
    t.match(faults({ hmac: false }), [/^rule signatures\.s\.key: only an HMAC has a key/])
    t.match(faults({ over: '{signature.s}' }), [/unknown macro/], 'none signs another')
    t.match(faultsOf({ request: { query: { a: '{signature.nope}' } } }), [
      /request\.query\.a: unknown macro/,
    ])
    const empty = { settings: { secret: { title: 'K', default: '' } }, signatures: { s: hmac } }
    t.match(faultsOf(empty), [/the key is empty/])
    t.end()
  })
  t.end()
})

t.test('HTTP Basic', t => {
  const part = (user: string, password: string): RulePart => ({
    settings: { user: { title: 'User' }, secret: SECRET },
    request: { auth: { basic: { user, password } } },
  })
  const given = { settings: { user: 'Aladdin', secret: 'open sesame' } }
  const destination = create(part('{settings.user}', '{settings.secret}'), given)
  // The example of RFC 7617 §2.
  const credentials = 'QWxhZGRpbjpvcGVuIHNlc2FtZQ=='
  const { headers } = send(destination)
  t.same(headers, { authorization: `Basic ${credentials}` })
  const shown = maskSecrets(JSON.stringify(headers), destination.secrets)
  t.notMatch(shown, credentials, 'also encoded it is masked')
  const faults = (request: RulePart['request']) =>
    faultsOf({ ...part('', ''), request: request ?? {} }, given)
  t.match(faults({ auth: { basic: { user: '{click_id}', password: '' } } }), [
    /^rule request\.auth\.basic\.user: credentials come from settings only/,
  ])
  t.match(faults({ auth: { basic: { user: 'a:b', password: '' } } }), [/holds no colon/])
  t.match(
    faults({ auth: { basic: { user: 'a', password: '' } }, headers: { Authorization: 'x' } }),
    [/authorization header already/],
  )
  t.end()
})

t.test('several currencies', t => {
  const part: RulePart = {
    money: { currencies: ['USD', 'EUR'], on_other: 'drop' },
    request: { query: { p: '{payout}', x: '1' } },
  }
  const query = (conversion: Partial<Conversion>, options: DestinationOptions = {}) => {
    const built = attempt(create(part, options), { conversion: { payout: '5', ...conversion } })
    return 'reason' in built ? `${built.reason}: ${built.detail}` : new URL(built.url).search
  }
  t.equal(query({ currency: 'USD' }), '?p=5&x=1')
  t.equal(query({ currency: 'EUR' }), '?p=5&x=1')
  t.equal(query({ currency: 'PLN' }), '?x=1', 'a bare number would be the wrong money')
  t.equal(query({ currency: '' }), '?x=1')
  t.match(query({ currency: 'PLN' }, { other_currency: 'refuse' }), /none of the currencies/)
  t.match(faultsOf(part, { other_currency: 'convert' }), [/no one to convert to/])
  t.end()
})

t.test('a refused account parks, a missing match key is no fault of the rule', t => {
  const part: RulePart = {
    kind: 'traffic-source',
    required: ['click_id', 'transaction_id'],
    answer: { auth: [{ status: ['403'] }, { body_contains: ['bad key'] }] },
  }
  const { verdict } = create(part)
  const park = { kind: 'park', result: 'auth_failed' }
  t.same(verdict({ status: 403, headers: {}, body: '' }, 0), park)
  t.same(verdict({ status: 200, headers: {}, body: 'Bad key' }, 0), park)
  t.match(verdict({ status: 200, headers: {}, body: '' }, 0), { kind: 'delivered' })
  const reasonOf = (kind: 'tracker' | 'traffic-source', conversion: Partial<Conversion>) =>
    (attempt(create({ ...part, kind }), { conversion }) as { reason?: string }).reason
  t.equal(reasonOf('traffic-source', { click_id: '' }), 'insufficient_identity')
  t.equal(reasonOf('traffic-source', { transaction_id: '' }), 'template_error')
  t.equal(reasonOf('tracker', { click_id: '' }), 'template_error')
  t.end()
})

t.test('what the operator leaves out is not sent', t => {
  const part: RulePart = {
    request: { method: 'POST', query: { cid: '{click_id}', key: 'k' }, json: { tx: '{transaction_id}', a: 1 } }, // prettier-ignore
    requests_by_status: { reversed: { method: 'POST', url: 'https://t.example/r', form: { x: 'y', z: '{click_id}' } } }, // prettier-ignore
  }
  const destination = create(part, { omit: ['key', 'tx', 'z'] })
  t.match(send(destination), { url: 'https://t.example/p?cid=click-1', body: '{"a":1}' })
  t.match(send(destination, { conversion: { status: 'reversed' } }), { body: 'x=y' })
  const faults = (omit: string[]) => createDestination('dest', { omit }, rule(part))
  t.match(faults(['cid', 'kee']), {
    ok: false,
    error: [{ in: 'config', path: ['omit', 1], message: 'its rule sends no "kee"', hint: /"key"/ }],
  })
  const given = { pixel_id: 'p', pixel_token: 't', events: 'sale=tw-a-b' }
  const ofType = createDestination('dest', { omit: ['value'], settings: given }, x)
  t.match(ofType, { ok: false, error: [{ path: ['omit'], message: /not made from a rule file/ }] })
  t.end()
})

t.test('money in another currency', t => {
  const part: RulePart = {
    money: { currency: 'USD' },
    request: { query: { p: '{payout}', c: '{payout_cents}' } },
  }
  const rates = { 'EUR/USD': '1.0825', 'GBP/USD': '1.27', 'USD/EUR': '0.9', 'EUR/PLN': '4.3' }
  const open = (options: DestinationOptions, money = {}) => {
    const made = rule({ ...part, money: { ...part.money, ...money } })
    return createDestination('dest', options, made, rates)
  }
  const query = (options: DestinationOptions, conversion: Partial<Conversion>, money = {}) => {
    const created = open(options, money)
    if (!created.ok) throw new Error(created.error.map(({ message }) => message).join())
    const built = attempt(created.value, { conversion })
    return 'reason' in built ? `${built.reason}: ${built.detail}` : new URL(built.url).search
  }
  const eur = { payout: '12.50', currency: 'EUR' }
  t.match(query({}, eur), /^template_error: the payout is not in USD/, 'refused by default')
  t.equal(query({ other_currency: 'drop' }, eur), '')
  t.equal(query({ other_currency: 'convert' }, eur), '?p=13.5313&c=1353', 'four digits')
  t.equal(query({ other_currency: 'convert' }, eur, { digits: 2 }), '?p=13.53&c=1353')
  t.equal(query({ other_currency: 'convert' }, eur, { digits: 0 }), '?p=14&c=1353')
  t.equal(query({}, eur, { on_other: 'convert' }), '?p=13.5313&c=1353', 'the rule may say so')
  t.equal(query({ other_currency: 'drop' }, eur, { on_other: 'convert' }), '', 'the operator wins')
  const usd = { payout: '12.5', currency: 'USD' }
  t.equal(query({ other_currency: 'convert' }, usd), '?p=12.5&c=1250', 'its own is untouched')
  t.match(
    query({ other_currency: 'convert' }, { payout: '1', currency: 'PLN' }),
    /^template_error: no rate from PLN to USD is configured$/,
  )
  t.match(
    query({ other_currency: 'convert' }, { payout: '1', currency: '' }),
    /^template_error: no rate from an unnamed currency to USD/,
  )
  t.equal(query({ other_currency: 'convert' }, { payout: '', currency: 'PLN' }), '')
  const without = createDestination('dest', { other_currency: 'convert' }, rule(part), {})
  t.match(without, {
    ok: false,
    error: [{ in: 'config', path: ['other_currency'], hint: /EUR\/USD/ }],
  })
  t.match(
    createDestination('dest', { other_currency: 'drop' }, rule({}), rates),
    { ok: false, error: [{ in: 'config', message: 'this destination takes every currency' }] },
    'a choice without effect is a fault',
  )
  t.end()
})

t.test('a request by status', t => {
  const part: RulePart = {
    statuses: ['approved', 'declined', 'reversed'],
    request: { url: 'https://t.example/new' },
    requests_by_status: {
      reversed: {
        method: 'POST',
        url: 'https://change.example/change',
        form: { id: '{click_id}', status: 'rejected' },
      },
    },
  }
  const destination = create(part)
  t.same(destination.origins, ['https://t.example', 'https://change.example'], 'both are checked')
  const seen = STATUSES.map(status =>
    destination.wants({ status }) ? send(destination, { conversion: { status } }).url : '',
  )
  const create_ = 'https://t.example/new'
  t.same(seen, ['', '', create_, create_, 'https://change.example/change'])
  t.match(send(destination, { conversion: { status: 'reversed' } }), {
    method: 'POST',
    body: 'id=click-1&status=rejected',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  })
  t.match(faultsOf({ ...part, statuses: ['approved'] }), [
    /^rule requests_by_status\.reversed: reversed is not among the statuses/,
  ])
  const broken = { reversed: { method: 'GET' as const, url: 'https://t.example/{nope}' } }
  t.match(faultsOf({ ...part, requests_by_status: broken }), [
    /^rule requests_by_status\.reversed\.url: unknown macro/,
  ])
  t.end()
})

t.test('what must hold of a conversion', t => {
  const part: RulePart = {
    must: { any: [{ gaid: { exists: true } }, { click_id: { matches: '^[1-9]' } }] },
    request: { query: { c: '{click_id}' } },
  }
  const reason = (conversion: Partial<Conversion>, options: DestinationOptions = {}) => {
    const built = attempt(create(part, options), { conversion })
    return 'reason' in built ? built.reason : 'sent'
  }
  t.equal(reason({ click_id: '7' }), 'sent')
  t.equal(reason({ gaid: 'g' }), 'sent')
  t.equal(reason({ click_id: '0' }), 'insufficient_identity')
  t.equal(reason({ click_id: '0', sub1: '9' }, { click_id_from: 'sub1' }), 'sent', 'its own id')
  t.equal(reason({ click_id: '9', sub1: '0' }, { click_id_from: 'sub1' }), 'insufficient_identity')
  t.match(faultsOf({ must: { nope: { exists: true } } }), [
    /^rule must\.nope: unknown field "nope"/,
  ])
  t.end()
})

t.test('one feed for two trackers: each gets its own part of a packed click id', t => {
  const part: RulePart = { request: { query: { cid: '{click_id}' } } }
  const url = (from: string, sub1: string) => {
    const built = attempt(create(part, { click_id_from: from }), { conversion: { sub1 } })
    return 'reason' in built ? built.reason : new URL(built.url).search
  }
  t.equal(url('{sub1|split:_:0}', 'voluum-1_keitaro-2'), '?cid=voluum-1')
  t.equal(url('{sub1|split:_:1}', 'voluum-1_keitaro-2'), '?cid=keitaro-2')
  t.equal(url('{sub1|split:_:1}', 'voluum-1_{subid}'), 'macro_unreplaced')
  t.end()
})

t.test('placeholders: a fault at load in rule and settings, a dead letter from a postback', t => {
  for (const text of [
    'REPLACE',
    'YOUR_ID',
    'OPTIONAL',
    '{clickid}',
    '${SUBID}',
    '##SUB##',
    '[ID]',
  ]) {
    const declared = { id: { title: 'Id' } }
    const request = { query: { id: '{settings.id}' } }
    t.match(
      faultsOf({ settings: declared, request }, { settings: { id: text } }),
      [/^config settings\.id: .*placeholder/],
      `setting ${text}`,
    )
    // `{clickid}` in a rule is a macro of ours.
    if (text !== '{clickid}') {
      t.match(faultsOf({ request: { query: { id: text } } }), [/^rule request\.query\.id/], text)
    }
    const destination = create({ request: { query: { c: '{click_id}' } } })
    t.match(attempt(destination, { conversion: { click_id: text } }), {
      reason: 'macro_unreplaced',
    })
  }
  t.end()
})

t.test('credit and chargeback', t => {
  const key = 'whsec_cG9zdGVybi10ZXN0LWtleS0wMDAwMDAwMDAwMDAwMDE='
  const created = createDestination(
    'shop',
    { settings: { url: 'https://b.example/r', secret: key } },
    rewardsWebhook,
  )
  if (!created.ok) throw new Error('expected a destination')
  const shop = created.value
  const body = (conversion: Partial<Conversion>) =>
    JSON.parse(send(shop, { conversion: { user_id: 'u-1', ...conversion } }).body ?? '') as {
      type: string
      data: Record<string, string>
    }
  const credit = body({ reward: '1500', payout: '1.50' })
  const back = body({ reward: '-1500', payout: '-1.50', status: 'reversed' })
  t.equal(credit.type, 'reward.credit')
  t.equal(back.type, 'reward.chargeback')
  t.same([credit.data['kind'], back.data['kind']], ['credit', 'chargeback'])
  t.equal(credit.data['conversion_id'], back.data['conversion_id'], 'one conversion')
  t.same([back.data['reward'], back.data['payout']], ['1500', '1.50'], 'no sign to trip over')
  t.same(
    STATUSES.filter(status => shop.wants({ status })),
    ['approved', 'reversed'],
  )
  t.match(attempt(shop), { reason: 'insufficient_identity' }, 'nobody to credit')
  t.end()
})
