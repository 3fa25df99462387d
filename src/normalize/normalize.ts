/**
 * A verified postback to a conversion, by its network's rule. In: what was sent, already believed.
 * Out: the conversion with the text that identifies it, or that it is ignored (a test, an event
 * that is not forwarded), or why it is refused. Pure; everything a rule says is compiled at load.
 *
 * A postback marked as a test or informational is ignored whatever else is wrong with it; any
 * other faulty value refuses it as a whole, because half a conversion is a wrong one.
 */
import { fail, ok, type Result } from '../base/result.ts'
import type { InputField, NormalizedConversion } from '../model/conversion.ts'
import { paramKey, type VerifiedPostback } from '../model/postback.ts'
import type { Status } from '../model/status.ts'
import type { Refusal } from '../reasons.ts'
import { conversionFields } from '../rules/fields.ts'
import { compileMatcher, type Match } from '../rules/match.ts'
import type { RuleFault } from '../rules/rule-fault.ts'
import type { Matcher, NetworkRule } from '../rules/schema.ts'
import type { Macros } from '../rules/template.ts'
import { compileDedupeKey, type DedupeKey } from './dedupe-key.ts'
import { compileReaders, type ConversionFields, type Draft, type ReadValue } from './draft.ts'
import { furtherParams } from './further.ts'
import { pick, type Pick as Picked } from './pick.ts'
import { compilePlan, type Plan } from './plan.ts'
import { compileStatus, type StatusMap } from './status.ts'
import { compileJoinedStatus, type ReadJoined } from './status-join.ts'

export interface NormalizeOptions {
  /** Name of the network in the configuration. */
  readonly network: string
  /** Keys (see `paramKey`) of parameters that carry tokens and signatures: never part of a conversion. */
  readonly secretKeys: ReadonlySet<string>
  /** What the configuration changes of the rule; faults in it have paths that start with `override`. */
  readonly override?: {
    readonly fields?: Readonly<Record<string, readonly string[]>>
    readonly currency?: string
    readonly status_map?: Readonly<Record<string, Status | 'test' | 'informational'>>
  }
}

export type Normalized =
  | { readonly kind: 'conversion'; readonly value: NormalizedConversion }
  | {
      readonly kind: 'ignored'
      readonly reason: 'test' | 'informational'
      /** As far as it could be read. */
      readonly value: Pick<NormalizedConversion, 'conversion'>
    }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

/** Which source decided a field; for `postern explain`. */
export interface FieldTrace {
  readonly field: string
  /** As written in the rule; `default` where nothing was sent. */
  readonly source: string
  /** Where in the rule; starts with `override` where the configuration decided. */
  readonly path: readonly (string | number)[]
  /** As sent, or the default. */
  readonly value: string
}

export type Normalize = (postback: VerifiedPostback, trace?: FieldTrace[]) => Normalized

type Required = { readonly field: InputField; readonly refusal: Refusal; readonly macro: Refusal }

/** A value that nobody sent, and where the rule says it. */
interface Default {
  readonly value: string
  readonly path: FieldTrace['path']
}

interface Parts {
  readonly network: string
  readonly plan: Plan
  readonly readers: readonly ReadValue[]
  readonly status: StatusMap
  readonly joined: ReadJoined | undefined
  readonly hasStatusHints: boolean
  readonly negativeIsReversed: boolean
  readonly currency: Default
  readonly event: Default | undefined
  readonly ignoreTest: Match<ConversionFields> | undefined
  readonly ignoreInformational: Match<ConversionFields> | undefined
  readonly required: readonly Required[]
  readonly key: DedupeKey
  /** Parameters that are not kept. */
  readonly hidden: ReadonlySet<string>
}

export function compileNormalize(
  rule: NetworkRule,
  { network, secretKeys, override = {} }: NormalizeOptions,
): Result<Normalize, readonly RuleFault[]> {
  const faults: RuleFault[] = []
  const take = <T>(result: Result<T, readonly RuleFault[]>): T | undefined => {
    if (result.ok) return result.value
    faults.push(...result.error)
    return undefined
  }
  const isJoined = rule.status?.join !== undefined && override.fields?.['status'] === undefined
  const plan = take(
    compilePlan({
      fields: rule.fields ?? {},
      status: isJoined ? [] : rule.status?.from,
      hasCommonAliases: rule.aliases === 'common',
      override: override.fields ?? {},
      secretKeys,
    }),
  )
  const readers = plan && take(compileReaders(plan.fields, rule))
  const status = take(compileStatus(rule.status ?? {}, override.status_map))
  const joined = isJoined ? take(compileJoinedStatus(rule.status ?? {})) : undefined
  const ignoreTest = rule.ignore?.test && take(compileIgnore(rule.ignore.test, 'test'))
  const informational = rule.ignore?.informational
  const ignoreInformational = informational && take(compileIgnore(informational, 'informational'))
  if (!plan || !readers || !status || faults.length > 0) return fail(faults)
  const parts: Parts = {
    network,
    plan,
    readers,
    status,
    joined,
    hasStatusHints:
      rule.aliases === 'common' &&
      !rule.status?.from &&
      !rule.fields?.['status'] &&
      !override.fields?.['status'],
    negativeIsReversed: rule.money?.negative === 'reversed',
    currency: override.currency
      ? { value: override.currency, path: ['override', 'currency'] }
      : { value: rule.money?.currency ?? 'USD', path: ['money', 'currency'] },
    event:
      rule.event?.default === undefined
        ? undefined
        : { value: rule.event.default, path: ['event', 'default'] },
    ignoreTest,
    ignoreInformational,
    required: (rule.required ?? []).map(field => requirement(field, plan)),
    key: compileDedupeKey(rule.dedupe ?? {}),
    hidden: hiddenKeys(rule, secretKeys),
  }
  return ok((postback, trace) => normalize(parts, postback, trace))
}

function normalize(
  parts: Parts,
  postback: VerifiedPostback,
  trace: FieldTrace[] | undefined,
): Normalized {
  const { plan } = parts
  const picked = pick(postback, plan)
  const draft: Draft = {
    fields: {
      network: parts.network,
      status: parts.status.absent,
      received_at: postback.receivedAt,
      q: furtherParams(postback, plan, picked, parts.hidden),
    },
    statusWord: undefined,
    isTest: false,
    isChargeback: false,
    negative: undefined,
  }
  const { fields } = draft
  let refusal: Refusal | undefined
  for (let slot = 0; slot < plan.fields.length; slot++) {
    const claim = picked.claims[slot]
    if (!claim) continue
    const value = picked.values[slot]
    if (value !== undefined) trace?.push({ ...origin(claim), value })
    const unusable =
      picked.refusals[slot] ??
      (value === undefined ? undefined : parts.readers[slot]?.(draft, value))
    refusal ??= unusable
  }
  if (fields.event === undefined && parts.event) {
    fields.event = parts.event.value
    trace?.push(byDefault('event', parts.event))
  }
  refusal ??= parts.joined?.(postback, draft)

  const target = statusOf(parts, draft, picked)
  if (draft.statusWord !== undefined) fields.status_raw = draft.statusWord
  if (target === 'test' || draft.isTest) return ignored('test', fields)
  if (target === 'informational') return ignored('informational', fields)
  if (refusal) return { kind: 'refused', refusal }
  if (target === 'reject') return { kind: 'refused', refusal: STATUS_UNKNOWN }
  fields.status = target
  if (draft.negative && target !== 'reversed') return refuseNegative(draft.negative)
  if (draft.statusWord === undefined && target === parts.status.absent)
    trace?.push(byDefault('status', { value: target, path: ['status', 'default'] }))
  if (fields.currency === undefined && hasAmount(fields)) {
    fields.currency = parts.currency.value
    trace?.push(byDefault('currency', parts.currency))
  }

  if (parts.ignoreTest?.(fields)) return ignored('test', fields)
  if (parts.ignoreInformational?.(fields)) return ignored('informational', fields)
  const missing = missingOf(parts, draft, picked)
  if (missing) return { kind: 'refused', refusal: missing }
  const dedupeKey = parts.key.of(fields)
  if (dedupeKey === undefined) return { kind: 'refused', refusal: unidentified(parts, picked) }
  return { kind: 'conversion', value: { conversion: fields, dedupeKey } }
}

function ignored(reason: 'test' | 'informational', conversion: ConversionFields): Normalized {
  return { kind: 'ignored', reason, value: { conversion } }
}

function statusOf(
  { status, hasStatusHints, negativeIsReversed, plan }: Parts,
  draft: Draft,
  picked: Picked,
): Status | 'test' | 'informational' | 'reject' {
  const { statusWord: word } = draft
  const hint =
    word === undefined && hasStatusHints ? status.hint(draft.fields.event ?? '') : undefined
  let target = word === undefined ? (hint ?? status.absent) : status.read(word)
  // An unfilled `{status}` may have stood for anything, a chargeback too: it is an unknown word.
  if (word === undefined && isUnfilled(plan, picked, 'status')) target = status.read('')
  if (target === 'test' || target === 'informational') return target
  return draft.isChargeback || (draft.negative && negativeIsReversed) ? 'reversed' : target
}

function missingOf(parts: Parts, draft: Draft, picked: Picked): Refusal | undefined {
  for (const { field, refusal, macro } of parts.required) {
    if (field === 'test') continue
    const value = field === 'status' ? draft.statusWord : draft.fields[field]
    if (value === undefined) return isUnfilled(parts.plan, picked, field) ? macro : refusal
  }
  return undefined
}

function unidentified({ key, plan }: Parts, picked: Picked): Refusal {
  const unfilled = key.identifiers.find(field => isUnfilled(plan, picked, field))
  if (unfilled) return macroUnreplaced(unfilled)
  const fields = key.identifiers.join(' nor ')
  return { reason: 'dedupe_key_empty', detail: `no ${fields}` }
}

function isUnfilled(plan: Plan, picked: Picked, field: string): boolean {
  const slot = (plan.fields as readonly string[]).indexOf(field)
  return picked.claims[slot] === undefined && picked.hasMacro[slot] === true
}

function requirement(field: InputField, plan: Plan): Required {
  const claims = [...plan.byKey.values(), plan.others].flat().filter(claim => claim.field === field)
  const names = claims.toSorted((a, b) => a.rank - b.rank).map(claim => claim.text)
  const detail = `${field} is missing; it is read from ${names.join(', ') || 'nothing'}`
  return { field, refusal: { reason: 'param_missing', detail }, macro: macroUnreplaced(field) }
}

/** Credentials, parameters that were only the wrapping of others, and what the rule discards. */
function hiddenKeys(rule: NetworkRule, secretKeys: ReadonlySet<string>): ReadonlySet<string> {
  const { body, discard = [] } = rule
  const wrapping = [body?.json_field, body?.query_field].filter(name => name !== undefined)
  return new Set([...secretKeys, ...[...wrapping, ...discard].map(paramKey)])
}

function macroUnreplaced(field: string): Refusal {
  return {
    reason: 'macro_unreplaced',
    detail: `${field}: the network sent a macro instead of its value`,
  }
}

function refuseNegative(field: string): Normalized {
  const detail = `${field}: negative, and the status is not reversed`
  return { kind: 'refused', refusal: { reason: 'amount_invalid', detail } }
}

const STATUS_UNKNOWN: Refusal = {
  reason: 'status_unknown',
  detail: 'status: a word that neither the rule nor `status_map` knows',
}

function hasAmount(fields: ConversionFields): boolean {
  return fields.payout !== undefined || fields.sale_amount !== undefined
}

function origin({ field, text, path }: { field: string; text: string; path: FieldTrace['path'] }) {
  return { field, source: text, path }
}

function byDefault(field: string, { value, path }: Default): FieldTrace {
  return { field, source: 'default', path, value }
}

/** Matchers run before the store has given the conversion its id. */
const fieldsBeforeId: Macros<ConversionFields> = {
  names: conversionFields.names.filter(name => name !== 'conversion_id'),
  resolve: name =>
    name.toLowerCase() === 'conversion_id' ? undefined : conversionFields.resolve(name),
}

function compileIgnore(matcher: Matcher, key: 'test' | 'informational') {
  return compileMatcher(matcher, fieldsBeforeId, ['ignore', key])
}
