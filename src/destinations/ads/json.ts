/**
 * JSON bodies. Like `JSON.stringify`, with two differences: a number may be given as its digits, so
 * that money is never a float, and what is empty is left out together with what held only that.
 */
import { valueText } from '../../base/decimal.ts'
import { ok } from '../../base/result.ts'
import type { DeliveryRequest } from '../../model/delivery.ts'
import { JsonNumber } from '../../model/postback.ts'

export type Body =
  | string
  | number
  | boolean
  | JsonNumber
  | undefined
  | readonly Body[]
  | { readonly [key: string]: Body }

/** A decimal as a JSON number, without trailing zeros: "49.90" is 49.9. */
export function amount(decimal: string | undefined): JsonNumber | undefined {
  return decimal === undefined ? undefined : new JsonNumber(valueText(decimal))
}

export function toJson(body: Body): string {
  return write(body) ?? '{}'
}

/** Undefined where nothing is left; a literal `[]` or `{}` stays. */
function write(body: Body): string | undefined {
  if (body === undefined) return undefined
  if (body instanceof JsonNumber) return body.text
  if (typeof body !== 'object') return JSON.stringify(body)
  if (isList(body)) return join('[', ']', body.map(write), body.length)
  const entries = Object.entries(body)
  const parts = entries.map(([key, value]) => {
    const text = write(value)
    return text === undefined ? undefined : `${JSON.stringify(key)}:${text}`
  })
  return join('{', '}', parts, entries.length)
}

function isList(body: object): body is readonly Body[] {
  return Array.isArray(body)
}

function join(
  open: string,
  close: string,
  parts: readonly (string | undefined)[],
  given: number,
): string | undefined {
  const present = parts.filter(part => part !== undefined)
  if (present.length === 0 && given > 0) return undefined
  return open + present.join(',') + close
}

/** `headers` carry the content type. */
export function post(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: Body,
): { readonly ok: true; readonly value: DeliveryRequest } {
  return ok({ method: 'POST', url, headers, body: toJson(body) })
}

export const JSON_HEADERS = Object.freeze({ 'content-type': 'application/json' })
