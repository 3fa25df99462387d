/**
 * The examples of a network's rule, run through the very code that serves postbacks: read, verify,
 * normalize, and what the store would say of it. Examples run in the order of their file and
 * remember each other, so a file can show an update and a duplicate. Pure: nothing is stored or sent.
 */
import { ok, type Result } from './base/result.ts'
import { TIME_FIELDS, type NormalizedConversion } from './model/conversion.ts'
import { compileNormalize } from './normalize/normalize.ts'
import { REASONS, type Reason } from './reasons.ts'
import { expandBody, replaceBody } from './receive/expand.ts'
import { DEFAULT_LIMITS } from './receive/limits.ts'
import { readPostback } from './receive/read.ts'
import type { RuleFault } from './rules/rule-fault.ts'
import type { NetworkExample, NetworkRule } from './rules/schema.ts'
import { advance, decide, type ConversionState } from './store/decide.ts'
import { createFixedKeys } from './verify/key-ring.ts'
import { compileVerify } from './verify/verify.ts'

export interface ExampleResult {
  readonly title: string
  readonly ok: boolean
  /** One line each: what was expected, what came. */
  readonly differences: readonly string[]
}

/** Dedupe key → what earlier examples left. */
export type ExampleHistory = Map<string, ConversionState>

export const EXAMPLE_CLIENT = '203.0.113.10'
/** Where the networks of examples send to. */
export const EXAMPLE_BASE_URL = 'https://pb.example.com'
export const EXAMPLE_NOW = '2026-01-01T00:00:00Z'

type Conversion = NormalizedConversion['conversion']
interface Came {
  readonly reason: Reason
  readonly detail: string
  readonly conversion?: Conversion
}

export function runNetworkExamples(rule: NetworkRule): readonly ExampleResult[] {
  const history: ExampleHistory = new Map()
  return rule.examples.map(example => runNetworkExample(rule, example, history))
}

export function runNetworkExample(
  rule: NetworkRule,
  example: NetworkExample,
  history: ExampleHistory = new Map(),
): ExampleResult {
  const came = follow(rule, example, history)
  const differences = came.ok
    ? compare(example, came.value)
    : came.error.map(fault => `${fault.path.join('.')}: ${fault.message}`)
  return { title: example.title, ok: differences.length === 0, differences }
}

function follow(
  rule: NetworkRule,
  example: NetworkExample,
  history: ExampleHistory,
): Result<Came, readonly RuleFault[]> {
  const { request, client = EXAMPLE_CLIENT, secrets, tokens, keys = {} } = example
  const now = Date.parse(example.now ?? EXAMPLE_NOW)
  const settings = { ...defaultsOf(rule), ...example.settings }
  const verifier = compileVerify(rule.verify, {
    secrets,
    tokens,
    settings,
    publicBaseUrl: EXAMPLE_BASE_URL,
    keys: createFixedKeys(keys),
    readJson: (postback, text) => replaceBody(postback, text, DEFAULT_LIMITS),
  })
  if (!verifier.ok) return verifier
  const headers = Object.fromEntries(
    Object.entries(request.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
  )
  const raw = { ...request, headers, body: Buffer.from(request.body ?? '') }
  const postback = readPostback(raw, client, now, DEFAULT_LIMITS)
  if (!postback.ok) return ok(postback.error)

  const normalize = compileNormalize(rule, {
    network: postback.value.network,
    secretKeys: verifier.value.secretKeys,
  })
  if (!normalize.ok) return normalize
  const { method, params } = postback.value
  if (rule.reply?.probe && method === 'GET' && params.length === 0) {
    return ok({ reason: 'probe', detail: 'an empty GET' })
  }
  const expanded = expandBody(postback.value, rule.body ?? {}, DEFAULT_LIMITS)
  if (!expanded.ok) return ok(expanded.error)
  const verified = verifier.value.check(expanded.value, now)
  if (!verified.ok) return ok(verified.error)
  const normalized = normalize.value(verified.value)
  switch (normalized.kind) {
    case 'refused':
      return ok(normalized.refusal)
    case 'ignored':
      return ok({ ...normalized.value, reason: normalized.reason, detail: 'by the rule' })
    case 'conversion':
      return ok(accept(rule, normalized.value, history))
  }
}

function accept(
  rule: NetworkRule,
  { conversion, dedupeKey }: NormalizedConversion,
  history: ExampleHistory,
): Came {
  const { payout, currency = '', status } = conversion
  const entry = {
    record: `example-${history.size}`,
    status,
    amount: payout === undefined ? '' : `${payout} ${currency}`,
    onAmountChange: rule.dedupe?.on_amount_change ?? 'ignore',
    allow: rule.dedupe?.allow ?? [],
    placements: [],
  } as const
  const before = history.get(dedupeKey)
  const reason = decide(before, entry)
  if (reason === 'new' || reason === 'update') history.set(dedupeKey, advance(before, entry))
  return { reason, detail: `dedupe key ${dedupeKey}`, conversion }
}

function compare(example: NetworkExample, came: Came): readonly string[] {
  const differences: string[] = []
  const { outcome } = REASONS[came.reason]
  const because = `(${came.reason}: ${came.detail})`
  if (outcome !== example.outcome) {
    differences.push(`outcome: expected ${example.outcome}, came ${outcome} ${because}`)
  }
  if (example.reason !== undefined && example.reason !== came.reason) {
    differences.push(`reason: expected ${example.reason}, came ${came.reason} ${because}`)
  }
  if (!example.conversion) return differences
  const expected = new Map(Object.entries(example.conversion))
  const fields = new Map(came.conversion ? fieldsOf(came.conversion) : [])
  for (const name of new Set([...expected.keys(), ...fields.keys()])) {
    const [wanted, found] = [expected.get(name), fields.get(name)]
    if (wanted !== found) {
      differences.push(`${name}: expected ${wanted ?? 'nothing'}, came ${found ?? 'nothing'}`)
    }
  }
  return differences
}

/** As examples write a conversion: text only, times in ISO, further parameters as `q.NAME`. */
function fieldsOf(conversion: Conversion): [string, string][] {
  const { network: _network, received_at: _receivedAt, q, ...fields } = conversion
  const times: readonly string[] = TIME_FIELDS
  return [
    ...Object.entries(fields).map(([name, value]): [string, string] => [
      name,
      times.includes(name) ? new Date(value).toISOString() : String(value),
    ]),
    ...Object.entries(q).map(([name, value]): [string, string] => [`q.${name}`, value]),
  ]
}

function defaultsOf(rule: NetworkRule): Record<string, string> {
  return Object.fromEntries(
    Object.entries(rule.settings ?? {}).flatMap(([name, setting]) =>
      setting.default === undefined ? [] : [[name, setting.default]],
    ),
  )
}
