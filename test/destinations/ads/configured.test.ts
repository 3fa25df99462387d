/**
 * Ad platforms in a configuration: from the postback, through every stage, to the exact request;
 * and what `postern check` says of them.
 */
import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { stringify } from 'yaml'
import { createAccept } from '../../../src/accept.ts'
import { check } from '../../../src/commands/check.ts'
import type { CommandContext } from '../../../src/commands/context.ts'
import { createDispatcher } from '../../../src/deliver/dispatcher.ts'
import { createTransport } from '../../../src/deliver/transport.ts'
import { INPUT_FIELDS } from '../../../src/model/conversion.ts'
import { createPipeline } from '../../../src/pipeline.ts'
import { readPostback } from '../../../src/receive/read.ts'
import { formatFault } from '../../../src/rules/faults.ts'
import { loadRuleSet, readLimits, type RuleSet } from '../../../src/ruleset.ts'
import { createMemoryStore } from '../../../src/store/memory.ts'
import { createReplays } from '../../../src/store/replays.ts'
import { createLog } from '../../deliver/setup.ts'
import { createCertificates } from '../../support/certificates.ts'
import { ROOT } from '../../support/gateway.ts'
import { install } from '../../support/installation.ts'
import { createScriptedReceiver, respond } from '../../support/scripted-receiver.ts'
import { until } from '../../support/until.ts'
import { ROWS } from './rows.ts'
import { conversionWith, EXAMPLES, NOW, typeOf } from './support.ts'

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
  const declared = typeOf(row?.type ?? '').settings
  const settings: Record<string, string> = { base_url: origin }
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

t.test('from a postback to the platform, byte for byte', async t => {
  const folder = t.testdir()
  const certificates = createCertificates(folder)
  const receiver = await createScriptedReceiver({ tls: certificates.good })
  t.teardown(() => receiver.close())
  install(folder, { store: { type: 'memory' }, tracker: 'https://t.example' })
  writeFileSync(join(folder, 'rules', 'networks', 'everything.yaml'), stringify(EVERYTHING))
  const names = Object.keys(ROWS).filter(name => ROWS[name]?.type !== undefined)
  const env: Record<string, string> = {}
  const rules = loaded(
    await configure(
      folder,
      {
        rules: [join(folder, 'rules')],
        networks: Object.fromEntries(names.map(name => [name, { rule: 'everything' }])),
        destinations: Object.fromEntries(
          names.map(name => [
            name,
            {
              rule: ROWS[name]?.type,
              accept_unverified: true,
              settings: settingsOf(name, receiver.origin, env),
              allow_private: ['127.0.0.0/8', '::1/128'],
              ...(ROWS[name]?.click_id_from ? { click_id_from: ROWS[name].click_id_from } : {}),
            },
          ]),
        ),
        routes: names.map(name => ({ from: [name], to: [name] })),
      },
      env,
    ),
  )
  let now = NOW
  const clock = { now: () => now, monotonic: () => performance.now() }
  // The store keeps its own time, as a real one does.
  const store = createMemoryStore({ leaseMs: 60_000 })
  await store.open()
  const { events, ...log } = createLog()
  const dispatcher = createDispatcher({
    store,
    transport: createTransport({ clock, version: '0', ca: certificates.ca }),
    clock,
    events,
    destinations: () => rules.destinations,
  })
  dispatcher.start()
  t.teardown(async () => {
    await dispatcher.drain(0)
    await store.close()
  })
  const nothing = () => undefined
  const handle = createPipeline({
    rules: () => rules,
    store,
    accept: createAccept(
      store,
      createReplays({ max: 10, clock }),
      { deduped: nothing, replayed: nothing, storeFailed: nothing },
      clock,
    ),
    dispatcher,
    clock,
    keysSettled: async () => undefined,
    told: nothing,
    unrouted: nothing,
  })

  for (const name of names) {
    await t.test(name, async t => {
      const row = ROWS[name]
      const example = EXAMPLES.requests[name]
      if (!row || !example) return t.fail('there is an example')
      const { q, ...conversion } = conversionWith(row.conversion ?? {})
      now = row.conversion?.received_at ?? NOW
      const query = new URLSearchParams()
      for (const [field, value] of Object.entries(conversion)) {
        if (value !== undefined && !NOT_SENT.has(field)) query.set(field, String(value))
      }
      for (const [parameter, value] of Object.entries(q)) {
        if (!query.has(parameter)) query.set(parameter, value)
      }
      const token = example.headers['Authorization']?.replace('Bearer ', '')
      receiver.answerWith((socket, request) => {
        const isToken = request.path === '/token'
        const granted = JSON.stringify({ access_token: token, expires_in: 3600 })
        const answer = isToken ? respond(200, granted) : row.answer
        answer(socket, request)
      })
      const sent = {
        method: 'GET',
        target: `/in/${name}?${query.toString()}`,
        headers: {},
        body: Buffer.alloc(0),
      } as const
      const read = readPostback(sent, undefined, now, readLimits(rules.loaded))
      if (!read.ok) return t.fail(read.error.detail)
      const before = log.ended.length
      t.match(await handle(read.value), { status: 200 })
      await until(`${name} has ended`, () => log.ended.length > before)
      t.match(log.ended.at(-1), { outcome: 'delivered', destination: name })
      const arrived = receiver.received.filter(({ path }) => path !== '/token').at(-1)
      t.equal(arrived?.path, example.url.slice(new URL(example.url).origin.length))
      t.equal(arrived?.body, JSON.stringify(example.body))
      for (const [header, value] of Object.entries(example.headers)) {
        t.equal(arrived?.headers[header.toLowerCase()], value, header)
      }
    })
  }
})

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
  const networks = {
    maxbounty: { tokens: ['${NETWORK_TOKEN}'], fields: { fbclid: ['s2'], user_agent: ['ua'] } },
    generic: { tokens: ['${NETWORK_TOKEN}'] },
  }
  const routes = [{ from: ['maxbounty'], to: ['meta', 'quora'] }, { to: ['pinterest'] }]
  writeFileSync(file, stringify({ store: { type: 'memory' }, networks, destinations, routes }))
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
  t.match(human, /^ad platform +network +matched by +if sent +never supplied *$/m)
  t.match(human, /^meta +maxbounty +fbclid, .*user_agent.* fbc, fbp, email, phone/m)
  t.match(human, /^quora +maxbounty +click id from sub2, /m)
  t.match(human, /^pinterest +generic +.*email, gaid, idfa/m)
  t.notMatch(human, 'hush')
  const { match_keys: keys } = JSON.parse(await run(true)) as { match_keys: { network: string; destination: string; supplied: string[]; missing: string[] }[] } // prettier-ignore
  t.same(
    keys.map(({ destination, network }) => `${destination} ${network}`),
    ['meta maxbounty', 'pinterest maxbounty', 'pinterest generic', 'quora maxbounty'],
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
  t.equal(rules.destinations.get('ads')?.policy.budgetMs, 7 * 86_400_000, 'the type’s own budget')

  const openai = { rule: 'openai', settings: { pixel_id: 'p', access_token: '${T}' } }
  const refused = await configure(folder, { ...base, destinations: { ads: openai } }, { T: 't' })
  t.notOk(refused.ok)
  if (!refused.ok) t.match(refused.error.map(formatFault).join(), /nobody has verified the facts/)
})
