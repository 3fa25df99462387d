/**
 * Which sources may fill which field, worked out at load. In: a rule's `fields` and `aliases`, the
 * operator's own. Out: an index from parameter key to the fields that want it, so that reading a
 * postback is one pass over what was sent and not over all the names that could have been.
 *
 * A name that a rule gives to a field means that field only: common aliases do not use it again.
 */
import { fail, ok, type Result } from '../base/result.ts'
import { INPUT_FIELDS, type InputField } from '../model/conversion.ts'
import type { RuleFault } from '../rules/rule-fault.ts'
import { nearest } from '../rules/similar.ts'
import { compileSource, type Source } from '../rules/source.ts'
import { COMMON_ALIASES, type ReadField } from './aliases.ts'

type Path = readonly (string | number)[]

/** One source of one field. */
export interface Claim {
  readonly field: ReadField
  /** The field's place in every array of a pick. */
  readonly slot: number
  /** 0 is asked first. */
  readonly rank: number
  /** As written in the rule. */
  readonly text: string
  /** Where it is written; `['aliases']` for a common alias. */
  readonly path: Path
  readonly source: Source
}

export interface Plan {
  readonly fields: readonly ReadField[]
  readonly byKey: ReadonlyMap<string, readonly Claim[]>
  /** Headers, paths, JSON, literals, and parameters that are joined or filtered, by rank. */
  readonly others: readonly Claim[]
}

export interface PlanSpec {
  readonly fields: Readonly<Record<string, readonly string[]>>
  /** Where `status` comes from, if not from `fields`. */
  readonly status: readonly string[] | undefined
  readonly hasCommonAliases: boolean
  /** The operator's, which replace a field's sources. */
  readonly override: Readonly<Record<string, readonly string[]>>
  /** Keys of parameters that no field may use. */
  readonly secretKeys: ReadonlySet<string>
}

/** Words such as "null" are nothing, except where people and places have such names. */
export const FIELDS_OF_NAMES: ReadonlySet<ReadField> = new Set([
  'first_name',
  'last_name',
  'city',
  'region',
])

export function compilePlan(spec: PlanSpec): Result<Plan, readonly RuleFault[]> {
  const faults: RuleFault[] = []
  const claims: Claim[] = []
  const fields: ReadField[] = []
  const given = givenSources(spec, faults)
  const named = new Set<string>()

  for (const [field, { texts, path }] of given) {
    const slot = fields.push(field) - 1
    texts.forEach((text, rank) => {
      const at = [...path, rank]
      const source = compileSource(text)
      if (!source.ok) faults.push({ path: at, message: source.error })
      else if (source.value.keys.some(key => spec.secretKeys.has(key))) {
        faults.push({
          path: at,
          message: `"${text}" carries a credential and cannot fill ${field}`,
          hint: 'tokens and signatures are never part of a conversion',
        })
      } else {
        for (const key of source.value.keys) named.add(key)
        claims.push({ field, slot, rank, text, path: at, source: source.value })
      }
    })
  }
  if (spec.hasCommonAliases) addCommon(spec, given, named, fields, claims)
  if (faults.length > 0) return fail(faults)

  const byKey = new Map<string, Claim[]>()
  const others: Claim[] = []
  for (const claim of claims.toSorted((a, b) => a.rank - b.rank)) {
    const { kind, name, bare } = claim.source
    if (kind !== 'param' || bare) others.push(claim)
    else byKey.set(name, [...(byKey.get(name) ?? []), claim])
  }
  return ok({ fields, byKey, others })
}

type Given = Map<ReadField, { readonly texts: readonly string[]; readonly path: Path }>

function givenSources(spec: PlanSpec, faults: RuleFault[]): Given {
  const given: Given = new Map()
  for (const [field, texts] of Object.entries(spec.fields)) {
    given.set(field as InputField, { texts, path: ['fields', field] })
  }
  if (spec.status) {
    if (given.has('status')) {
      faults.push({
        path: ['fields', 'status'],
        message: '`status.from` says already where the status comes from',
        hint: 'keep one of the two',
      })
    }
    given.set('status', { texts: spec.status, path: ['status', 'from'] })
  }
  for (const [field, texts] of Object.entries(spec.override)) {
    if (isInputField(field)) given.set(field, { texts, path: ['override', 'fields', field] })
    else {
      const meant = nearest(field, INPUT_FIELDS)
      faults.push({
        path: ['override', 'fields', field],
        message: `unknown field "${field}"${meant ? `, did you mean "${meant}"?` : ''}`,
      })
    }
  }
  return given
}

function addCommon(
  spec: PlanSpec,
  given: Given,
  named: ReadonlySet<string>,
  fields: ReadField[],
  claims: Claim[],
): void {
  for (const [field, names] of COMMON_ALIASES) {
    if (given.has(field)) continue
    const slot = fields.push(field) - 1
    names.forEach((text, rank) => {
      const source = compileSource(text)
      if (!source.ok) return
      const { name } = source.value
      if (named.has(name) || spec.secretKeys.has(name)) return
      claims.push({ field, slot, rank, text, path: ['aliases'], source: source.value })
    })
  }
}

function isInputField(field: string): field is InputField {
  return (INPUT_FIELDS as readonly string[]).includes(field)
}
