/**
 * The catalogue over a socket: every example of every shipped rule is sent to a gateway that runs
 * all of them, and must get the outcome it shows and the answer its network wants to read.
 */
import { join } from 'node:path'
import { pino } from 'pino'
import t from 'tap'
import { Client } from 'undici'
import { createApp } from '../../src/app.ts'
import { systemClock } from '../../src/base/clock.ts'
import { EXAMPLE_CLIENT, EXAMPLE_NOW } from '../../src/examples.ts'
import type { PublicKeys } from '../../src/keys.ts'
import { createEvents, type PostbackFact } from '../../src/observe/events.ts'
import { createMetrics } from '../../src/observe/metrics.ts'
import { REASONS } from '../../src/reasons.ts'
import { loadCatalogue } from '../../src/rules/catalogue.ts'
import type { NetworkExample, NetworkRule } from '../../src/rules/schema.ts'
import { loadRuleSet } from '../../src/ruleset.ts'
import { createFixedKeys } from '../../src/verify/key-ring.ts'
import { ROOT, temporaryFolder, writeConfig } from '../support/gateway.ts'

t.setTimeout(120_000)

const RULES = join(ROOT, 'rules')
const catalogue = await loadCatalogue([RULES])
if (!catalogue.ok) throw new Error(JSON.stringify(catalogue.error))
const networks = [...catalogue.value.networks].map(([id, { value: rule }]) => ({ id, rule }))

/** The name in an example's URL, which a signature may cover. */
const nameOf = ({ request }: NetworkExample) => /^\/in\/([^/?]+)/.exec(request.target)?.[1] ?? ''

const timeOf = ({ now }: NetworkExample) => Date.parse(now ?? EXAMPLE_NOW)

/** What the operator has set when an example arrives. */
const operatorOf = ({ secrets, tokens, settings }: NetworkExample) =>
  JSON.stringify([secrets ?? [], tokens ?? [], settings ?? {}])

const env: Record<string, string> = {}
function reference(value: string): string {
  const known = Object.keys(env).find(name => env[name] === value)
  const name = known ?? `SECRET_${Object.keys(env).length}`
  env[name] = value
  return `\${${name}}`
}

function configured(id: string, rule: NetworkRule): [string, object] {
  const [first] = rule.examples
  if (!first) throw new Error(`${id}: no example`)
  const { secrets, tokens, settings = {} } = first
  const values = Object.entries(settings).map(([name, value]) => [
    name,
    rule.settings?.[name]?.secret ? reference(value) : value,
  ])
  return [
    nameOf(first),
    {
      rule: id,
      accept_unverified: true,
      ...(secrets ? { secrets: secrets.map(reference) } : {}),
      ...(tokens ? { tokens: tokens.map(reference) } : {}),
      ...(values.length > 0 ? { settings: Object.fromEntries(values) } : {}),
    },
  ]
}

t.test('every example gets the outcome it shows and the answer of its rule', async t => {
  const folder = temporaryFolder(t)
  const entries = networks.map(({ id, rule }) => configured(id, rule))
  t.equal(new Set(entries.map(([name]) => name)).size, entries.length, 'one URL for each rule')
  const file = writeConfig(folder, {
    server: {
      listen: '127.0.0.1:0',
      public_base_url: 'https://pb.example.com',
      trusted_proxies: ['127.0.0.1/32'],
    },
    // Time jumps here as examples say, and a gateway that sleeps past its lease is taken for dead.
    store: { type: 'memory', lease_ms: 2 ** 31 - 1 },
    networks: Object.fromEntries(entries),
    destinations: {
      // Nobody listens there: this is about what networks are told.
      none: {
        rule: 'demo-tracker',
        settings: { name: 'none' },
        allow_private: ['127.0.0.1/32'],
      },
    },
    routes: [{ to: ['none'] }],
  })
  const examples = networks.flatMap(({ rule }) => rule.examples)
  // The networks' own key servers are the outside world.
  const keys: PublicKeys = {
    ...createFixedKeys(Object.assign({}, ...examples.map(example => example.keys ?? {}))),
    prefetch: () => undefined,
    settled: async () => undefined,
    close: () => undefined,
  }
  const loaded = await loadRuleSet(file, { catalogue: RULES, env, keys })
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.error, null, 1))

  let now = Date.parse(EXAMPLE_NOW)
  const facts: PostbackFact[] = []
  const metrics = createMetrics()
  const events = createEvents(pino({ level: 'silent' }), metrics, () => 0)
  const app = createApp({
    rules: loaded.value,
    events: { ...events, postback: fact => void facts.push(fact) },
    metrics,
    clock: { ...systemClock, now: () => now },
    version: '0',
    isAlone: false,
    keys,
    onFatal: error => t.fail(String(error)),
  })
  t.teardown(() => app.close())
  const started = await app.start()
  if (!started.ok) throw new Error(started.error)
  const client = new Client(`http://${started.value.server}`)
  t.teardown(() => client.close())

  const shots = networks
    .flatMap(({ id, rule }) => rule.examples.map(example => ({ id, rule, example })))
    // A second set of secrets would be a second network.
    .filter(({ rule, example }) => operatorOf(example) === operatorOf(rule.examples[0] ?? example))
    .toSorted((a, b) => timeOf(a.example) - timeOf(b.example))
  for (const { id, rule, example } of shots) {
    const { method, target, headers = {}, body = '' } = example.request
    now = timeOf(example)
    const response = await client.request({
      method,
      path: target,
      headers: { ...headers, 'x-forwarded-for': example.client ?? EXAMPLE_CLIENT },
      ...(method === 'POST' ? { body } : {}),
    })
    const text = await response.body.text()
    const fact = facts.at(-1)
    const title = `${id}: ${example.title}`
    t.equal(fact?.outcome, example.outcome, `${title} (${fact?.reason}: ${fact?.detail})`)
    if (example.reason) t.equal(fact?.reason, example.reason, title)
    if (!fact) continue
    const own = { ...rule.reply?.[example.outcome], ...rule.reply?.reasons?.[fact.reason] }
    t.equal(response.statusCode, own.status ?? REASONS[fact.reason].http, `${title}: status`)
    if (own.body !== undefined && !/\{[a-z]/.test(own.body)) t.equal(text, own.body, title)
    if (example.outcome === 'rejected') t.equal(fact.record, undefined, `${title}: not stored`)
  }
  t.ok(
    shots.length > networks.length * 2,
    `${shots.length} examples of ${networks.length} networks`,
  )
  t.equal(facts.length, shots.length)
})

t.test('an answer that is a template is filled in', async t => {
  const replies = networks.flatMap(({ id, rule }) => {
    const body = rule.reply?.accepted?.body ?? ''
    return /\{[a-z]/.test(body) ? [[id, body]] : []
  })
  t.match(Object.fromEntries(replies), {
    levelplay: '{transaction_id}:OK',
    'wannads-family': '{settings.answer}',
  })
})
