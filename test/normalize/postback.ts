/** Postbacks for tests of normalize: what receive and verify would hand over. */
import type { Json, Param, ParamSource, VerifiedPostback } from '../../src/model/postback.ts'
import { paramKey } from '../../src/model/postback.ts'
import {
  compileNormalize,
  type FieldTrace,
  type NormalizeOptions,
  type Normalized,
} from '../../src/normalize/normalize.ts'
import type { NetworkRule } from '../../src/rules/schema.ts'

/** Null is a value that could not be decoded. */
export type Pair = readonly [name: string, value: string | null, source?: ParamSource]

export interface Extras {
  readonly headers?: Record<string, string>
  readonly json?: Json
  readonly pathEvent?: string
  readonly pathToken?: string
  readonly receivedAt?: number
}

export const ARRIVAL = Date.UTC(2026, 0, 1)

export function postbackOf(pairs: readonly Pair[], extras: Extras = {}): VerifiedPostback {
  const params: Param[] = pairs.map(([name, value, source = 'query']) => ({
    name,
    key: paramKey(name),
    value,
    raw: value ?? '%zz',
    source,
  }))
  const postback = {
    network: 'net',
    method: 'GET',
    target: '/in/net',
    headers: {},
    body: Buffer.alloc(0),
    json: undefined,
    pathToken: undefined,
    pathEvent: undefined,
    client: '203.0.113.10',
    receivedAt: ARRIVAL,
    ...extras,
    params,
  }
  return postback as unknown as VerifiedPostback
}

/** What verify would name for the checks of these tests. */
export const SECRET_KEYS: ReadonlySet<string> = new Set(['pw', 'sigx'])

export type RuleParts = Partial<NetworkRule>

export function ruleOf(parts: RuleParts): NetworkRule {
  return {
    name: 'Net',
    kind: 'generic',
    verified: 'community',
    docs: 'https://example.com/',
    verify: [],
    examples: [],
    ...parts,
  }
}

export function compiled(parts: RuleParts, override?: NormalizeOptions['override']) {
  const result = compileNormalize(ruleOf(parts), {
    network: 'net',
    secretKeys: SECRET_KEYS,
    ...(override ? { override } : {}),
  })
  if (!result.ok) throw new Error(JSON.stringify(result.error))
  return result.value
}

export function run(
  parts: RuleParts,
  pairs: readonly Pair[] | Record<string, string>,
  extras?: Extras,
  trace?: FieldTrace[],
): Normalized {
  const list = Array.isArray(pairs) ? (pairs as readonly Pair[]) : Object.entries(pairs)
  return compiled(parts)(postbackOf(list as readonly Pair[], extras), trace)
}

/** The fields of a conversion, or the reason code of anything else. */
export function fieldsOf(normalized: Normalized): Record<string, unknown> | string {
  if (normalized.kind === 'refused') return normalized.refusal.reason
  if (normalized.kind === 'ignored') return normalized.reason
  const { network: _network, received_at: _at, q: _q, ...fields } = normalized.value.conversion
  return fields
}

export function conversionOf(normalized: Normalized) {
  if (normalized.kind !== 'conversion') throw new Error(JSON.stringify(normalized))
  return normalized.value
}
