/**
 * Paths into JSON: `data.items[0].price`, and `commissions[source=AFFILIATE].value` for the entry of
 * a list whose `source` is that text. Names as sent, case kept; no wildcards.
 */
import { fail, ok, type Result } from '../base/result.ts'
import { JsonNumber, type Json } from '../model/postback.ts'

interface Selector {
  readonly name: string
  readonly text: string
}
export type JsonPath = readonly (string | number)[]
/** A path that may choose an entry of a list. */
export type JsonQuery = readonly (string | number | Selector)[]

/** More than one entry fits a selector: nobody can tell which is meant. */
export const SEVERAL: unique symbol = Symbol('several')

const STEP = /(\.?)([^.[\]]+)|\[(\d{1,4})\]|\[([^=[\]]+)=([^[\]]*)\]/y

export function parseJsonPath(text: string): Result<JsonPath, string> {
  const path = parseJsonQuery(text)
  if (!path.ok) return path
  const plain = path.value.filter(step => typeof step !== 'object')
  return plain.length === path.value.length ? ok(plain) : notPath(text)
}

export function parseJsonQuery(text: string): Result<JsonQuery, string> {
  const path: (string | number | Selector)[] = []
  STEP.lastIndex = 0
  while (STEP.lastIndex < text.length) {
    const match = STEP.exec(text)
    // A name follows a dot, except at the start.
    if (!match || (match[2] !== undefined && (match[1] === '') !== (path.length === 0))) {
      return notPath(text)
    }
    const [, , name, index, key, value = ''] = match
    if (name !== undefined) path.push(name)
    else if (index !== undefined) path.push(Number(index))
    else if (key !== undefined) path.push({ name: key, text: value })
  }
  return path.length > 0 ? ok(path) : notPath(text)
}

function notPath(text: string): Result<never, string> {
  return fail(
    `"${text}" is not a JSON path; write it like data.items[0].price or items[kind=sale].price`,
  )
}

/** The text of a scalar (numbers as sent, `true`, `false`); undefined for null, lists and objects. */
export function jsonText(value: Json | undefined | typeof SEVERAL): string | undefined {
  if (typeof value === 'string') return value
  if (value instanceof JsonNumber) return value.text
  return typeof value === 'boolean' ? String(value) : undefined
}

export function jsonAt(root: Json | undefined, path: JsonQuery): Json | undefined | typeof SEVERAL {
  let value: Json | undefined = root
  for (const step of path) {
    if (typeof step === 'number') value = Array.isArray(value) ? value[step] : undefined
    else if (typeof step === 'string') value = value instanceof Map ? value.get(step) : undefined
    else {
      const fitting = entriesOf(value, step)
      if (fitting.length > 1) return SEVERAL
      value = fitting[0]
    }
  }
  return value
}

function entriesOf(value: Json | undefined, { name, text }: Selector): Json[] {
  if (!Array.isArray(value)) return []
  return value.filter(entry => entry instanceof Map && jsonText(entry.get(name)) === text)
}
