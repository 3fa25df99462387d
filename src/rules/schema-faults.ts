/**
 * One finding of the schema validator → a fault in plain words at the place in the file.
 * Guarantees: a value is never repeated, except the text of a scalar that only lacks its quotes
 * and whose key is not secret-like.
 */
import type { ErrorObject } from 'ajv'
import type { SourceDocument } from './document.ts'
import type { Fault, Path } from './faults.ts'
import { nearest } from './similar.ts'
import { DECIMAL_PATTERN, NAME_PATTERN } from './shape.ts'

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: '`true` or `false`',
  array: 'a list',
  object: 'a map of `key: value`',
}

/** Patterns whose schema has no description of its own, or a worse one. */
export const PATTERN_WORDS: Readonly<Record<string, string>> = {
  [DECIMAL_PATTERN]: 'a plain decimal in quotes, such as "12.50"',
  [NAME_PATTERN]: 'lower-case letters, digits, `_` and `-`, starting with a letter or digit',
  '^[1-5](\\d\\d|xx)$': '`200` or `2xx`, in quotes',
  '^https?://': 'starts with `https://` or `http://`',
  '^[A-Z]{3}$': 'an ISO 4217 code such as `USD`',
}

/** With a guess at hand, a longer list of what else there is would only hide it. */
const MAX_LISTED = 30

/** A pattern that is only a list of words: `^(a|b)$`. */
const WORD_LIST = /^\^\(([\w|]+)\)\$$/

interface Schema {
  readonly description?: string
  readonly properties?: Readonly<Record<string, unknown>>
  readonly enum?: readonly string[]
}

/** Undefined for findings that another one already tells. */
export function toFault(
  error: ErrorObject,
  document: SourceDocument,
  isValueShown: (path: Path) => boolean,
): Fault | undefined {
  const path = toPath(error.instancePath, document.value)
  const schema = (error.parentSchema ?? {}) as Schema
  const name = subject(path)
  const about = schema.description

  if (error.propertyName !== undefined) return keyPatternFault(error, path, document)
  switch (error.keyword) {
    case 'propertyNames':
      return undefined
    case 'additionalProperties': {
      const key = String(error.params['additionalProperty'])
      const known = Object.keys(schema.properties ?? {})
      return unknownKey(document, [...path, key], key, known)
    }
    case 'required': {
      const key = String(error.params['missingProperty'])
      const property = (schema.properties?.[key] ?? {}) as Schema
      return document.fault(path, `missing key \`${key}\`${within(path)}`, property.description)
    }
    case 'type':
      return typeFault(error, path, document, isValueShown(path))
    case 'enum': {
      const allowed = schema.enum ?? []
      const guess =
        isValueShown(path) && typeof error.data === 'string'
          ? nearest(error.data, allowed)
          : undefined
      const message = `${name} is not an allowed value${guess ? `, did you mean \`${guess}\`?` : ''}`
      return document.fault(path, message, `one of: ${allowed.join(', ')}`)
    }
    case 'pattern': {
      const pattern = String(error.params['pattern'])
      const words = PATTERN_WORDS[pattern] ?? (about && about.length <= 40 ? about : undefined)
      const message = `${name} is not of the right form${words ? `: ${words}` : ''}`
      return document.fault(path, message, words === about ? undefined : about)
    }
    case 'minProperties':
    case 'maxProperties': {
      const known = Object.keys(schema.properties ?? {})
      const limit = Number(error.params['limit'])
      const isOneOf = error.keyword === 'maxProperties' && limit === 1
      const what = isOneOf ? 'must hold only one of' : 'is empty; it needs one of'
      return document.fault(path, `${name} ${what}: ${known.join(', ')}`, about)
    }
    default:
      return document.fault(path, `${name} ${limitWords(error)}`, about)
  }
}

/** Also for what only the rest of the configuration can tell: a setting the rule does not have. */
export function unknownKey(
  document: SourceDocument,
  path: Path,
  key: string,
  known: readonly string[],
): Fault {
  const guess = nearest(key, known)
  const message = `unknown key \`${key.slice(0, 64)}\`${guess ? `, did you mean \`${guess}\`?` : ''}`
  const isLong = guess !== undefined && known.length > MAX_LISTED
  const all = known.length > 0 ? `known here: ${known.join(', ')}` : 'no keys are known here'
  const hint = isLong ? undefined : all
  return document.keyFault(path, message, hint)
}

function keyPatternFault(error: ErrorObject, parent: Path, document: SourceDocument): Fault {
  const key = error.propertyName ?? ''
  const pattern = String(error.params['pattern'])
  const words = WORD_LIST.exec(pattern)?.[1]?.split('|')
  if (words) return unknownKey(document, [...parent, key], key, words)
  const form = PATTERN_WORDS[pattern] ?? 'between 1 and 200 characters on one line'
  return document.keyFault([...parent, key], `this key is not of the right form: ${form}`)
}

function typeFault(
  error: ErrorObject,
  path: Path,
  document: SourceDocument,
  isShown: boolean,
): Fault {
  const wanted = String(error.params['type'])
  const words = TYPE_WORDS[wanted] ?? wanted
  const { data } = error
  const about = (error.parentSchema as Schema | undefined)?.description
  const source = document.sourceOf(path)
  if (data === null) {
    return document.fault(path, `${subject(path)} is empty; it must be ${words}`, about)
  }
  const isCollection = typeof data === 'object'
  if (wanted === 'string' && !isCollection) {
    const quoted = source !== undefined && isShown ? `: "${source}"` : ''
    const message = `${subject(path)} must be text; YAML reads this as a ${typeof data}`
    return document.fault(path, message, `quote it${quoted}`)
  }
  const message = `${subject(path)} must be ${words}, not ${foundWords(data, wanted)}`
  const isUnbracketed = wanted === 'array' && typeof data === 'string'
  const hint = isUnbracketed ? 'write it as a list: one `- value` per line, or in `[ ]`' : about
  return document.fault(path, message, hint)
}

function foundWords(data: unknown, wanted: string): string {
  if (Array.isArray(data)) return 'a list'
  if (typeof data === 'object') return 'a map'
  if (typeof data === 'string') return 'text'
  return wanted === 'integer' && typeof data === 'number' ? 'a fraction' : `a ${typeof data}`
}

function limitWords(error: ErrorObject): string {
  const limit = String(error.params['limit'])
  switch (error.keyword) {
    case 'minLength':
      return 'must not be empty'
    case 'maxLength':
      return `is longer than ${limit} characters`
    case 'minItems':
      return limit === '1' ? 'must not be empty' : `needs at least ${limit} entries`
    case 'maxItems':
      return `has more than ${limit} entries`
    case 'minimum':
      return `must be at least ${limit}`
    case 'maximum':
      return `must be at most ${limit}`
    case 'exclusiveMinimum':
      return `must be more than ${limit}`
    default:
      return 'is not valid'
  }
}

/** What a message calls the value at `path`. */
function subject(path: Path): string {
  const last = path.at(-1)
  if (last === undefined) return 'the file'
  if (typeof last === 'string') return `\`${last.slice(0, 64)}\``
  const list = path.findLast(segment => typeof segment === 'string')
  return `entry ${last + 1} of \`${list ?? 'the list'}\``
}

function within(path: Path): string {
  const last = path.at(-1)
  return last === undefined ? '' : ` in ${subject(path)}`
}

/** A JSON pointer as a path; an index is a number only where the document has a list. */
export function toPath(pointer: string, root: unknown): Path {
  let value = root
  return pointer
    .split('/')
    .slice(1)
    .map(part => {
      const key = part.replaceAll('~1', '/').replaceAll('~0', '~')
      const segment = Array.isArray(value) ? Number(key) : key
      value = (value as Record<string | number, unknown> | undefined)?.[segment]
      return segment
    })
}
