/**
 * The closed matching language: field → tests, all of which must hold, with `all`, `any` and
 * `not`. Compiled at load; no expressions, and patterns run in linear time (RE2).
 */
import { RE2JS } from 're2js'
import { compareDecimals, parseDecimal } from '../base/decimal.ts'
import { fail, ok, type Result } from '../base/result.ts'
import type { RuleFault } from './rule-fault.ts'
import type { Condition, Matcher } from './schema.ts'
import { nearest } from './similar.ts'
import type { Macros } from './template.ts'

export type Match<Source> = (source: Source) => boolean
type Get<Source> = (source: Source) => string | undefined
type Path = readonly (string | number)[]

const MAX_DEPTH = 20

export function compileMatcher<Source>(
  matcher: Matcher,
  fields: Macros<Source>,
  path: Path = [],
): Result<Match<Source>, readonly RuleFault[]> {
  const faults: RuleFault[] = []
  const match = compileAll(matcher, fields, path, faults, 0)
  return faults.length > 0 ? fail(faults) : ok(match)
}

function compileAll<Source>(
  matcher: Matcher,
  fields: Macros<Source>,
  path: Path,
  faults: RuleFault[],
  depth: number,
): Match<Source> {
  if (depth > MAX_DEPTH) {
    faults.push({ path, message: `matchers nest at most ${MAX_DEPTH} deep` })
    return () => false
  }
  const inner = (part: Matcher, key: string | number, ...more: (string | number)[]) =>
    compileAll(part, fields, [...path, key, ...more], faults, depth + 1)
  const tests: Match<Source>[] = []
  for (const [key, value] of Object.entries(matcher)) {
    if (value === undefined) continue
    if (key === 'all' || key === 'any') {
      const parts = (value as readonly Matcher[]).map((part, i) => inner(part, key, i))
      tests.push(key === 'all' ? every(parts) : source => parts.some(part => part(source)))
    } else if (key === 'not') {
      const part = inner(value as Matcher, key)
      tests.push(source => !part(source))
    } else {
      const field = fields.resolve(key)
      if (field) tests.push(compileCondition(value as Condition, field.get, [...path, key], faults))
      else faults.push(unknownField(key, fields.names, path))
    }
  }
  return every(tests)
}

function compileCondition<Source>(
  condition: Condition,
  get: Get<Source>,
  path: Path,
  faults: RuleFault[],
): Match<Source> {
  const tests: Match<Source>[] = []
  const { equals, starts_with: start, matches, exists } = condition
  if (equals !== undefined) tests.push(source => get(source) === equals)
  if (condition.in) {
    const words = new Set(condition.in)
    tests.push(source => words.has(get(source) ?? ''))
  }
  if (start !== undefined) tests.push(source => get(source)?.startsWith(start) ?? false)
  if (exists !== undefined) tests.push(source => Boolean(get(source)) === exists)
  if (matches !== undefined) {
    const pattern = compilePattern(matches)
    if (pattern.ok) tests.push(source => pattern.value(get(source) ?? ''))
    else faults.push({ path: [...path, 'matches'], message: pattern.error })
  }
  compare(condition.gt, get, order => order > 0, tests)
  compare(condition.gte, get, order => order >= 0, tests)
  compare(condition.lt, get, order => order < 0, tests)
  compare(condition.lte, get, order => order <= 0, tests)
  if (Object.keys(condition).length === 0) {
    faults.push({ path, message: 'a condition needs at least one test' })
  }
  return every(tests)
}

function compare<Source>(
  bound: string | undefined,
  get: Get<Source>,
  holds: (order: number) => boolean,
  tests: Match<Source>[],
): void {
  const limit = bound === undefined ? undefined : parseDecimal(bound)
  if (limit === undefined) return
  tests.push(source => {
    const value = parseDecimal(get(source) ?? '')
    return value !== undefined && holds(compareDecimals(value, limit))
  })
}

/** An RE2 pattern (found anywhere; anchor with ^ and $), linear in the length of its input. */
export function compilePattern(pattern: string): Result<(text: string) => boolean, string> {
  return compileWith(pattern, (compiled, value) => compiled.matcher(value).find())
}

/** The same, and the whole value must match: what a setting's `pattern` means. */
export function compileWholePattern(pattern: string): Result<(text: string) => boolean, string> {
  return compileWith(pattern, (compiled, value) => compiled.testExact(value))
}

function compileWith(
  pattern: string,
  test: (compiled: RE2JS, value: string) => boolean,
): Result<(text: string) => boolean, string> {
  try {
    const compiled = RE2JS.compile(pattern)
    return ok(value => test(compiled, value))
  } catch (error) {
    return fail(`not a valid RE2 pattern: ${(error as Error).message}`)
  }
}

function every<Source>(tests: readonly Match<Source>[]): Match<Source> {
  if (tests.length === 1) return tests[0] as Match<Source>
  return source => {
    for (const test of tests) if (!test(source)) return false
    return true
  }
}

function unknownField(name: string, names: readonly string[], path: Path): RuleFault {
  const meant = nearest(name, names)
  return {
    path: [...path, name],
    message: `unknown field "${name}"${meant ? `, did you mean "${meant}"?` : ''}`,
    hint: 'fields of a conversion, `network`, or `q.NAME` for a further parameter',
  }
}
