/**
 * `name=value` pairs of a query string or form body, in the order sent
 * (https://url.spec.whatwg.org/#urlencoded-parsing), with what that standard leaves out: broken
 * percent-encoding or UTF-8 makes the value null instead of text with holes, and the raw text stays
 * beside the decoded one, because some networks sign the one and some the other.
 * `&` alone separates; `;` is data. Values are decoded once.
 */
import { paramKey, type Param, type ParamSource } from '../model/postback.ts'
import type { Refusal } from '../reasons.ts'
import type { ReadLimits } from './limits.ts'

interface ParamName {
  readonly name: string
  readonly key: string
  readonly isForbidden: boolean
}

/** Never a parameter of an honest network; dropped so that no later object can be tricked. */
const FORBIDDEN = new Set(['__proto__', 'constructor', 'prototype'])

export function isForbiddenName(name: string): boolean {
  return FORBIDDEN.has(name)
}

/** Appends the pairs of `text` to `into`; the refusal where a limit is passed. */
export function readPairs(
  text: string,
  source: ParamSource,
  limits: ReadLimits,
  into: Param[],
): Refusal | undefined {
  let start = 0
  while (start < text.length) {
    let end = text.indexOf('&', start)
    if (end < 0) end = text.length
    if (end > start) {
      let equals = text.indexOf('=', start)
      if (equals < 0 || equals > end) equals = end
      const name = readName(text.slice(start, equals))
      if (!name.isForbidden) {
        const raw = equals < end ? text.slice(equals + 1, end) : ''
        const fault = addParam(into, { name, value: decode(raw), raw, source }, limits)
        if (fault) return fault
      }
    }
    start = end + 1
  }
  return undefined
}

/** A parameter that needs no decoding: a scalar of a JSON body. */
export function addText(
  name: string,
  value: string,
  source: ParamSource,
  limits: ReadLimits,
  into: Param[],
): Refusal | undefined {
  return addParam(into, { name: plainName(name), value, raw: value, source }, limits)
}

function addParam(
  into: Param[],
  param: { name: ParamName; value: string | null; raw: string; source: ParamSource },
  limits: ReadLimits,
): Refusal | undefined {
  if (into.length >= limits.params) {
    return { reason: 'param_too_many', detail: `more than ${limits.params} parameters` }
  }
  const { name, value, raw, source } = param
  const length = value === null ? raw.length : value.length
  if (length > limits.valueChars || name.name.length > limits.valueChars) {
    const which = name.name.length > limits.valueChars ? 'a name' : 'a value'
    return { reason: 'param_too_long', detail: `${which} over ${limits.valueChars} characters` }
  }
  into.push({ name: name.name, key: name.key, value, raw, source })
  return undefined
}

/** `+` is a space, `%xx` are UTF-8 bytes; null where they are broken. */
export function decode(raw: string): string | null {
  const spaced = raw.includes('+') ? raw.replaceAll('+', ' ') : raw
  if (!spaced.includes('%')) return spaced
  try {
    return decodeURIComponent(spaced)
  } catch {
    return null
  }
}

// A network sends the same few names for ever, so decoding and folding them is done once.
// Cleared when full rather than evicted one by one: whoever fills it with junk costs the others one
// refill, and a lookup stays a plain map read.
const MEMO_SIZE = 2000
const MEMO_NAME_LENGTH = 64
const memo = new Map<string, ParamName>()

function readName(raw: string): ParamName {
  const known = memo.get(raw)
  if (known) return known
  if (raw.length > MEMO_NAME_LENGTH) return plainName(decode(raw) ?? raw)
  // A copy, because a slice would keep the whole request it was cut from in memory.
  const own = Buffer.from(raw).toString()
  const name = plainName(decode(own) ?? own)
  if (memo.size >= MEMO_SIZE) memo.clear()
  memo.set(own, name)
  return name
}

function plainName(name: string): ParamName {
  return { name, key: paramKey(name), isForbidden: isForbiddenName(name) }
}
