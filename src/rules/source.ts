/**
 * Where a rule says that a value comes from: `cid`, `header:X-Sig`, `path:token`, `path:event`,
 * `json:data.items[0].id`, `literal:TEXT`. Compiled at load; reading is pure and never guesses:
 * a parameter sent twice with different values is `many`, one that cannot be decoded is `broken`,
 * and whoever uses the value decides what to answer (`param_duplicate`, `encoding_invalid`).
 */
import { fail, ok, type Result } from '../base/result.ts'
import { paramKey, type Param, type Postback } from '../model/postback.ts'
import { jsonAt, jsonText, parseJsonPath } from './json-path.ts'

export type Reading =
  | { readonly found: 'one'; readonly value: string }
  | { readonly found: 'none' | 'many' | 'broken'; readonly value: undefined }

export type SourceKind = 'param' | 'header' | 'path' | 'json' | 'literal'

export interface Source {
  readonly kind: SourceKind
  /** Parameter key (see `paramKey`), lower-case header, `token` or `event`, JSON path, or the text. */
  readonly name: string
  /** `one` may be the empty text: a parameter that was sent without a value. */
  read(postback: Postback): Reading
}

export const NOTHING: Reading = { found: 'none', value: undefined }
const MANY: Reading = { found: 'many', value: undefined }
const BROKEN: Reading = { found: 'broken', value: undefined }
const one = (value: string): Reading => ({ found: 'one', value })
const oneOrNone = (value: string | undefined): Reading =>
  value === undefined ? NOTHING : one(value)

/** The compiled source, or what is wrong with its text. */
export function compileSource(text: string): Result<Source, string> {
  const colon = text.indexOf(':')
  if (colon < 0) return compileParam(text)
  const rest = text.slice(colon + 1)
  switch (text.slice(0, colon)) {
    case 'header':
      return compileHeader(rest)
    case 'path':
      return compilePath(rest)
    case 'json':
      return compileJson(rest)
    case 'literal': {
      const reading = one(rest)
      return ok({ kind: 'literal', name: rest, read: () => reading })
    }
    default:
      return fail(
        `"${text}" is not a source; write a parameter name, header:NAME, path:token, ` +
          'path:event, json:a.b[0] or literal:TEXT',
      )
  }
}

/** The parameter of this key wherever it was sent (query or body), decoded. */
export function readParam(postback: Postback, key: string): Reading {
  return readFrom(postback, key, decoded)
}

/** The same as sent, still encoded; never `broken`. */
export function readRawParam(postback: Postback, key: string): Reading {
  return readFrom(postback, key, asSent)
}

const decoded = (param: Param): string | null => param.value
const asSent = (param: Param): string | null => param.raw

function readFrom(postback: Postback, key: string, text: (param: Param) => string | null): Reading {
  let value: string | undefined
  for (const param of postback.params) {
    if (param.key !== key) continue
    const found = text(param)
    if (found === null) return BROKEN
    if (value === undefined) value = found
    else if (value !== found) return MANY
  }
  return oneOrNone(value)
}

function compileParam(name: string): Result<Source, string> {
  const key = paramKey(name)
  if (key === '') return fail(`"${name}" is not a parameter name`)
  return ok({ kind: 'param', name: key, read: postback => readParam(postback, key) })
}

function compileHeader(name: string): Result<Source, string> {
  if (!/^[A-Za-z0-9-]+$/.test(name)) return fail(`"${name}" is not a header name`)
  const header = name.toLowerCase()
  return ok({
    kind: 'header',
    name: header,
    read: ({ headers }) => {
      const value = Object.hasOwn(headers, header) ? headers[header] : undefined
      if (!Array.isArray(value)) return oneOrNone(value)
      return value.every(each => each === value[0]) ? oneOrNone(value[0]) : MANY
    },
  })
}

function compilePath(part: string): Result<Source, string> {
  if (part === 'token') {
    return ok({ kind: 'path', name: part, read: ({ pathToken }) => oneOrNone(pathToken) })
  }
  if (part === 'event') {
    return ok({ kind: 'path', name: part, read: ({ pathEvent }) => oneOrNone(pathEvent) })
  }
  return fail(`"path:${part}" is not in a postback's path; there are path:token and path:event`)
}

function compileJson(text: string): Result<Source, string> {
  const path = parseJsonPath(text)
  if (!path.ok) return path
  return ok({
    kind: 'json',
    name: text,
    read: ({ json }) => oneOrNone(jsonText(jsonAt(json, path.value))),
  })
}
