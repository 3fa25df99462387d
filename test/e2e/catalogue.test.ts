/**
 * The examples of every rule of the catalogue, sent over a socket to a gateway that serves them all:
 * the reason, the conversion, and the answer that the network gets. Left out are those of another
 * day, which the tests of the rules alone run: a gateway whose clock jumps gives its lease up.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { pino } from 'pino'
import t from 'tap'
import { Client } from 'undici'
import { parse } from 'yaml'
import { createApp } from '../../src/app.ts'
import { systemClock, type Clock } from '../../src/base/clock.ts'
import { EXAMPLE_CLIENT, EXAMPLE_NOW } from '../../src/examples.ts'
import { createEvents, type PostbackFact } from '../../src/observe/events.ts'
import { createMetrics } from '../../src/observe/metrics.ts'
import { defaultReply } from '../../src/receive/reply.ts'
import type { NetworkExample, NetworkRule } from '../../src/rules/schema.ts'
import { loadRuleSet } from '../../src/ruleset.ts'
import { createFixedKeys } from '../../src/verify/key-ring.ts'
import { ROOT, temporaryFolder, writeConfig } from '../support/gateway.ts'

const CATALOGUE = join(ROOT, 'rules')
/** What examples of rules take for `server.public_base_url`. */
const BASE = 'https://pb.example.com'

interface Variant {
  readonly settings: Readonly<Record<string, string>>
  readonly examples: readonly NetworkExample[]
}

const rules = new Map<string, NetworkRule>(
  readdirSync(join(CATALOGUE, 'networks')).map(file => [
    file.replace(/\.yaml$/, ''),
    parse(readFileSync(join(CATALOGUE, 'networks', file), 'utf8')) as NetworkRule,
  ]),
)

/** Examples of one network may stand for operators with other settings, each with its own turn. */
function variantsOf({ examples }: NetworkRule): Variant[] {
  const variants = new Map<string, NetworkExample[]>()
  for (const example of examples) {
    if (example.now !== undefined) continue
    const key = JSON.stringify(example.settings ?? {})
    variants.set(key, [...(variants.get(key) ?? []), example])
  }
  return [...variants].map(([key, own]) => ({
    settings: JSON.parse(key) as Record<string, string>,
    examples: own,
  }))
}

const variants = new Map([...rules].map(([id, rule]) => [id, variantsOf(rule)]))
const turns = Math.max(...[...variants.values()].map(list => list.length))

/** Every secret and token that an example uses, as the operator's references to the environment. */
function references(texts: readonly string[], env: Record<string, string>): string[] {
  return [...new Set(texts)].map(text => {
    const known = Object.entries(env).find(([, value]) => value === text)?.[0]
    const name = known ?? `WORD_${Object.keys(env).length}`
    env[name] = text
    return `\${${name}}`
  })
}

/** A setting that is secret is a reference as well. */
function settingsOf(id: string, turn: number, env: Record<string, string>) {
  const { settings = {} } = variants.get(id)?.[turn] ?? variants.get(id)?.[0] ?? {}
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => {
      const isSecret = rules.get(id)?.settings?.[name]?.secret
      return [name, isSecret ? references([value], env)[0] : value]
    }),
  )
}

function configOf(turn: number, env: Record<string, string>) {
  const networks: Record<string, unknown> = {}
  for (const [id, { examples }] of rules) {
    const secrets = references(
      examples.flatMap(example => example.secrets ?? []),
      env,
    )
    const tokens = references(
      examples.flatMap(example => example.tokens ?? []),
      env,
    )
    networks[id] = {
      accept_unverified: true,
      settings: settingsOf(id, turn, env),
      ...(secrets.length > 0 ? { secrets } : {}),
      ...(tokens.length > 0 ? { tokens } : {}),
    }
  }
  return {
    server: {
      listen: '127.0.0.1:0',
      public_base_url: BASE,
      trusted_proxies: ['127.0.0.1/32'],
    },
    store: { type: 'memory' },
    networks,
    // Nothing is delivered here: what matters is what a network is answered and what comes of it.
    destinations: {
      nowhere: {
        rule: 'webhook',
        settings: { url: 'http://127.0.0.1:9/', secret: '${SIGNING}' },
        allow_private: ['127.0.0.1/32'],
      },
    },
    routes: [{ when: { network: { equals: 'none of these' } }, to: ['nowhere'] }],
  }
}

function fieldsOf(conversion: PostbackFact['conversion']): Record<string, unknown> {
  const { id: _id, network: _network, received_at: _at, q, ...fields } = conversion ?? {}
  const further = Object.entries(q ?? {}).map(([name, value]) => [`q.${name}`, value])
  const times = (['click_time', 'occurred_at'] as const).flatMap(name => {
    const value = fields[name]
    return value === undefined ? [] : [[name, new Date(value).toISOString()]]
  })
  return { ...fields, ...Object.fromEntries([...further, ...times]) }
}

t.test('the catalogue over a socket', async t => {
  t.ok(rules.size >= 100, 'the catalogue is where it is looked for')
  const folder = temporaryFolder(t)
  const env: Record<string, string> = {
    SIGNING: `whsec_${Buffer.alloc(32, 7).toString('base64')}`,
  }
  const pems = Object.assign({}, ...[...rules.values()].flatMap(rule => rule.examples.map(({ keys }) => keys ?? {}))) as Record<string, string> // prettier-ignore
  const keys = { ...createFixedKeys(pems), settled: async () => {}, close: async () => {} }
  const clock: Clock = { now: () => Date.parse(EXAMPLE_NOW), monotonic: systemClock.monotonic }
  const facts: PostbackFact[] = []
  const metrics = createMetrics()
  const events = createEvents(pino({ level: 'silent' }), metrics, () => 0)
  const loadTurn = async (turn: number) => {
    const file = writeConfig(folder, configOf(turn, env))
    const loaded = await loadRuleSet(file, { catalogue: CATALOGUE, env, keys })
    if (!loaded.ok) throw new Error(JSON.stringify(loaded.error, null, 1))
    return loaded.value
  }
  const app = createApp({
    rules: await loadTurn(0),
    events: { ...events, postback: fact => void facts.push(fact) },
    metrics,
    clock,
    version: '0',
    isAlone: false,
    keys,
    onFatal: error => t.fail(String(error)),
  })
  t.teardown(() => app.close())
  const started = await app.start()
  if (!started.ok) throw new Error(started.error.message)
  const client = new Client(`http://${started.value.server}`)
  t.teardown(() => client.close())

  const send = async (example: NetworkExample) => {
    const { method, target, headers, body } = example.request
    const response = await client.request({
      method,
      path: target,
      headers: { ...headers, 'x-forwarded-for': example.client ?? EXAMPLE_CLIENT },
      ...(method === 'POST' ? { body: body ?? '' } : {}),
    })
    return { status: response.statusCode, text: await response.body.text() }
  }

  for (let turn = 0; turn < turns; turn++) {
    if (turn > 0) app.reload(await loadTurn(turn))
    for (const [id, rule] of rules) {
      const examples = variants.get(id)?.[turn]?.examples ?? []
      const differences: unknown[] = []
      for (const example of examples) {
        const answer = await send(example)
        const fact = facts.at(-1)
        if (!fact) throw new Error(`${id}: ${example.title}: nothing was told`)
        const came = cameOf(example, fact, answer)
        const wanted = wantedOf(example, rule, fact)
        if (!isDeepStrictEqual(came, wanted)) {
          differences.push({ title: example.title, came, wanted, detail: fact.detail })
        }
      }
      t.same(differences, [], `${id}: ${examples.length} examples`)
    }
  }
})

interface Answer {
  readonly status: number
  readonly text: string
}

function cameOf(example: NetworkExample, fact: PostbackFact, { status, text }: Answer) {
  return {
    outcome: fact.outcome,
    reason: fact.reason,
    status,
    text,
    conversion: example.conversion && fieldsOf(fact.conversion),
  }
}

/** What the example says; the answer is the rule's own, or the default of the reason. */
function wantedOf(example: NetworkExample, rule: NetworkRule, fact: PostbackFact) {
  const own = { ...rule.reply?.[example.outcome], ...rule.reply?.reasons?.[fact.reason] }
  const byDefault = defaultReply(fact.reason)
  return {
    outcome: example.outcome,
    reason: example.reason ?? fact.reason,
    status: own.status ?? byDefault.status,
    text: own.body === undefined ? byDefault.body : fill(own.body, example, rule, fact),
    conversion: example.conversion,
  }
}

/** An answer that repeats a field or a setting, such as `{transaction_id}:OK`. */
function fill(body: string, example: NetworkExample, rule: NetworkRule, fact: PostbackFact) {
  const values: Record<string, unknown> = { ...fact.conversion }
  for (const [name, setting] of Object.entries(rule.settings ?? {})) {
    values[`settings.${name}`] = example.settings?.[name] ?? setting.default
  }
  return body.replaceAll(/\{([\w.]+)\}/g, (macro, name: string) => {
    const value = values[name]
    return typeof value === 'string' ? value : macro
  })
}
