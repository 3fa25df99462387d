/**
 * Ad platforms in a configuration: from the postback, through every stage, to the exact request;
 * and what `postern check` says of them.
 */
import { generateKeyPairSync } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import t from 'tap'
import { Client } from 'undici'
import { parse, stringify } from 'yaml'
import { createApp } from '../../../src/app.ts'
import { systemClock, type Clock } from '../../../src/base/clock.ts'
import { check } from '../../../src/commands/check.ts'
import type { CommandContext } from '../../../src/commands/context.ts'
import type { DeliverEvents } from '../../../src/deliver/events.ts'
import { commonSettings } from '../../../src/destinations/ads/settings.ts'
import { INPUT_FIELDS } from '../../../src/model/conversion.ts'
import { createEvents } from '../../../src/observe/events.ts'
import { createMetrics } from '../../../src/observe/metrics.ts'
import { formatFault } from '../../../src/rules/faults.ts'
import { loadRuleSet, type RuleSet } from '../../../src/ruleset.ts'
import { createCertificates } from '../../support/certificates.ts'
import { ROOT } from '../../support/gateway.ts'
import { createScriptedReceiver, respond } from '../../support/scripted-receiver.ts'
import { until } from '../../support/until.ts'
import { ROWS } from './rows.ts'
import {
  build,
  conversionWith,
  create,
  EXAMPLES,
  NOW,
  REVERSED_AT,
  ruleOf,
  typeOf,
  type Change,
} from './support.ts'

const CATALOGUE = join(ROOT, 'rules')
const NOT_SENT = new Set(['id', 'network', 'q', 'received_at', 'status_raw'])

/** A network that sends every field under the field's own name. */
const EVERYTHING = {
  name: 'Everything',
  kind: 'generic',
  verified: 'vendor',
  docs: 'https://example.com/',
  fields: Object.fromEntries(INPUT_FIELDS.map(field => [field, [field]])),
  status: { default: 'approved', map: { approved: 'approved', reversed: 'reversed' } },
  verify: [],
  examples: [
    {
      title: 'approved',
      request: { method: 'GET', target: '/in/everything?transaction_id=1&payout=1' },
      outcome: 'accepted',
    },
  ],
}

/** The settings of a row as an operator writes them: secrets by reference. */
function settingsOf(name: string, origin: string, env: Record<string, string>) {
  const row = ROWS[name]
  const isCode = row?.rule === undefined
  const declared = (isCode ? typeOf(row?.type ?? '') : ruleOf(row.rule ?? ''))?.settings ?? {}
  const settings: Record<string, string> = isCode ? { base_url: origin } : {}
  if ('token_url' in declared) settings['token_url'] = `${origin}/token`
  for (const [setting, { example, default: preset, secret }] of Object.entries(declared)) {
    const value = row?.settings?.[setting] ?? (preset === undefined ? example : undefined)
    if (value === undefined) continue
    const variable = `${name}_${setting}`.toUpperCase()
    settings[setting] = secret ? `\${${variable}}` : value
    if (secret) env[variable] = value
  }
  return settings
}

async function configure(folder: string, config: object, env: Record<string, string>) {
  const file = join(folder, 'postern.yaml')
  writeFileSync(file, stringify({ store: { type: 'memory' }, ...config }))
  return loadRuleSet(file, { catalogue: CATALOGUE, env })
}

function loaded(rules: Awaited<ReturnType<typeof configure>>): RuleSet {
  if (!rules.ok) throw new Error(rules.error.map(formatFault).join('\n'))
  return rules.value
}

/** Sent by the transport with every request. */
const OURS = new Set([
  'host', 'connection', 'content-length', 'accept-encoding', 'user-agent', 'postern-delivery-id',
  'postern-hop',
]) // prettier-ignore

/** The rule as it is, but for where it sends. */
function ruleAt(origin: string, name: string): object {
  const rule = ruleOf(name)
  if (!rule) throw new Error(`no rule ${name}`)
  const { request } = rule
  return { ...rule, request: { ...request, url: request.url.replace(/^https:..[^/]+/, origin) } }
}

t.test('every example goes to the platform’s own host', async t => {
  t.same(
    Object.keys(EXAMPLES.requests).toSorted(),
    Object.keys(ROWS).toSorted(),
    'none is left out',
  )
  for (const [name, row] of Object.entries(ROWS)) {
    const example = EXAMPLES.requests[name]
    const source = row.rule === undefined ? typeOf(row.type ?? name) : ruleOf(row.rule)
    if (!example || !source) return t.fail(`${name} has an example and a source`)
    const own = create(source, row)
    t.equal(own.origins[0], new URL(example.url).origin, name)
    t.match(build(own, row.conversion, { now: REVERSED_AT }), {
      url: example.url,
      method: example.method,
    })
  }
})

t.test('one gateway, every example, byte for byte', async t => {
  const folder = t.testdir({ rules: { networks: {}, destinations: {} } })
  const certificates = createCertificates(folder)
  const receiver = await createScriptedReceiver({ tls: certificates.good })
  t.teardown(() => receiver.close())
  const rulesFolder = join(folder, 'rules')
  writeFileSync(join(rulesFolder, 'networks', 'everything.yaml'), stringify(EVERYTHING))
  const env: Record<string, string> = {}
  const names = Object.keys(ROWS)
  const destinations: Record<string, object> = {}
  for (const [name, row] of Object.entries(ROWS)) {
    if (row.rule !== undefined) {
      const file = join(rulesFolder, 'destinations', `${row.rule}.yaml`)
      writeFileSync(file, stringify(ruleAt(receiver.origin, row.rule)))
    }
    destinations[name] = {
      rule: row.rule ?? row.type,
      accept_unverified: true,
      settings: settingsOf(name, receiver.origin, env),
      allow_private: ['127.0.0.0/8', '::1/128'],
      ...(row.click_id_from ? { click_id_from: row.click_id_from } : {}),
      ...(row.omit ? { omit: row.omit } : {}),
    }
  }
  const rules = loaded(
    await configure(
      folder,
      {
        server: { listen: '127.0.0.1:0' },
        rules: [rulesFolder],
        networks: Object.fromEntries(names.map(name => [name, { rule: 'everything' }])),
        destinations,
        routes: names.map(name => ({ from: [name], to: [name] })),
      },
      env,
    ),
  )
  const metrics = createMetrics()
  const clock: Clock = { now: () => REVERSED_AT, monotonic: systemClock.monotonic }
  const ended: Parameters<DeliverEvents['ended']>[0][] = []
  const app = createApp({
    rules,
    events: {
      ...createEvents(pino({ level: 'silent' }), metrics, () => 0),
      ended: fact => void ended.push(fact),
    },
    metrics,
    clock,
    version: '0',
    isAlone: false,
    keys: { settled: async () => undefined, close: () => undefined },
    onFatal: error => t.fail(String(error)),
    ca: certificates.ca,
  })
  t.teardown(() => app.close())
  const started = await app.start()
  if (!started.ok) throw new Error(started.error.message)
  const client = new Client(`http://${started.value.server}`)
  t.teardown(() => client.close())

  for (const [name, row] of Object.entries(ROWS)) {
    await t.test(name, async t => {
      const example = EXAMPLES.requests[name]
      if (!example) return t.fail('there is an example')
      const token = example.headers['Authorization']?.replace('Bearer ', '')
      receiver.answerWith((socket, request) => {
        const isToken = request.path === '/token'
        const granted = JSON.stringify({ access_token: token, expires_in: 3600 })
        const answer = isToken ? respond(200, granted) : row.answer
        answer(socket, request)
      })
      const path = `/in/${name}?${queryOf(row.conversion).toString()}`
      const [before, sentBefore] = [ended.length, receiver.received.length]
      const { statusCode, body } = await client.request({ method: 'GET', path })
      t.equal(statusCode, 200, await body.text())
      await until(`${name} has ended`, () => ended.length > before)
      t.match(ended.at(-1), { outcome: 'delivered', destination: name })
      const own = receiver.received.slice(sentBefore).filter(({ path }) => path !== '/token')
      t.equal(own.length, 1)
      const [arrived] = own
      t.equal(arrived?.method, example.method)
      t.equal(arrived?.path, example.url.slice(new URL(example.url).origin.length))
      t.equal(arrived?.body, example.body === null ? '' : JSON.stringify(example.body))
      const headers = Object.entries(arrived?.headers ?? {}).filter(([header]) => !OURS.has(header))
      const wanted = Object.entries(example.headers)
      t.same(
        Object.fromEntries(headers),
        Object.fromEntries(wanted.map(([header, value]) => [header.toLowerCase(), value])),
      )
    })
  }
})

/** The postback of a network that sends every field of the conversion. */
function queryOf(change: Change = {}): URLSearchParams {
  const { q, ...conversion } = conversionWith(change)
  const query = new URLSearchParams()
  for (const [field, value] of Object.entries(conversion)) {
    if (value !== undefined && !NOT_SENT.has(field)) query.set(field, String(value))
  }
  for (const [parameter, value] of Object.entries(q)) {
    if (!query.has(parameter)) query.set(parameter, value)
  }
  return query
}

t.test('postern check says by what a platform could recognize what a network sends', async t => {
  const folder = t.testdir()
  const file = join(folder, 'postern.yaml')
  const destinations = {
    meta: { settings: { pixel_id: '1', access_token: '${META_TOKEN}' } },
    pinterest: { settings: { ad_account_id: '1', access_token: '${META_TOKEN}' } },
    quora: {
      click_id_from: 'sub2',
      settings: { account_id: '1', access_token: '${META_TOKEN}' },
    },
  }
  const more = {
    taboola: { settings: { name: 'Lead' } },
    outbrain: { settings: { name: 'Lead' }, click_id_from: 'sub3' },
  }
  const networks = {
    maxbounty: { tokens: ['${NETWORK_TOKEN}'], fields: { fbclid: ['s2'], user_agent: ['ua'] } },
    generic: { tokens: ['${NETWORK_TOKEN}'] },
  }
  const routes = [
    { from: ['maxbounty'], to: ['meta', 'quora', 'taboola', 'outbrain'] },
    { to: ['pinterest'] },
  ]
  const config = { networks, destinations: { ...destinations, ...more }, routes }
  writeFileSync(file, stringify({ store: { type: 'memory' }, ...config }))
  const run = async (json: boolean) => {
    const lines: string[] = []
    const terminal: CommandContext['terminal'] = {
      isTerminal: false,
      columns: 400,
      line: (text = '') => void lines.push(text),
      write: text => void lines.push(text),
      error: text => void lines.push(text),
      progress: () => undefined,
    }
    const before = { ...process.env }
    Object.assign(process.env, { META_TOKEN: 'hush-meta', NETWORK_TOKEN: 'hush-network' })
    const context = { terminal, catalogue: CATALOGUE } as CommandContext
    const code = await check({ config: file, json }, context)
    process.env = before
    t.equal(code, 0, lines.join('\n'))
    return lines.join('\n')
  }
  const human = await run(false)
  t.match(human, /^match keys +network +matched by +if sent +never supplied *$/m)
  t.match(human, /^meta +maxbounty +fbclid, .*user_agent.* fbc, fbp, email, phone/m)
  t.match(human, /^quora +maxbounty +click id from sub2, /m)
  t.match(human, /^taboola +maxbounty +click_id *$/m, 'a rule names what it needs')
  t.match(human, /^outbrain +maxbounty +click id from sub3 *$/m)
  t.match(human, /^pinterest +generic +.*email, gaid, idfa/m)
  t.notMatch(human, 'hush')
  const { match_keys: keys } = JSON.parse(await run(true)) as { match_keys: { network: string; destination: string; supplied: string[]; missing: string[] }[] } // prettier-ignore
  t.same(
    keys.map(({ destination, network }) => `${destination} ${network}`),
    [
      'meta maxbounty',
      'pinterest maxbounty',
      'pinterest generic',
      'quora maxbounty',
      'taboola maxbounty',
      'outbrain maxbounty',
    ],
    'only what is routed',
  )
  t.ok(keys[0]?.supplied.includes('fbclid'))
  t.ok(keys[0]?.missing.includes('email'))
})

t.test('a key file comes from a file as it is, and what nobody verified needs a word', async t => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  const folder = t.testdir()
  const key = join(folder, 'key.json')
  writeFileSync(key, JSON.stringify({ client_email: 'x@y.iam', private_key: pem }, null, 2), { mode: 0o600 }) // prettier-ignore
  const google = {
    rule: 'google_data_manager',
    settings: { customer_id: '1', events: 'sale=1', service_account: `\${file:${key}}` },
  }
  const base = { networks: { generic: { tokens: ['${T}'] } }, routes: [{ to: ['ads'] }] }
  const rules = loaded(
    await configure(folder, { ...base, destinations: { ads: google } }, { T: 't' }),
  )
  t.ok(rules.destinations.get('ads')?.grant)
  const fresh = { click_time: NOW, received_at: NOW }
  const [routed] = rules.router.route({ ...conversionWith(fresh), network: 'generic' })
  t.match(routed, { destination: 'ads', delayMs: 6 * 3_600_000 }, 'the click has to rest')
  t.equal(rules.destinations.get('ads')?.policy.budgetMs, 7 * 86_400_000, 'the type’s own budget')

  const openai = { rule: 'openai', settings: { pixel_id: 'p', access_token: '${T}' } }
  const refused = await configure(folder, { ...base, destinations: { ads: openai } }, { T: 't' })
  t.notOk(refused.ok)
  if (!refused.ok) t.match(refused.error.map(formatFault).join(), /nobody has verified the facts/)
})

t.test('the page about ad platforms says what is so', async t => {
  const page = readFileSync(join(ROOT, 'docs', 'ad-platforms.md'), 'utf8')
  const folder = t.testdir()
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const key = {
    client_email: 'x@y.iam',
    private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  }
  writeFileSync(join(folder, 'google.json'), JSON.stringify(key), { mode: 0o600 })
  const blocks = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, block = '']) => block)
  t.equal(blocks.length, 2)
  const env = { MAXBOUNTY_TOKEN: 'a', META_TOKEN: 'b', T: 'c' }
  for (const block of blocks) {
    const shown = parse(block.replace('/run/secrets', folder)) as Record<string, object>
    const to = Object.keys(shown['destinations'] ?? {})
    const rest = { networks: { generic: { tokens: ['${T}'] } }, routes: [{ to }] }
    const rules = await configure(folder, { ...rest, ...shown }, env)
    t.ok(rules.ok, rules.ok ? block : rules.error.map(formatFault).join())
  }
  const [, table = ''] = page.split('has these settings besides its own')
  const settings = [...table.matchAll(/^\| `(\w+)` /gm)].map(([, name = '']) => name)
  const common = commonSettings({ host: '', maxAgeHours: undefined, hasTest: true })
  t.same(settings.toSorted(), ['api_version', ...Object.keys(common)].toSorted())
  for (const [, link = ''] of page.matchAll(/\]\(([\w/.-]+)\)/g)) {
    t.ok(existsSync(join(ROOT, 'docs', link)), link)
  }
})
