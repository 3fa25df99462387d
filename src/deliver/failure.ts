/**
 * What a failed exchange was. In: the error and how far the request had got. Out: attempt result,
 * a printable detail, and whether the destination may have acted on the request all the same.
 * Pure.
 */
import { printable } from '../base/redact.ts'
import type { AttemptResult } from '../model/delivery.ts'
import { ConnectError } from './connector.ts'
import { EgressError, type EgressReason } from './egress.ts'

export interface Failure {
  readonly kind: 'failed'
  readonly result: AttemptResult
  readonly detail: string
  /** True once any of the request may have reached the destination. */
  readonly isAmbiguous: boolean
  readonly egress?: EgressReason
}

const CONNECT_TIMEOUTS = new Set(['ETIMEDOUT', 'UND_ERR_CONNECT_TIMEOUT'])

export function toFailure(error: Error, wasStarted: boolean): Failure {
  if (error instanceof EgressError) {
    return { ...failure('egress_blocked', error.message, false), egress: error.reason }
  }
  if (error instanceof ConnectError) {
    return failure(resultOfConnect(error), describe(causeOf(error)), false)
  }
  // undici refuses what cannot be an HTTP request (line ends in a header) before it connects.
  const isInvalid = codeOf(error) === 'UND_ERR_INVALID_ARG'
  if (isInvalid) return failure('template_error', describe(error), false)
  return failure(wasStarted ? 'reset' : 'connect_error', describe(error), wasStarted)
}

export function timedOut(timeoutMs: number, wasStarted: boolean): Failure {
  const what = wasStarted ? 'no complete answer' : 'no connection'
  return failure('timeout', `${what} within ${timeoutMs} ms`, wasStarted)
}

function failure(result: AttemptResult, detail: string, isAmbiguous: boolean): Failure {
  return { kind: 'failed', result, detail, isAmbiguous }
}

function resultOfConnect(error: ConnectError): AttemptResult {
  if (error.phase === 'resolving') return 'dns_error'
  if (CONNECT_TIMEOUTS.has(codeOf(causeOf(error)))) return 'timeout'
  return error.phase === 'securing' ? 'tls_error' : 'connect_error'
}

/** Several addresses that all failed come as one aggregate without a message of its own. */
function causeOf(error: Error): Error {
  const cause = error.cause instanceof Error ? error.cause : error
  const [first] = cause instanceof AggregateError ? (cause.errors as unknown[]) : []
  return first instanceof Error ? first : cause
}

function codeOf(error: Error): string {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : ''
}

function describe(error: Error): string {
  const code = codeOf(error)
  const text = error.message.includes(code) ? error.message : `${code}: ${error.message}`
  return printable(text || error.name)
}
