/** Paths into JSON: `data.commissions[0].value`. Names as sent, case kept; no wildcards. */
import { fail, ok, type Result } from '../base/result.ts'
import { JsonNumber, type Json } from '../model/postback.ts'

export type JsonPath = readonly (string | number)[]

export function parseJsonPath(text: string): Result<JsonPath, string> {
  const path: (string | number)[] = []
  for (const part of text.split('.')) {
    const match = /^([^[\]]*)((?:\[\d{1,4}\])*)$/.exec(part)
    if (!match || (match[1] === '' && match[2] === '')) {
      return fail(`"${text}" is not a JSON path; write it like data.items[0].price`)
    }
    if (match[1]) path.push(match[1])
    for (const index of match[2]?.matchAll(/\d+/g) ?? []) path.push(Number(index[0]))
  }
  return ok(path)
}

/** The text of a scalar (numbers as sent, `true`, `false`); undefined for null, lists and objects. */
export function jsonText(value: Json | undefined): string | undefined {
  if (typeof value === 'string') return value
  if (value instanceof JsonNumber) return value.text
  return typeof value === 'boolean' ? String(value) : undefined
}

export function jsonAt(root: Json | undefined, path: JsonPath): Json | undefined {
  let value: Json | undefined = root
  for (const step of path) {
    if (typeof step === 'number') value = Array.isArray(value) ? value[step] : undefined
    else value = value instanceof Map ? value.get(step) : undefined
  }
  return value
}
