/**
 * Where a rule says that a value comes from: `cid`, `header:X-Sig`, `path:token`, `path:event`,
 * `json:data.items[0].id`, `join:s2,s3`, `literal:TEXT`, all but the last with filters behind it
 * (`txid|strip_prefix:r-`). Compiled at load; reading is pure and never guesses:
 * a parameter sent twice with different values is `many`, one that cannot be decoded is `broken`,
 * and whoever uses the value decides what to answer (`param_duplicate`, `encoding_invalid`).
 */
import { fail, ok, type Result } from '../base/result.ts'
import { paramKey, type Param, type Postback } from '../model/postback.ts'
import { compileFilter, type Filter } from './filters.ts'
import { jsonAt, jsonText, parseJsonQuery, SEVERAL } from './json-path.ts'

export type Reading =
  | { readonly found: 'one'; readonly value: string }
  | { readonly found: 'none' | 'many' | 'broken'; readonly value: undefined }

export type SourceKind = 'param' | 'header' | 'path' | 'json' | 'join' | 'literal'

export interface Source {
  readonly kind: SourceKind
  /** Parameter key (see `paramKey`), lower-case header, `token` or `event`, JSON path, or the text. */
  readonly name: string
  /** Keys of all parameters it reads. */
  readonly keys: readonly string[]
  /** The same without its filters; undefined where it has none. */
  readonly bare: Source | undefined
  /** `one` may be the empty text: a parameter that was sent without a value. */
  read(postback: Postback): Reading
}

export const NOTHING: Reading = { found: 'none', value: undefined }
const MANY: Reading = { found: 'many', value: undefined }
const BROKEN: Reading = { found: 'broken', value: undefined }
const one = (value: string): Reading => ({ found: 'one', value })
const UNFILTERED = { keys: [], bare: undefined } as const
const oneOrNone = (value: string | undefined): Reading =>
  value === undefined ? NOTHING : one(value)

/**
 * Filters that may stand behind a source: those that change the text of an id, none that could turn
 * a missing value into one.
 */
export const SOURCE_FILTERS = ['trim', 'lower', 'upper', 'strip_prefix', 'before', 'after', 'split']

/** The compiled source, or what is wrong with its text. */
export function compileSource(text: string): Result<Source, string> {
  if (text.startsWith('literal:')) return compileBare(text)
  const [bare = '', ...filters] = text.split('|')
  const source = compileBare(bare)
  if (!source.ok || filters.length === 0) return source
  const chain: Filter[] = []
  for (const each of filters) {
    const filter = compileSourceFilter(each)
    if (!filter.ok) return filter
    chain.push(filter.value)
  }
  const { read } = source.value
  return ok({
    ...source.value,
    bare: source.value,
    read: postback => {
      const reading = read(postback)
      if (reading.found !== 'one') return reading
      return oneOrNone(
        chain.reduce<string | undefined>((value, change) => change(value), reading.value),
      )
    },
  })
}

function compileSourceFilter(text: string): Result<Filter, string> {
  const [name = ''] = text.split(':')
  if (!SOURCE_FILTERS.includes(name)) {
    return fail(`a source has no filter "${name}"; there are ${SOURCE_FILTERS.join(', ')}`)
  }
  const compiled = compileFilter(text)
  return compiled.ok ? ok(compiled.value.filter) : compiled
}

function compileBare(text: string): Result<Source, string> {
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
    case 'join':
      return compileJoin(rest)
    case 'literal': {
      const reading = one(rest)
      return ok({ ...UNFILTERED, kind: 'literal', name: rest, read: () => reading })
    }
    default:
      return fail(
        `"${text}" is not a source; write a parameter name, header:NAME, path:token, ` +
          'path:event, json:a.b[0], join:A,B or literal:TEXT',
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
  return ok({
    kind: 'param',
    name: key,
    keys: [key],
    bare: undefined,
    read: postback => readParam(postback, key),
  })
}

/** Values one after the other: an id that was too long for one parameter. */
function compileJoin(names: string): Result<Source, string> {
  const keys = names.split(',').map(paramKey)
  if (keys.length < 2 || keys.includes('') || new Set(keys).size < keys.length) {
    return fail(`"join:${names}" joins nothing; write two or more parameters, join:A,B`)
  }
  return ok({
    kind: 'join',
    name: names,
    keys,
    bare: undefined,
    read: postback => {
      let joined: string | undefined
      for (const key of keys) {
        const reading = readParam(postback, key)
        if (reading.found === 'many' || reading.found === 'broken') return reading
        if (reading.value !== undefined) joined = (joined ?? '') + reading.value
      }
      return oneOrNone(joined)
    },
  })
}

function compileHeader(name: string): Result<Source, string> {
  if (!/^[A-Za-z0-9-]+$/.test(name)) return fail(`"${name}" is not a header name`)
  const header = name.toLowerCase()
  return ok({
    ...UNFILTERED,
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
    return ok({
      ...UNFILTERED,
      kind: 'path',
      name: part,
      read: ({ pathToken }) => oneOrNone(pathToken),
    })
  }
  if (part === 'event') {
    return ok({
      ...UNFILTERED,
      kind: 'path',
      name: part,
      read: ({ pathEvent }) => oneOrNone(pathEvent),
    })
  }
  return fail(`"path:${part}" is not in a postback's path; there are path:token and path:event`)
}

function compileJson(text: string): Result<Source, string> {
  const path = parseJsonQuery(text)
  if (!path.ok) return path
  return ok({
    ...UNFILTERED,
    kind: 'json',
    name: text,
    read: ({ json }) => {
      const value = jsonAt(json, path.value)
      return value === SEVERAL ? MANY : oneOrNone(jsonText(value))
    },
  })
}
