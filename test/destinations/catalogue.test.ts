/**
 * The catalogue over the wire: every example of every rule and type goes through the transport that
 * delivers, to a receiver that compares bytes, and its answers come back the same way. The names in
 * the rules are compared with a table that was read from the vendors' pages and not from the rules.
 */
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { createTransport } from '../../src/deliver/transport.ts'
import { openDestinationExample, wordOf } from '../../src/destinations/examples.ts'
import { createDestination, DESTINATION_TYPES } from '../../src/destinations/registry.ts'
import type {
  DestinationExample,
  DestinationRule,
  RequestTemplate,
} from '../../src/rules/destination-schema.ts'
import { loadCatalogue } from '../../src/rules/catalogue.ts'
import { createCertificates } from '../support/certificates.ts'
import { temporaryFolder } from '../support/gateway.ts'
import { createScriptedReceiver, respond } from '../support/scripted-receiver.ts'

const RULES = new URL('../../rules/', import.meta.url).pathname
const loaded = await loadCatalogue([RULES])
if (!loaded.ok) throw new Error(JSON.stringify(loaded.error))
const rules = new Map([...loaded.value.destinations].map(([id, { value }]) => [id, value]))
const NOW = Date.UTC(2026, 0, 1)
/** Ad platforms have tests and facts of their own. */
const adPlatforms = [...rules].flatMap(([id, { kind }]) => (kind === 'ad-platform' ? [id] : []))

/** Ours, not a vendor's: nothing outside says what their parameters are called. */
const OWN = [
  'demo-tracker',
  'http-get',
  'http-post',
  'rewards-get-hmac',
  'rewards-get-md5',
  'rewards-get-sha256',
  'rewards-get-simple',
]

t.test('the catalogue is as large as it says', t => {
  const vendors = [...rules.keys()].filter(id => !OWN.includes(id))
  t.ok(vendors.length >= 50, `${vendors.length} trackers, platforms and sources`)
  t.equal(rules.size, readdirSync(`${RULES}destinations`).length, 'every file is a rule')
  for (const [id, rule] of rules) {
    t.ok(rule.notes, `${id} has notes`)
    t.ok(/^https?:/.test(rule.docs), `${id} names its source`)
    for (const [name, setting] of Object.entries(rule.settings ?? {})) {
      const isNamed = /token|secret|(^|_)key$|password|hash|secure/.test(name)
      // Adjust's tokens are names: they stand in every copy of the app.
      if (isNamed && id !== 'adjust') t.equal(setting.secret, true, `${id}: ${name} is a secret`)
    }
  }
  t.end()
})

const sources = [
  ...[...rules].map(([id, source]) => ({ id, source })),
  ...DESTINATION_TYPES.map(source => ({ id: source.type, source })),
]

interface ScriptedAnswer {
  readonly status: number
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly verdict?: string
}

/** `https://host[:port]` and what follows it. */
function split(url: string): { scheme: string; host: string; path: string } {
  const [, scheme = '', host = '', path = ''] = /^(https?):\/\/([^/?]+)(.*)$/.exec(url) ?? []
  return { scheme, host: host.replace(/:\d+$/, ''), path }
}

t.test('every example over the wire', async t => {
  const urls = sources.flatMap(({ source }) =>
    source.examples.flatMap(({ request }: DestinationExample) => (request ? [request.url] : [])),
  )
  const hosts = [...new Set(urls.map(url => split(url).host))].filter(h => !/^[\d.]+$/.test(h))
  const certificates = createCertificates(temporaryFolder(t))
  const plain = await createScriptedReceiver()
  const secure = await createScriptedReceiver({ tls: certificates.issueFor(hosts) })
  t.teardown(() => Promise.all([plain.close(), secure.close()]))
  const asked = new Set<string>()
  const transport = createTransport({
    clock: systemClock,
    version: '1.2.3',
    ca: certificates.ca,
    // eslint-disable-next-line @typescript-eslint/require-await
    resolve: async name => {
      asked.add(name)
      return [{ address: '127.0.0.1', family: 4 }]
    },
  })

  for (const { id, source } of sources) {
    await t.test(id, async t => {
      for (const example of source.examples as readonly DestinationExample[]) {
        if (!example.request) continue
        const opened = openDestinationExample(source, example)
        if (!opened.ok) throw new Error(opened.error.join('; '))
        const { destination, record, context } = opened.value
        const built = destination.request(record, context)
        if (!built.ok) throw new Error(built.error.detail)
        const { method, url, body = '', headers = {} } = example.request
        const { scheme, host, path } = split(url)
        const receiver = scheme === 'https' ? secure : plain
        // The port is the only thing that differs from what would be sent to the vendor.
        const here = built.value.url.replace(
          /^(https?:\/\/[^/?:]+)(:\d+)?/,
          (_, origin: string) => `${origin}:${receiver.port}`,
        )
        const channel = transport.channel({ ...destination.policy, allowPrivate: ['127.0.0.0/8'] })
        const answers: readonly ScriptedAnswer[] = example.responses ?? [{ status: 200 }]
        for (const [i, answer] of answers.entries()) {
          const before = receiver.received.length
          receiver.answerWith(respond(answer.status, answer.body ?? '', answer.headers ?? {}))
          const sent = await channel.send({ ...built.value, url: here }, context.deliveryId, 1)
          const name = `${example.title}: ${answer.status} ${answer.body ?? ''}`
          const got = receiver.received[before]
          if (sent.kind !== 'answered' || !got) {
            t.fail(`${name}: ${JSON.stringify(sent)}`)
            continue
          }
          if (answer.verdict !== undefined) {
            t.equal(wordOf(destination.verdict(sent.response, NOW)), answer.verdict, name)
          }
          if (i > 0) continue
          t.equal(got.method, method, `${example.title}: method`)
          t.equal(got.path, path, `${example.title}: path and query`)
          t.equal(got.headers['host'], `${host}:${receiver.port}`, `${example.title}: host`)
          t.equal(got.body, body, `${example.title}: body`)
          t.same(ownHeaders(got.headers), expectedHeaders(source, headers, body), 'headers')
        }
        channel.close()
      }
    })
  }
  t.same([...asked].sort(), hosts.sort(), 'no other host was looked up')
  t.same([...plain.faults, ...secure.faults], [], 'all of it is proper HTTP')
})

/** What the gateway and HTTP add to every request. */
const COMMON = new Set([
  'host',
  'connection',
  'content-length',
  'accept-encoding',
  'user-agent',
  'postern-delivery-id',
  'postern-hop',
])

function ownHeaders(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !COMMON.has(name)))
}

function expectedHeaders(
  source: object,
  headers: Readonly<Record<string, string>>,
  body: string,
): Record<string, string> {
  const lower = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])
  const isForm = 'request' in source && (source as DestinationRule).request.form !== undefined
  const type = isForm ? 'application/x-www-form-urlencoded' : 'application/json'
  return {
    ...(body ? { 'content-type': type } : {}),
    ...(Object.fromEntries(lower) as Record<string, string>),
  }
}

t.test('names and addresses are those of an independent reading of the sources', t => {
  const table = JSON.parse(
    readFileSync(new URL('parameters.json', import.meta.url), 'utf8'),
  ) as Record<string, Facts>
  const others = new Set([...OWN, ...adPlatforms])
  t.same(Object.keys(table).sort(), [...rules.keys()].filter(id => !others.has(id)).sort())
  for (const [id, facts] of Object.entries(table)) {
    const rule = rules.get(id)
    if (!rule) continue
    t.match(facts.url, urlPattern(rule), `${id}: ${facts.url}`)
    for (const request of [rule.request, ...Object.values(rule.requests_by_status ?? {})]) {
      const found = namesOf(request)
      const unknown = [...found.keys()].filter(name => !facts.names.includes(name))
      t.same(unknown, [], `${id} sends no name that its sources do not have`)
      const carrying = (macro: RegExp) =>
        [...found].flatMap(([name, value]) => (macro.test(value) ? [name] : [])).sort()
      t.same(carrying(/\{click_id[|}]/), [...facts.click_id].sort(), `${id}: the click id`)
      if (request !== rule.request) continue
      t.same(carrying(/\{(payout|sale_amount)[|}]/), [...facts.money].sort(), `${id}: the amount`)
    }
    if (facts.click_macro.length > 0) {
      t.ok(facts.click_macro.includes(rule.click_macro ?? ''), `${id}: ${rule.click_macro}`)
    } else t.equal(rule.click_macro, undefined, `${id} names no macro that its sources do not`)
  }
  t.end()
})

interface Facts {
  /** `*` stands for what belongs to an account. */
  readonly url: string
  readonly names: readonly string[]
  readonly click_id: readonly string[]
  readonly money: readonly string[]
  readonly click_macro: readonly string[]
}

/** Settings without a default may be anything; what is literal in the rule must be so in the facts. */
function urlPattern({ request, settings = {} }: DestinationRule): RegExp {
  const parts = request.url.split(/\{settings\.([\w-]+)\}/)
  const pattern = parts.map((part, i) => {
    const literal = i % 2 === 0 ? part : settings[part]?.default
    return literal ? literal.replace(/[.?]/g, '\\$&') : i % 2 === 0 ? '' : '[^/]+'
  })
  return new RegExp(`^${pattern.join('')}$`)
}

/** Every parameter, form field and JSON key with its template. */
function namesOf(request: RequestTemplate): Map<string, string> {
  const names = new Map(Object.entries({ ...request.query, ...request.form }))
  const walk = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return
    for (const [key, value] of Object.entries(node)) {
      if (!Array.isArray(node)) names.set(key, typeof value === 'string' ? value : '')
      // What stands in there is the sender's to name, by the API of Segment.
      if (key !== 'properties') walk(value)
    }
  }
  walk(request.json)
  return names
}

t.test('answers that are known to mislead', t => {
  const known: readonly (readonly [string, number, string, string])[] = [
    ['tune', 200, 'success=true;', 'delivered'],
    ['tune', 200, 'success=false; err_msg=Invalid Transaction ID;', 'dead'],
    ['tune', 200, 'success=false; err_msg=Duplicate conversion;', 'duplicate'],
    ['tune', 200, '', 'retry'],
    ['singular', 200, '{"status":"ok"}', 'delivered'],
    ['singular', 200, '{"status":"error","reason":"no session"}', 'dead'],
    ['singular', 200, 'upstream unavailable', 'retry'],
    ['exoclick', 200, 'OK', 'delivered'],
    ['exoclick', 200, 'ERROR: Invalid goal', 'dead'],
    ['exoclick', 200, 'ERROR: this tag has already been notified', 'duplicate'],
    ['richads', 200, 'Required url parameters are not present', 'dead'],
    ['richads', 200, '', 'delivered'],
    ['evadav', 200, '{"status":"error"}', 'dead'],
    ['evadav', 200, '{"status":"success"}', 'delivered'],
    ['evadav', 400, '', 'retry'],
    ['orbitra', 200, 'Postback recorded successfully.', 'delivered'],
    ['orbitra', 200, '<html>', 'retry'],
    ['orbitra', 400, 'status required', 'dead'],
    ['orbitra', 404, 'click not found', 'dead'],
    ['offer18', 200, 'Status: Conversion Recorded.', 'delivered'],
    ['offer18', 200, 'Status: Cleared due to Multi Conversion', 'duplicate'],
    ['offer18', 200, 'invalid transaction', 'dead'],
    ['offer18', 200, 'auth_token mismatch', 'retry'],
    ['offer18', 200, 'IP not in Whitelist', 'retry'],
    ['affise', 200, '{"status":2,"message":"Conversion exists"}', 'duplicate'],
    ['affise', 200, '{"status":1}', 'delivered'],
    ['propellerads', 400, '', 'dead'],
    ['propellerads', 200, '1:0', 'delivered'],
    ['popcash', 400, '', 'dead'],
    ['trafficstars', 400, '{"error":{"msg":"cpa: invalid clickid"}}', 'dead'],
    ['trafficstars', 200, '{"ok":true}', 'delivered'],
    ['trafficstars', 200, '{"ok":false}', 'retry'],
    ['prosper202', 404, '{"error":true,"code":404,"msg":"SubID not found"}', 'dead'],
    ['prosper202', 404, 'Not Found', 'retry'],
    ['keitaro', 200, 'OK', 'delivered'],
    ['keitaro', 200, '<html>Welcome', 'retry'],
    ['rewards-get-simple', 200, '0', 'retry'],
    ['rewards-get-simple', 200, 'DUP', 'duplicate'],
    ['rewards-get-md5', 200, '1', 'delivered'],
    ['rewards-get-hmac', 200, 'invalid hash', 'retry'],
  ]
  for (const [id, status, body, verdict] of known) {
    const rule = rules.get(id)
    const [example] = rule?.examples ?? []
    if (!rule || !example) throw new Error(id)
    const opened = openDestinationExample(rule, example)
    if (!opened.ok) throw new Error(opened.error.join())
    const came = wordOf(opened.value.destination.verdict({ status, headers: {}, body }, NOW))
    t.equal(came, verdict, `${id}: ${status} ${body}`)
  }
  t.end()
})

t.test('what is append-only never sees a reversal', t => {
  const kept = [...rules].filter(([, rule]) => rule.statuses?.join() === 'approved')
  t.ok(kept.length > 40)
  for (const [id, rule] of kept) {
    const [example] = rule.examples
    const opened = example && openDestinationExample(rule, example)
    if (!opened?.ok) throw new Error(id)
    const { destination } = opened.value
    const wanted = (['pending', 'hold', 'approved', 'declined', 'reversed'] as const).filter(
      status => destination.wants({ status }),
    )
    // Those that count what they cannot take back see it, and send nothing.
    const isCounted = rule.reversals === 'unsupported'
    t.same(wanted, isCounted ? ['approved', 'reversed'] : ['approved'], id)
    if (!isCounted) continue
    const { record, context } = opened.value
    const reversed = {
      ...record,
      conversion: { ...record.conversion, status: 'reversed' as const },
    }
    t.match(
      destination.request(reversed, context),
      { ok: false, error: { reason: 'reversal_unsupported' } },
      id,
    )
  }
  t.end()
})

t.test('a rule that nobody verified says so in its notes', t => {
  for (const [id, rule] of rules) {
    const isAsked = rule.verified === 'unverified' && !adPlatforms.includes(id)
    if (isAsked) t.match(rule.notes, /compare/, id)
  }
  t.ok(createDestination('x', {}, rules.get('popunder-store') as DestinationRule).ok)
  t.end()
})
