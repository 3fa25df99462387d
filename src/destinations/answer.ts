/**
 * What a destination's answer means. In: the rule's tests, a response. Out: a verdict. Many
 * trackers answer 200 to what they refuse, so a body may overrule the status in both directions.
 */
import { resultOfStatus, verdictOfStatus } from '../model/answer.ts'
import type { AttemptResult, DeliveryResponse, DeliveryVerdict } from '../model/delivery.ts'
import { parseJsonPath, type JsonPath } from '../rules/json-path.ts'
import { compilePattern } from '../rules/match.ts'
import type { DestinationRule, ResponseTest } from '../rules/destination-schema.ts'
import { ruleFault, type DestinationFault, type Path } from './fault.ts'

export type ReadAnswer = (response: DeliveryResponse, now: number) => DeliveryVerdict
type AnswerTests = NonNullable<DestinationRule['answer']>
type Test = (answer: Answer) => boolean

/** A response with what several tests may need of it, worked out once. */
interface Answer {
  readonly response: DeliveryResponse
  lower(): string
  trimmed(): string
  /** Undefined where the body is not JSON. */
  json(): unknown
}

/** By status alone: 2xx is delivered. */
export const readByStatus: ReadAnswer = (response, now) =>
  verdictOfStatus(response.status, headerText(response, 'retry-after'), now)

/** Read in the order duplicate, permanent, auth, retry, success; what none takes goes by status. */
export function compileAnswer(
  tests: AnswerTests | undefined,
  path: Path,
  faults: DestinationFault[],
): ReadAnswer {
  if (!tests) return readByStatus
  const compileKind = (kind: keyof AnswerTests) =>
    anyOf((tests[kind] ?? []).map((test, i) => compileTest(test, [...path, kind, i], faults)))
  const isDuplicate = compileKind('duplicate')
  const isPermanent = compileKind('permanent')
  const isRefused = compileKind('auth')
  const isRetry = compileKind('retry')
  const isSuccess = compileKind('success')
  const hasSuccess = tests.success !== undefined
  return (response, now) => {
    const answer = answerOf(response)
    if (isDuplicate(answer)) return { kind: 'delivered', result: 'duplicate' }
    if (isPermanent(answer)) {
      return { kind: 'dead', result: refusalOf(response.status), reason: 'rejected' }
    }
    if (isRefused(answer)) return { kind: 'park', result: 'auth_failed' }
    if (isRetry(answer)) return retryWithinBudget(response, now)
    if (isSuccess(answer)) return { kind: 'delivered', result: 'ok' }
    const byStatus = readByStatus(response, now)
    return hasSuccess && byStatus.kind === 'delivered' ? retryWithinBudget(response, now) : byStatus
  }
}

/** By the schedule and as long as the budget lasts, whatever the status. */
function retryWithinBudget(response: DeliveryResponse, now: number): DeliveryVerdict {
  const byStatus = readByStatus(response, now)
  const afterMs = byStatus.kind === 'retry' ? byStatus.afterMs : undefined
  const result = refusalOf(response.status)
  return { kind: 'retry', result, ...(afterMs === undefined ? {} : { afterMs }) }
}

function refusalOf(status: number): AttemptResult {
  return status >= 200 && status < 300 ? 'body_rejected' : resultOfStatus(status)
}

function compileTest(test: ResponseTest, path: Path, faults: DestinationFault[]): Test {
  const parts: Test[] = []
  const before = faults.length
  const { status, header, body_contains: contains, body_equals: equals, body_matches } = test
  if (status) parts.push(anyOf(status.map(compileStatus)))
  for (const [name, wanted] of Object.entries(header ?? {})) {
    const lowerName = name.toLowerCase()
    const lower = wanted.toLowerCase()
    parts.push(({ response }) => {
      return headerText(response, lowerName)?.toLowerCase().includes(lower) ?? false
    })
  }
  if (contains) {
    const words = contains.map(word => word.toLowerCase())
    parts.push(answer => words.some(word => answer.lower().includes(word)))
  }
  if (equals) {
    const bodies = new Set(equals.map(body => body.trim()))
    parts.push(answer => bodies.has(answer.trimmed()))
  }
  if (body_matches !== undefined) {
    const pattern = compilePattern(body_matches)
    if (pattern.ok) parts.push(({ response }) => pattern.value(response.body))
    else faults.push(ruleFault([...path, 'body_matches'], pattern.error))
  }
  for (const [text, wanted] of Object.entries(test.json ?? {})) {
    const at = parseJsonPath(text)
    if (at.ok) parts.push(compileJsonTest(at.value, wanted))
    else faults.push(ruleFault([...path, 'json', text], at.error))
  }
  if (parts.length === 0 && faults.length === before) {
    faults.push(ruleFault(path, 'a response test needs at least one test'))
  }
  return answer => parts.every(part => part(answer))
}

function compileStatus(wanted: string): Test {
  if (!wanted.endsWith('xx')) {
    const status = Number(wanted)
    return ({ response }) => response.status === status
  }
  const hundred = Number(wanted[0])
  return ({ response }) => Math.floor(response.status / 100) === hundred
}

function compileJsonTest(path: JsonPath, wanted: readonly string[]): Test {
  const values = new Set(wanted)
  return answer => {
    let node = answer.json()
    for (const step of path) {
      if (typeof node !== 'object' || node === null || !Object.hasOwn(node, step)) return false
      node = (node as Readonly<Record<string | number, unknown>>)[step]
    }
    const isScalar =
      typeof node === 'string' || typeof node === 'number' || typeof node === 'boolean'
    return isScalar && values.has(String(node))
  }
}

function answerOf(response: DeliveryResponse): Answer {
  let lower: string | undefined
  let trimmed: string | undefined
  let json: { value: unknown } | undefined
  return {
    response,
    lower: () => (lower ??= response.body.toLowerCase()),
    trimmed: () => (trimmed ??= response.body.trim()),
    json: () => (json ??= { value: parseJson(response.body) }).value,
  }
}

function parseJson(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

function headerText(response: DeliveryResponse, name: string): string | undefined {
  const value = Object.hasOwn(response.headers, name) ? response.headers[name] : undefined
  return Array.isArray(value) ? value.join(', ') : value
}

function anyOf(tests: readonly Test[]): Test {
  return answer => tests.some(test => test(answer))
}
