/**
 * Which of the things sent fills which field. In: a postback and a plan. Out: per field the first
 * source that has a value, by rank; empty values, `null` and unfilled macros are passed over.
 */
import type { Param, Postback } from '../model/postback.ts'
import type { Refusal } from '../reasons.ts'
import { formOf } from './macro-guard.ts'
import { FIELDS_OF_NAMES, type Claim, type Plan } from './plan.ts'

/** By slot of the plan. */
export interface Pick {
  readonly claims: readonly (Claim | undefined)[]
  readonly values: readonly (string | undefined)[]
  /** Why a value that was picked cannot be used. */
  readonly refusals: readonly (Refusal | undefined)[]
  /** A macro was sent in place of a value. */
  readonly hasMacro: readonly (true | undefined)[]
}

export function pick(postback: Postback, plan: Plan): Pick {
  const count = plan.fields.length
  const claims: (Claim | undefined)[] = []
  const values: (string | undefined)[] = []
  const refusals: (Refusal | undefined)[] = []
  const hasMacro: (true | undefined)[] = []

  const isBetter = ({ slot, rank }: Claim) => {
    const best = claims[slot]
    return best === undefined || rank < best.rank
  }
  const isUsable = (claim: Claim, value: string) => {
    const form = formOf(value)
    if (form === 'macro') hasMacro[claim.slot] = true
    return form === 'value' || (form === 'word' && FIELDS_OF_NAMES.has(claim.field))
  }

  for (const { key, value } of postback.params) {
    for (const claim of plan.byKey.get(key) ?? NO_CLAIMS) {
      if (!isBetter(claim)) continue
      if (value !== null && !isUsable(claim, value)) continue
      claims[claim.slot] = claim
      values[claim.slot] = value ?? undefined
    }
  }
  for (let slot = 0; slot < count; slot++) {
    const claim = claims[slot]
    if (claim) refusals[slot] = refusalOf(postback.params, claim, values[slot])
  }
  for (const claim of plan.others) {
    if (!isBetter(claim)) continue
    const { found, value } = claim.source.read(postback)
    if (found === 'none') continue
    if (isMadeOfMacro(postback, claim)) {
      hasMacro[claim.slot] = true
      continue
    }
    if (found === 'one' && claim.source.kind !== 'literal' && !isUsable(claim, value)) continue
    claims[claim.slot] = claim
    values[claim.slot] = value
    refusals[claim.slot] =
      found === 'many' ? duplicate(claim) : found === 'broken' ? broken(claim) : undefined
  }
  return { claims, values, refusals, hasMacro }
}

/** A filter or a join can make a macro look like data: `{transaction-id}` behind its dash. */
function isMadeOfMacro(postback: Postback, { source }: Claim): boolean {
  const { bare, keys } = source
  if (keys.length === 0) {
    const value = bare?.read(postback).value
    return value !== undefined && formOf(value) === 'macro'
  }
  return postback.params.some(
    ({ key, value }) => value !== null && keys.includes(key) && formOf(value) === 'macro',
  )
}

const NO_CLAIMS: readonly Claim[] = []

/** Sent twice with different values, in the query, the body or one in each: nobody can tell which is true. */
function refusalOf(
  params: readonly Param[],
  claim: Claim,
  value: string | undefined,
): Refusal | undefined {
  if (value === undefined) return broken(claim)
  const key = claim.source.name
  for (const param of params) {
    if (param.key !== key || param.value === value) continue
    return param.value === null ? broken(claim) : duplicate(claim)
  }
  return undefined
}

function duplicate({ field, text }: Claim): Refusal {
  return { reason: 'param_duplicate', detail: `${field}: "${text}" sent with different values` }
}

function broken({ field, text }: Claim): Refusal {
  return { reason: 'encoding_invalid', detail: `${field}: "${text}" cannot be decoded` }
}
