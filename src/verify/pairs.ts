/**
 * Which pairs of a postback are signed, and in which order. In: the pairs as they came. Out: names
 * and values, decoded; a name sent twice with different values is a refusal, since the sender's side
 * has kept one of the two and nobody knows which.
 */
import { fail, ok, type Result } from '../base/result.ts'
import { paramKey, type Postback } from '../model/postback.ts'
import type { Refusal } from '../reasons.ts'
import type { PairsSignatureCheck } from '../rules/check-schema.ts'
import { undecidable } from './signed-text.ts'

export type Pair = readonly [name: string, value: string]
export type SelectPairs = (postback: Postback) => Result<readonly Pair[], Refusal>

type Spec = Pick<
  PairsSignatureCheck,
  'source' | 'order' | 'names' | 'exclude' | 'skip' | 'skip_empty' | 'skip_lists'
>

/** `carriers`: keys of the parameters that carry the signature. */
export function compilePairs(spec: Spec, carriers: readonly string[]): SelectPairs {
  const excluded = new Set([...carriers, ...(spec.exclude ?? []).map(paramKey)])
  const listed = spec.names?.map(paramKey)
  const skippedEmpty = new Set(spec.skip_empty?.map(paramKey))
  const takesPart = (key: string, name: string, value: string) => {
    if (listed && !listed.includes(key)) return false
    if (spec.skip_lists && name.includes('[')) return false
    if (value === '') return spec.skip === undefined && !skippedEmpty.has(key)
    return spec.skip !== 'falsy' || value !== '0'
  }
  const arrange = ARRANGE[spec.order]
  return ({ params }) => {
    const sent = new Map<string, { readonly key: string; readonly value: string }>()
    for (const { name, key, value, source } of params) {
      if (source !== spec.source || excluded.has(key)) continue
      if (value === null) return fail(undecidable('broken', name))
      const before = sent.get(name)
      if (before && before.value !== value) return fail(undecidable('many', name))
      sent.set(name, { key, value })
    }
    const pairs: Pair[] = []
    for (const [name, { key, value }] of sent) {
      if (takesPart(key, name, value)) pairs.push([name, value])
    }
    return ok(arrange(pairs, listed))
  }
}

type Arrange = (pairs: readonly Pair[], names: readonly string[] | undefined) => readonly Pair[]

const ARRANGE: Readonly<Record<Spec['order'], Arrange>> = {
  name: pairs => pairs.toSorted(([a], [b]) => compareBytes(a, b)),
  position_text: pairs =>
    pairs
      .map((pair, position) => ({ pair, place: String(position) }))
      .toSorted((a, b) => compareBytes(a.place, b.place))
      .map(({ pair }) => pair),
  listed: (pairs, names = []) => {
    const place = ([name]: Pair) => names.indexOf(paramKey(name))
    return pairs.toSorted((a, b) => place(a) - place(b))
  },
}

/** Order of the UTF-8 bytes, which is that of the characters unless there are surrogates. */
function compareBytes(a: string, b: string): number {
  if (/[\ud800-\udfff]/.test(a + b)) return Buffer.compare(Buffer.from(a), Buffer.from(b))
  return a < b ? -1 : a > b ? 1 : 0
}
