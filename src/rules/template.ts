/**
 * Templates with the macros people of this field know: `{click_id}`, filters after a bar
 * (`{payout|fixed:2}`), `{_name}` for a value that is not encoded again, and Keitaro's inline map
 * `{status:lead=0 sale=1}`. Compiled once at load to a list of pieces; rendering is one pass and
 * what a value contains is never read as a template again.
 */
import { fail, ok, type Result } from '../base/result.ts'
import { compileFilter, wordMap, type Filter, type ValueKind } from './filters.ts'
import { nearest } from './similar.ts'

/** Where a macro's value comes from. */
export interface Macro<Source> {
  get(source: Source): string | undefined
  readonly kind: ValueKind
}

export interface Macros<Source> {
  /** Undefined for an unknown name. */
  resolve(name: string): Macro<Source> | undefined
  /** All names, for "did you mean". */
  readonly names: readonly string[]
}

export interface TemplateFault {
  /** Index in the template's text. */
  readonly offset: number
  readonly message: string
}

export interface Template<Source> {
  readonly text: string
  /** Names used, as written. */
  readonly macros: readonly string[]
  /** `number` where the whole text is one macro that is a number. */
  readonly kind: ValueKind
  /** Undefined where it has macros and every one of them is empty. */
  render(source: Source): string | undefined
}

export type Encode = (value: string) => string

interface Slot<Source> {
  readonly get: (source: Source) => string | undefined
  readonly encode: Encode | undefined
}

const MACRO = /\{(_?)([A-Za-z][\w.-]*)((?::[^{}|]*)?)((?:\|[^{}]*)?)\}/g

export function compileTemplate<Source>(
  text: string,
  macros: Macros<Source>,
  encode?: Encode,
): Result<Template<Source>, TemplateFault> {
  const literals: string[] = []
  const slots: Slot<Source>[] = []
  const names: string[] = []
  let kind: ValueKind = 'text'
  let end = 0
  for (const match of text.matchAll(MACRO)) {
    const [whole, raw, name = '', inlineMap = '', filters = ''] = match
    const macro = macros.resolve(name)
    if (!macro) return fail({ offset: match.index, message: unknownMacro(name, macros.names) })
    const chain = compileChain(macro.kind, inlineMap, filters)
    if (!chain.ok) return fail({ offset: match.index, message: chain.error })
    literals.push(text.slice(end, match.index))
    slots.push({ get: applyAll(macro.get, chain.value.filters), encode: raw ? undefined : encode })
    names.push(name)
    kind = whole === text ? chain.value.kind : 'text'
    end = match.index + whole.length
  }
  literals.push(text.slice(end))
  return ok({ text, macros: names, kind, render: renderer(literals, slots) })
}

/** `text` with everything outside its macros changed, such as encoded like the values will be. */
export function mapLiterals(text: string, change: (literal: string) => string): string {
  let mapped = ''
  let end = 0
  for (const match of text.matchAll(MACRO)) {
    mapped += change(text.slice(end, match.index)) + match[0]
    end = match.index + match[0].length
  }
  return mapped + change(text.slice(end))
}

function renderer<Source>(
  literals: readonly string[],
  slots: readonly Slot<Source>[],
): (source: Source) => string | undefined {
  const first = literals[0] ?? ''
  if (slots.length === 0) return () => first
  return source => {
    let text = first
    let isEmpty = true
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i] as Slot<Source>
      const value = slot.get(source)
      if (value !== undefined && value !== '') {
        isEmpty = false
        text += slot.encode ? slot.encode(value) : value
      }
      text += literals[i + 1]
    }
    return isEmpty ? undefined : text
  }
}

function compileChain(
  macroKind: ValueKind,
  inlineMap: string,
  filters: string,
): Result<{ filters: Filter[]; kind: ValueKind }, string> {
  const compiled: Filter[] = []
  let kind = macroKind
  if (inlineMap) {
    const words = wordMap(inlineMap.slice(1).trim().split(/\s+/))
    if (!words) return fail('an inline map is written {status:lead=0 sale=1}')
    compiled.push(value => (value === undefined ? undefined : words.get(value)))
    kind = 'text'
  }
  for (const text of filters ? filters.slice(1).split(/(?<!\\)\|/) : []) {
    const filter = compileFilter(text)
    if (!filter.ok) return filter
    compiled.push(filter.value.filter)
    if (filter.value.kind !== 'keep') kind = filter.value.kind
  }
  return ok({ filters: compiled, kind })
}

function applyAll<Source>(
  get: (source: Source) => string | undefined,
  filters: readonly Filter[],
): (source: Source) => string | undefined {
  if (filters.length === 0) return get
  return source => filters.reduce((value, filter) => filter(value), get(source))
}

function unknownMacro(name: string, names: readonly string[]): string {
  const meant = nearest(name, names)
  return `unknown macro {${name}}${meant ? `, did you mean {${meant}}?` : ''}`
}

// --- encoding by position -------------------------------------------------------------------

/** RFC 3986 for a path segment or query value: everything but unreserved characters. */
export const encodeUrl: Encode = value =>
  UNRESERVED.test(value)
    ? value
    : encodeURIComponent(value.replace(/\p{Surrogate}/gu, '\ufffd')).replace(
        /[!'()*]/g,
        c => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
      )

/** Most values are ids and amounts, which need no encoding. */
const UNRESERVED = /^[\w.~-]*$/

/** application/x-www-form-urlencoded: as the URL standard, with `+` for a space. */
export const encodeForm: Encode = value => encodeUrl(value).replaceAll('%20', '+')

/** Inside a JSON string, without the quotes. */
export const encodeJson: Encode = value => JSON.stringify(value).slice(1, -1)
