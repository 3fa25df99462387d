/**
 * The closed list of filters that a macro may carry: `{payout|fixed:2}`. Each is compiled at load
 * into a function from text to text; an argument that makes no sense is a fault there, and a value
 * that does not fit (letters in `fixed`) renders as empty, never as a guess.
 */
import { createHash } from 'node:crypto'
import { absolute, fixed, negate, parseDecimal, shift } from '../base/decimal.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { nearest } from './similar.ts'

export type Filter = (value: string | undefined) => string | undefined

/** What a filter leaves: `number` may stand unquoted in JSON. */
export type ValueKind = 'text' | 'number'

interface FilterDefinition {
  /** Shown in the reference and in faults. */
  readonly usage: string
  readonly kind: ValueKind | 'keep'
  compile(args: readonly string[]): Filter | undefined
}

const onValue =
  (change: (value: string) => string | undefined): Filter =>
  value =>
    value === undefined ? undefined : change(value)

const onDecimal = (change: (decimal: string) => string): Filter =>
  onValue(value => {
    const decimal = parseDecimal(value)
    return decimal === undefined ? undefined : change(decimal)
  })

const onTime = (change: (milliseconds: number) => string): Filter =>
  onValue(value => (/^\d{1,15}$/.test(value) ? change(Number(value)) : undefined))

const plain = (
  usage: string,
  kind: FilterDefinition['kind'],
  filter: Filter,
): FilterDefinition => ({
  usage,
  kind,
  compile: args => (args.length === 0 ? filter : undefined),
})

const digest = (algorithm: string): FilterDefinition =>
  plain(
    algorithm,
    'text',
    onValue(value => createHash(algorithm).update(value).digest('hex')),
  )

/** With one argument that is not empty. */
const onText = (
  usage: string,
  change: (value: string, argument: string) => string,
): FilterDefinition => ({
  usage,
  kind: 'text',
  compile: ([argument, ...rest]) =>
    !argument || rest.length > 0 ? undefined : onValue(value => change(value, argument)),
})

const wholeNumber = (text: string | undefined, max: number): number | undefined =>
  text !== undefined && /^\d{1,4}$/.test(text) && Number(text) <= max ? Number(text) : undefined

export const FILTERS: Readonly<Record<string, FilterDefinition>> = {
  fixed: {
    usage: 'fixed:2',
    kind: 'number',
    compile: ([digits, ...rest]) => {
      const places = wholeNumber(digits, 18)
      if (places === undefined || rest.length > 0) return undefined
      return onDecimal(decimal => fixed(decimal, places))
    },
  },
  int: plain(
    'int',
    'number',
    onDecimal(decimal => fixed(decimal, 0)),
  ),
  cents: plain(
    'cents',
    'number',
    onDecimal(decimal => fixed(shift(decimal, -2), 0)),
  ),
  // Towards zero, as PHP's and C's cast to an integer does; `int` rounds.
  trunc: plain(
    'trunc',
    'number',
    onDecimal(decimal => parseDecimal(decimal.replace(/\..*$/, '')) ?? decimal),
  ),
  abs: plain('abs', 'number', onDecimal(absolute)),
  negate: plain('negate', 'number', onDecimal(negate)),
  number: plain(
    'number',
    'number',
    onDecimal(decimal => decimal),
  ),
  string: plain('string', 'text', value => value),
  upper: plain(
    'upper',
    'text',
    onValue(value => value.toUpperCase()),
  ),
  lower: plain(
    'lower',
    'text',
    onValue(value => value.toLowerCase()),
  ),
  trim: plain(
    'trim',
    'text',
    onValue(value => value.trim()),
  ),
  truncate: {
    usage: 'truncate:100',
    kind: 'text',
    compile: ([length, ...rest]) => {
      const limit = wholeNumber(length, 9999)
      if (limit === undefined || rest.length > 0) return undefined
      return onValue(value => Array.from(value).slice(0, limit).join(''))
    },
  },
  default: {
    usage: 'default:TEXT',
    kind: 'keep',
    compile: ([text, ...rest]) =>
      text === undefined || rest.length > 0 ? undefined : value => value || text,
  },
  split: {
    usage: 'split:_:1 (separator, position from 0)',
    kind: 'text',
    compile: ([separator, position, ...rest]) => {
      const index = wholeNumber(position, 99)
      if (!separator || index === undefined || rest.length > 0) return undefined
      return onValue(value => value.split(separator)[index])
    },
  },
  strip_prefix: onText('strip_prefix:r-', (value, prefix) =>
    value.startsWith(prefix) ? value.slice(prefix.length) : value,
  ),
  before: onText('before:_ (the whole value where there is none)', (value, mark) => {
    const at = value.indexOf(mark)
    return at < 0 ? value : value.slice(0, at)
  }),
  after: onText('after:_ (the whole value where there is none)', (value, mark) => {
    const at = value.indexOf(mark)
    return at < 0 ? value : value.slice(at + mark.length)
  }),
  map: {
    usage: 'map:approved=1,reversed=2,*=0',
    kind: 'text',
    compile: args => {
      const words = wordMap(args.join(':').split(','))
      if (!words) return undefined
      const otherwise = words.get('*')
      return value => (value === undefined ? otherwise : (words.get(value) ?? otherwise))
    },
  },
  iso: plain(
    'iso',
    'text',
    onTime(ms => new Date(ms).toISOString()),
  ),
  unix_s: plain(
    'unix_s',
    'number',
    onTime(ms => String(Math.floor(ms / 1000))),
  ),
  unix_ms: plain('unix_ms', 'number', onTime(String)),
  md5: digest('md5'),
  sha1: digest('sha1'),
  sha256: digest('sha256'),
}

/** `approved=1` pairs; undefined where one has no `=`. */
export function wordMap(pairs: readonly string[]): Map<string, string> | undefined {
  const words = new Map<string, string>()
  for (const pair of pairs) {
    const equals = pair.indexOf('=')
    if (equals < 1) return undefined
    words.set(pair.slice(0, equals).trim(), pair.slice(equals + 1))
  }
  return words
}

export interface CompiledFilter {
  readonly filter: Filter
  readonly kind: FilterDefinition['kind']
}

/** `name:arg:arg` → its function, or what is wrong with it. `\:` and `\|` escape. */
export function compileFilter(text: string): Result<CompiledFilter, string> {
  const [name = '', ...args] = text.split(/(?<!\\):/).map(part => part.replace(/\\([:|\\])/g, '$1'))
  const definition = Object.hasOwn(FILTERS, name.trim()) ? FILTERS[name.trim()] : undefined
  if (!definition) {
    const meant = nearest(name, Object.keys(FILTERS))
    const known = Object.keys(FILTERS).join(', ')
    return fail(
      `unknown filter "${name}"${meant ? `, did you mean "${meant}"?` : ` (known: ${known})`}`,
    )
  }
  const filter = definition.compile(args)
  if (!filter) return fail(`filter "${name}" is written ${definition.usage}`)
  return ok({ filter, kind: definition.kind })
}
