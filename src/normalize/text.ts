/**
 * What opaque text must be before it may identify, be stored or be sent on: not too long, free of
 * control characters (a CR LF becomes a header of somebody's request) and well-formed Unicode (two
 * different lone surrogates are the same bytes once encoded). Otherwise it is kept as sent.
 */
import type { Refusal } from '../reasons.ts'

const PLAIN = /^[\x20-\x7e]*$/
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/
const LONE_SURROGATE = /\p{Surrogate}/u

const LIMITS: Readonly<Record<string, number>> = {
  transaction_id: 256,
  user_agent: 2048,
  landing_url: 2048,
  reason: 2048,
}
export const DEFAULT_LIMIT = 512

/** Characters that a field may have at most. */
export function limitOf(field: string): number {
  return LIMITS[field] ?? DEFAULT_LIMIT
}

/** Undefined where the text may be used. `what` names it for the refusal's detail. */
export function checkText(text: string, limit: number, what: string): Refusal | undefined {
  if (text.length > limit) {
    return { reason: 'param_too_long', detail: `${what}: longer than ${limit} characters` }
  }
  if (PLAIN.test(text)) return undefined
  if (CONTROL.test(text)) return { reason: 'param_invalid', detail: `${what}: control character` }
  if (LONE_SURROGATE.test(text)) {
    return { reason: 'encoding_invalid', detail: `${what}: broken Unicode` }
  }
  return undefined
}
