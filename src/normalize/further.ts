/**
 * Parameters that fill no field, kept as sent for `{q.NAME}`: the first value of each name, without
 * credentials, unfilled macros and control characters, and never more than a record should carry.
 */
import { isSecretName } from '../base/redact.ts'
import type { Postback } from '../model/postback.ts'
import { formOf } from './macro-guard.ts'
import type { Pick } from './pick.ts'
import type { Claim, Plan } from './plan.ts'
import { checkText } from './text.ts'

const MOST = 50
const LONGEST_NAME = 100
const LONGEST_VALUE = 2048
const PROTOTYPE = new Set(['__proto__', 'constructor', 'prototype'])

export function furtherParams(
  { params }: Postback,
  plan: Plan,
  { claims }: Pick,
  hidden: ReadonlySet<string>,
): Record<string, string> {
  const further: Record<string, string> = {}
  let count = 0
  const isUsed = (claim: Claim) => claims[claim.slot] === claim
  const used = plan.others.filter(claim => claim.source.keys.length > 0 && isUsed(claim))
  for (const { name, key, value } of params) {
    if (value === null || count === MOST) continue
    if (plan.byKey.get(key)?.some(isUsed)) continue
    if (used.some(({ source }) => source.keys.includes(key))) continue
    if (hidden.has(key) || isSecretName(name) || Object.hasOwn(further, name)) continue
    if (PROTOTYPE.has(name) || checkText(name, LONGEST_NAME, name)) continue
    if (checkText(value, LONGEST_VALUE, name) || isNothing(value)) continue
    further[name] = value
    count++
  }
  return further
}

function isNothing(value: string): boolean {
  const form = formOf(value)
  return form === 'empty' || form === 'macro'
}
