/** What all ad platforms share: events, value, age, consent, identity, test mode, reversals, OAuth. */
import { generateKeyPairSync } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { AD_PLATFORMS } from '../../../src/destinations/ads/platforms.ts'
import type { DestinationOptions } from '../../../src/destinations/options.ts'
import type { RequestFault } from '../../../src/model/delivery.ts'
import {
  bodyOf,
  build,
  conversionWith,
  create,
  EXAMPLES,
  faultsOf,
  NOW,
  ruleOf,
  typeOf,
  type Change,
} from './support.ts'

const REFRESH = { client_id: 'c', client_secret: 's', refresh_token: 'r' }
/** What a platform needs besides its example settings. */
const NEEDS: Readonly<Record<string, Record<string, string>>> = {
  amazon: REFRESH,
  google_ads: { ...REFRESH, events: 'sale=1,lead=2' },
  google_data_manager: { ...REFRESH, events: 'sale=1,lead=2' },
  linkedin: { access_token: 'LITOKEN', events: 'sale=1,lead=2' },
  x: { events: 'sale=tw-a-b,lead=tw-a-c' },
}
const OPTIONS: Readonly<Record<string, DestinationOptions>> = {
  kwai: { click_id_from: 'q.kwai_clickid' },
  openai: { click_id_from: 'q.oppref' },
}

function make(
  type: string,
  settings: Record<string, string> = {},
  options: DestinationOptions = {},
) {
  return create(typeOf(type), {
    ...OPTIONS[type],
    ...options,
    settings: { ...NEEDS[type], ...settings },
  })
}

/** Enough for every platform. */
const FULL: Change = { ga_client_id: '1.2', offer_id: 'o' }
const fault = (built: object): RequestFault['reason'] | undefined =>
  (built as Partial<RequestFault>).reason
const detail = (built: object): string => (built as RequestFault).detail
const textOf = (built: object): string => JSON.stringify(built)

t.test('every platform', async t => {
  for (const { type, docs, title, notes, examples } of AD_PLATFORMS) {
    const destination = make(type)
    t.match(docs, /^https:\/\//)
    t.ok(title && notes, type)
    t.ok(
      examples.some(
        ({ request, responses }) => request && responses?.some(r => r.verdict === 'delivered'),
      ),
      'an example shows a request and a success',
    )
    t.match(build(destination, FULL), { method: 'POST', url: /^https:/ }, type)
    t.equal(textOf(build(destination, FULL)), textOf(build(destination, FULL, { attempt: 9 })), 'every attempt is the same') // prettier-ignore
    const wanted = ['pending', 'hold', 'approved', 'declined', 'reversed'] as const
    t.same(
      wanted.filter(status => destination.wants({ status, event: 'sale' })),
      ['approved', 'reversed'],
    )
    const early = make(type, {}, { statuses: ['pending'] })
    t.ok(early.wants({ status: 'pending', event: 'sale' }), 'the operator may send pending ones')
    const nobody: Change = { q: {}, click_id: undefined, fbclid: undefined, fbp: undefined, fbc: undefined, gclid: undefined,
      ttclid: undefined, ttp: undefined, msclkid: undefined, sccid: undefined, scid: undefined,
      epik: undefined, rdt_cid: undefined, rdt_uuid: undefined, li_fat_id: undefined, twclid: undefined,
      qclid: undefined, ndclid: undefined, email: undefined, phone: undefined, first_name: undefined,
      last_name: undefined, city: undefined, region: undefined, zip: undefined, user_id: undefined,
      ip: undefined, user_agent: undefined } // prettier-ignore
    t.equal(fault(build(destination, nobody)), 'insufficient_identity', type)
  }
})

t.test('every platform that is asked for is there, as code or as a rule', async t => {
  const codes = new Set(AD_PLATFORMS.map(({ type }) => type))
  for (const name of [
    'meta', 'tiktok', 'google_data_manager', 'google_ads', 'google_analytics', 'microsoft', 'snapchat',
    'pinterest', 'reddit', 'linkedin', 'x', 'quora', 'amazon', 'nextdoor', 'spotify', 'criteo', 'axon', 'kwai',
  ]) t.ok(codes.has(name), name) // prettier-ignore
  for (const name of ['taboola', 'outbrain', 'bigo']) t.ok(ruleOf(name), name)
})

t.test('versions are settings, secrets are secret, facts have an address', async t => {
  const folder = new URL('../../../src/destinations/ads/', import.meta.url)
  const sources = readdirSync(folder).map(file => readFileSync(new URL(file, folder), 'utf8'))
  const unversioned: string[] = []
  const open: string[] = []
  for (const { type, docs, apiVersion, settings } of AD_PLATFORMS) {
    const source = sources.find(text => text.includes(`  type: '${type}',`)) ?? ''
    t.ok(source.slice(0, source.indexOf('import ')).includes(docs), `${type}: ${docs} at the top`)
    t.equal(settings['api_version']?.default, apiVersion, `${type}: its version is a default`)
    if (apiVersion === undefined) unversioned.push(type)
    else {
      const other = apiVersion.replace(/(?<=v|^)[0-9]+/, digits => String(Number(digits) + 1))
      const moved = textOf(build(make(type, { api_version: other }), FULL))
      t.ok(moved.includes(other) && !moved.includes(apiVersion), `${type} is moved to ${other}`)
    }
    const secret = Object.entries(settings).filter(([, setting]) => setting.secret)
    if (secret.length === 0) open.push(type)
    const words = Object.fromEntries(secret.map(([name]) => [name, `hush-${name}`]))
    delete words['service_account']
    const { secrets } = make(type, words)
    for (const word of Object.values(words)) t.ok(secrets.includes(word), `${type} masks ${word}`)
  }
  t.same(unversioned, ['google_analytics', 'kwai', 'spotify'], 'their addresses have no version')
  t.same(open, ['criteo'], 'it asks for no secret')
})

t.test('events', async t => {
  const eventOf = (event: string | undefined, events = '') => {
    const built = build(make('meta', { events }), { event })
    if ('reason' in built) return built.reason
    const { data } = JSON.parse(built.body ?? '') as { data: [{ event_name: string }] }
    return data[0].event_name
  }
  t.equal(eventOf('lead'), 'Lead')
  t.equal(eventOf('LEAD'), 'Lead')
  t.equal(eventOf('sign_up'), 'CompleteRegistration')
  t.equal(eventOf('purchase'), 'Purchase')
  t.equal(eventOf('first_deposit'), 'Purchase')
  t.equal(eventOf('first_deposit', 'ftd=FirstDeposit'), 'FirstDeposit', 'by the general name')
  t.equal(eventOf('deposit', 'deposit=Second, ftd=First'), 'Second', 'by its own name first')
  t.equal(eventOf('quiz'), 'template_error')
  t.equal(eventOf('constructor'), 'template_error')
  t.equal(eventOf(undefined), 'template_error')
  t.equal(eventOf('quiz', '*=Other'), 'Other')
  t.equal(eventOf(undefined, '*=Other'), 'Other')
  t.equal(eventOf('lead', '*=Other'), 'Lead', 'a known name goes before the rest')
  t.match(detail(build(make('meta'), { event: 'evil\n' })), /^an unmapped event; name it/)
  const skipping = make('meta', { events: 'ping=-' })
  t.notOk(skipping.wants({ status: 'approved', event: 'ping' }))
  t.ok(skipping.wants({ status: 'approved', event: 'pong' }), 'unnamed ones become visible')
  t.match(faultsOf(typeOf('meta'), { settings: { events: 'sale' } }), [/is written sale=NAME/])
  t.match(faultsOf(typeOf('meta'), { settings: { events: 'a=b=c' } }), [/is written sale=NAME/])
  t.match(faultsOf(typeOf('x'), { settings: { events: 'sale=Purchase' } }), [/does not take/])
})

t.test('ids, value and time', async t => {
  type Sent = { data: [{ event_id: string; event_time: number; custom_data?: object }] }
  const sent = (settings: Record<string, string>, change: Change = {}) =>
    (bodyOf(make('meta', settings), change) as unknown as Sent).data[0]
  t.equal(sent({}).event_id, 'cnv-0001-sale', 'the id of the conversion is unique over networks')
  t.equal(sent({ event_id: '{network}.{transaction_id}' }).event_id, 'net.T-1001')
  t.match(sent({}, { transaction_id: undefined }).custom_data, { order_id: 'cnv-0001' })
  t.same(sent({ value: 'none' }).custom_data, { order_id: 'T-1001' })
  const sale = { sale_amount: '100.00', sale_currency: 'EUR' }
  t.match(sent({ value: 'sale_amount' }, sale).custom_data, { value: 100, currency: 'EUR' })
  t.match(sent({ value: 'sale_amount' }, { sale_amount: '7' }).custom_data, { currency: 'USD' })
  t.same(sent({}, { payout: '-1' }).custom_data, { order_id: 'T-1001' }, 'never negative')
  t.same(
    sent({}, { currency: undefined }).custom_data,
    { order_id: 'T-1001' },
    'never without currency',
  )
  const big = build(make('meta'), { payout: '12345678901234567890.10' })
  t.match(big, { body: /"value":12345678901234567890\.1,/ }, 'never a float')
  const amazon = (change: Change) => textOf(bodyOf(make('amazon'), change))
  t.match(amazon({ currency: 'SEK' }), /"value":49.9,"currencyCode":"SEK"/)
  t.notMatch(amazon({ currency: 'PLN' }), /value":|PLN/, 'a currency that Amazon does not know')
  t.equal(sent({}, { occurred_at: undefined }).event_time, 1_795_166_130, 'else when it came')
  t.equal(sent({}, { occurred_at: NOW + 5_000 }).event_time, Math.floor(NOW / 1000), 'never ahead')
  t.match(faultsOf(typeOf('meta'), { settings: { event_id: '{nope}' } }), [/unknown macro/])
  t.match(sent({ page_url: 'https://p/' }, { landing_url: undefined }), { event_source_url: 'https://p/' }) // prettier-ignore
})

t.test('what is too old is not sent', async t => {
  const hours: Readonly<Record<string, number>> = { meta: 168, tiktok: 672, google_analytics: 72, snapchat: 888, reddit: 168, pinterest: 168, linkedin: 2160, openai: 168, google_ads: 2160, google_data_manager: 2160 } // prettier-ignore
  for (const [type, limit] of Object.entries(hours)) {
    const at = NOW - limit * 3_600_000
    t.equal(
      fault(build(make(type), { ...FULL, occurred_at: at })),
      undefined,
      `${type} at the limit`,
    )
    const late = build(make(type), { ...FULL, occurred_at: at - 1 })
    t.match(late, { reason: 'expired', detail: `older than ${limit} hours` })
    t.equal(fault(build(make(type, { max_age_hours: '9999' }), { ...FULL, occurred_at: at - 1 })), undefined) // prettier-ignore
  }
})

t.test('reversals', async t => {
  const reversed: Change = { ...FULL, status: 'reversed' }
  const native = new Set(['google_ads', 'google_analytics'])
  for (const { type } of AD_PLATFORMS) {
    const expected = native.has(type) ? undefined : 'reversal_unsupported'
    t.equal(fault(build(make(type), reversed)), expected, type)
  }
  t.match(bodyOf(make('google_analytics'), reversed), {
    events: [{ name: 'refund', params: { transaction_id: 'T-1001', value: 49.9 } }],
  })
  const restating = make('google_data_manager', { reversals: 'restate' })
  t.match(bodyOf(restating, reversed), {
    events: [
      {
        transactionId: 'T-1001',
        conversionValue: 0,
        currency: 'USD',
        lastUpdatedTimestamp: '2026-11-20T09:15:30.250Z',
      },
    ],
  })
})

t.test('what Google no longer adjusts is not sent', async t => {
  const reversedAfter = (days: number) =>
    build(make('google_ads'), { status: 'reversed', occurred_at: NOW - days * 86_400_000 })
  t.match(reversedAfter(54), { body: /RETRACTION/ })
  t.match(reversedAfter(54.1), { reason: 'expired' })
})

t.test('consent', async t => {
  const { user, cookies } = EXAMPLES.input
  const personal = [...Object.values(user), ...Object.values(cookies), 'doe', '415', '49.9.1']
    .map(value => value.trim().toLowerCase())
    .filter(value => value !== 'us' && value !== 'mo')
  for (const { type } of AD_PLATFORMS) {
    const denied = textOf(build(make(type, { consent: 'denied' }), FULL)).toLowerCase()
    for (const value of personal) t.notOk(denied.includes(value), `${type} is not told ${value}`)
    t.notMatch(denied, /[0-9a-f]{64}/, `${type} is sent no hash`)
    const unknown = textOf(build(make(type), FULL))
    t.notMatch(unknown, /GRANTED|adStorageConsent|"consent"/, `${type}: nothing is invented`)
  }
  const from = { consent: '{q.gdpr}' }
  const word = (gdpr: string) => {
    const body = bodyOf(make('google_data_manager', from), { q: { gdpr } })
    return (body['consent'] as Record<string, string> | undefined)?.['adUserData']
  }
  t.equal(word('1'), 'CONSENT_GRANTED')
  t.equal(word('no'), 'CONSENT_DENIED')
  t.equal(word('maybe'), undefined)
  t.match(bodyOf(make('pinterest', {}), {}), { data: [{ opt_out: false }] })
  t.match(bodyOf(make('microsoft', { consent: 'denied' })), { data: [{ adStorageConsent: 'D' }] })
  const limited = bodyOf(make('meta', { data_processing: 'LDU,1,1000' }))
  t.match(limited, {
    data: [
      {
        data_processing_options: ['LDU'],
        data_processing_options_country: 1,
        data_processing_options_state: 1000,
      },
    ],
  })
  t.match(bodyOf(make('tiktok', { limited_data_use: 'yes' })), { data: [{ limited_data_use: true }] }) // prettier-ignore
  t.match(bodyOf(make('snapchat', { data_processing: 'LMU' })), { data: [{ data_processing_options: ['LMU'] }] }) // prettier-ignore
  t.match(bodyOf(make('pinterest', { limited_data_use: 'yes' })), { data: [{ custom_data: { opt_out_type: 'LDP' } }] }) // prettier-ignore
  t.match(bodyOf(make('reddit', { data_processing: 'LDU' })), { data: { events: [{ user: { data_processing_options: { modes: ['LDU'] } } }] } }) // prettier-ignore
  t.match(bodyOf(make('spotify', { opt_out_targeting: 'yes' })), { conversion_events: { events: [{ opt_out_targeting: true }] } }) // prettier-ignore
  t.match(bodyOf(make('nextdoor', { restricted_data_usage: 'yes' })), { restricted_data_usage: true }) // prettier-ignore
  const agreed = { amznAdStorage: 'GRANTED', amznUserData: 'GRANTED' }
  t.match(bodyOf(make('amazon', { consent: 'yes' })), { events: [{ consent: { amazonConsent: agreed } }] }) // prettier-ignore
  t.notMatch(textOf(build(make('quora'))), /jane/i, 'Quora is told no address unless asked for')
})

t.test('test mode', async t => {
  const asTest = { isTest: true }
  const has = AD_PLATFORMS.filter(({ type }) => make(type).test).map(({ type }) => type)
  t.same(has, ['google_ads', 'google_analytics', 'google_data_manager', 'kwai', 'meta', 'nextdoor', 'openai', 'pinterest', 'reddit', 'snapchat', 'tiktok']) // prettier-ignore
  for (const [type, setting] of [
    ['meta', 'test_event_code'],
    ['tiktok', 'test_event_code'],
    ['reddit', 'test_id'],
  ] as const) {
    // prettier-ignore
    t.same(make(type).test, { missing: setting })
    t.match(build(make(type), {}, asTest), {
      reason: 'template_error',
      detail: new RegExp(setting),
    })
    const ready = make(type, { [setting]: 'T1' })
    t.same(ready.test, {})
    t.match(build(ready, {}, asTest), { body: /"T1"/ })
    t.notMatch(textOf(build(ready)), /"T1"/, 'an ordinary delivery is not a test')
    t.match(faultsOf(typeOf(type), { settings: { test_mode: 'yes' } }), [/is needed by test_mode/])
  }
  t.match(build(make('x'), {}, asTest), { reason: 'template_error', detail: /it has none/ })
  t.match(bodyOf(make('google_data_manager'), {}, asTest), { validateOnly: true })
  t.match(bodyOf(make('google_ads'), {}, asTest), { validateOnly: true })
  t.match(build(make('google_analytics'), FULL, asTest), { url: /com\/debug\/mp\/collect\?/ })
  t.match(build(make('snapchat'), {}, asTest), { url: /events\/validate\?access_token=/ })
  t.match(build(make('pinterest'), {}, asTest), { url: /events\?test=true$/ })
  t.match(bodyOf(make('nextdoor'), {}, asTest), { test_event: 'true' })
  t.match(bodyOf(make('kwai'), {}, asTest), { trackFlag: true })
  t.match(bodyOf(make('openai'), {}, asTest), { validate_only: true })
})

t.test('the click', async t => {
  const fbc = (change: Change, options: DestinationOptions = {}) => {
    const { data } = bodyOf(make('meta', {}, options), change) as { data: [{ user_data: { fbc?: string } }] } // prettier-ignore
    return data[0].user_data.fbc
  }
  const click = EXAMPLES.input.click['fbclid'] ?? ''
  t.equal(fbc({}), `fb.1.1795075200000.${click}`)
  t.equal(fbc({ fbclid: 'AbC', click_time: undefined }), 'fb.1.1795166130250.AbC', 'never changed')
  t.equal(fbc({ fbclid: undefined }), undefined)
  const cookie = 'fb.1.1795000000000.AbC'
  t.equal(fbc({ fbclid: undefined, fbc: cookie }), cookie)
  t.equal(fbc({ fbclid: 'AbC', fbc: cookie }), cookie, 'of the same click')
  t.equal(
    fbc({ fbclid: 'New', fbc: cookie }),
    'fb.1.1795075200000.New',
    'a newer click replaces it',
  )
  for (const end of ['BA', 'AQQCAQAA']) t.equal(fbc({ fbclid: undefined, fbc: `${cookie}.${end}` }), `${cookie}.${end}`) // prettier-ignore
  t.equal(fbc({ fbclid: undefined, fbc: `${cookie}.ABC` }), undefined, 'not a cookie of Meta')
  t.equal(fbc({ sub3: 'Sub' }, { click_id_from: 'sub3' }), 'fb.1.1795075200000.Sub')
  t.equal(fbc({ sub3: undefined }, { click_id_from: 'sub3' }), `fb.1.1795075200000.${click}`)
  t.notMatch(textOf(build(make('meta'))), /tracker-click/, 'a tracker’s click id is nobody else’s')
  const google = (change: Change) =>
    (bodyOf(make('google_ads'), change) as { conversions: [Record<string, unknown>] })
      .conversions[0]
  t.match(google({ gclid: undefined, gbraid: 'g', wbraid: 'w' }), { gbraid: 'g', gclid: undefined })
  t.match(google({ gclid: undefined, wbraid: 'w' }), { wbraid: 'w' })
  t.match(build(make('meta'), { user_agent: undefined }), { reason: 'insufficient_identity', detail: /user_agent/ }) // prettier-ignore
  t.match(build(make('meta', { action_source: 'system_generated' }), { user_agent: undefined }), { method: 'POST' }) // prettier-ignore
  t.match(build(make('pinterest'), { email: undefined, ip: undefined }), { reason: 'insufficient_identity' }) // prettier-ignore
  t.match(bodyOf(make('reddit', { events: 'quiz=Quiz' }), { event: 'quiz' }), { data: { events: [{ type: { tracking_type: 'CUSTOM', custom_event_name: 'Quiz' } }] } }) // prettier-ignore
  t.match(bodyOf(make('linkedin'), { last_name: undefined }), { user: { userInfo: undefined } })
})

t.test('what comes too early after its click waits', async t => {
  const hour = 3_600_000
  const rest = (change: Change, settings = {}) =>
    make('google_data_manager', settings).restMs?.(conversionWith({ received_at: NOW, ...change }))
  t.equal(rest({ click_time: NOW - 2 * hour }), 4 * hour)
  t.equal(rest({ click_time: NOW - 6 * hour }), 0)
  t.equal(rest({ click_time: undefined }), 0, 'nobody knows')
  t.equal(rest({ click_time: NOW - hour, status: 'reversed' }), 6 * hour, 'after the sale')
  t.equal(rest({ click_time: NOW + 99 * hour }), 7 * hour, 'a clock that is wrong costs no days')
  t.equal(rest({ click_time: NOW }, { click_rest_hours: '0' }), 0)
  t.equal(
    make('google_ads').restMs?.(conversionWith({ received_at: NOW, click_time: NOW })),
    6 * hour,
  )
  t.equal(make('meta').restMs, undefined)
})

t.test('what Google took in can be asked about', async t => {
  const question = (settings: Record<string, string>, body: string) =>
    make('google_data_manager', settings).confirm?.question({ status: 200, headers: {}, body })
  t.same(question({}, '{"requestId":"r/1=="}'), {
    id: 'r/1==',
    request: {
      method: 'GET',
      url: 'https://datamanager.googleapis.com/v1/requestStatus:retrieve?requestId=r%2F1%3D%3D',
      headers: {},
      body: undefined,
    },
  })
  t.equal(question({}, '{"requestId":"r 1\\n"}'), undefined)
  t.equal(question({}, '{}'), undefined)
  const wait = (settings: Record<string, string>) =>
    make('google_data_manager', settings).confirm?.waitMs
  t.same([wait({}), wait({ status_check_minutes: '0.5' })], [1_800_000, 30_000])
  t.equal(make('google_data_manager', { status_check: 'no' }).confirm, undefined)
  t.equal(
    make('google_data_manager', { test_mode: 'yes' }).confirm,
    undefined,
    'nothing came of a test',
  )
  t.equal(make('google_ads').confirm, undefined)
})

t.test('Meta signs its token with the secret of the app', async t => {
  t.match(build(make('meta', { app_secret: 'app_secret_123' })), {
    url: /access_token=EAATESTTOKEN&appsecret_proof=2e3b5739f4c846c92c7aafb217d88185f756aeb06f9b268333e118e764a31b70$/,
  })
})

t.test('grants', async t => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const file = { type: 'service_account', client_email: 'x@y.iam', private_key_id: 'k1', private_key: pem } // prettier-ignore
  const settings = (text: string) => ({ service_account: text, events: 'sale=1' })
  const destination = create(typeOf('google_data_manager'), {
    settings: settings(JSON.stringify(file, null, 2)),
  })
  t.same(destination.origins, [
    'https://datamanager.googleapis.com',
    'https://oauth2.googleapis.com',
  ])
  t.same(destination.grant, {
    kind: 'service_account',
    url: 'https://oauth2.googleapis.com/token',
    email: 'x@y.iam',
    key: pem,
    scope: 'https://www.googleapis.com/auth/datamanager',
  })
  t.same(make('amazon').grant, {
    kind: 'refresh_token',
    url: 'https://api.amazon.com/auth/o2/token',
    clientId: 'c',
    clientSecret: 's',
    refreshToken: 'r',
  })

  const faults = (text: string) =>
    faultsOf(typeOf('google_data_manager'), { settings: settings(text) })
  t.match(faults(''), [/service_account" is missing/])
  t.match(faults('nonsense'), [/is not JSON/])
  t.match(faults('{}'), [/no client_email and private_key/])
  t.match(faults(JSON.stringify({ ...file, private_key: 'x' })), [/cannot be read/])
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const other = ec.export({ type: 'pkcs8', format: 'pem' }).toString()
  t.match(faults(JSON.stringify({ ...file, private_key: other })), [/not RSA/])
  t.notMatch(faults(JSON.stringify({ ...file, private_key: 'hush' })).join(), /hush|x@y/)
  t.match(faultsOf(typeOf('amazon')), [/client_id/, /client_secret/, /refresh_token/])
  t.match(faultsOf(typeOf('linkedin')), [/client_id/, /client_secret/, /refresh_token/])
  t.match(faultsOf(typeOf('meta'), { settings: { base_url: 'ftp://x' } }), [
    /must start with https/,
  ])
})
