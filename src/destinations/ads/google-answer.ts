/**
 * Answers of Google's ads APIs. What went wrong is told by enum words, somewhere inside the error;
 * the upload endpoints answer 200 all the same, with a `partialFailureError`.
 * https://developers.google.com/google-ads/api/docs/conversions/upload-clicks
 * https://developers.google.com/data-manager/api/devguides/concepts/understand-errors
 */
import type { Confirm } from '../../model/delivery.ts'
import { again, at, bodyOf, dropped, DUPLICATE, later, listOf, readAdStatus, REFUSED, TAKEN, throttled, type ReadAnswer } from './verdict.ts' // prettier-ignore

const WORD = /^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*$/

/** An hour is short against a day, and long enough not to knock all the time. */
const DAY_QUOTA_MS = 3_600_000 * 3

const ACCOUNT = new Set([
  'DEVELOPER_TOKEN_INVALID', 'DEVELOPER_TOKEN_NOT_APPROVED', 'DEVELOPER_TOKEN_PROHIBITED',
  'DEVELOPER_TOKEN_PARAMETER_MISSING', 'USER_PERMISSION_DENIED', 'PERMISSION_DENIED', 'UNAUTHENTICATED',
  'CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE', 'CUSTOMER_NOT_ACCEPTED_CUSTOMER_DATA_TERMS',
]) // prettier-ignore
const KNOWN = new Set([
  'CLICK_CONVERSION_ALREADY_EXISTS', 'ORDER_ID_ALREADY_IN_USE', 'DUPLICATE_ORDER_ID',
  'DUPLICATE_CLICK_CONVERSION_IN_REQUEST', 'CONVERSION_ALREADY_RETRACTED', 'RESTATEMENT_ALREADY_EXISTS',
  'DUPLICATE_ADJUSTMENT_IN_REQUEST', 'DUPLICATE_GCLID', 'DUPLICATE_TRANSACTION_ID',
]) // prettier-ignore
const PASSING = new Set(['CONCURRENT_MODIFICATION', 'INTERNAL_ERROR', 'TRANSIENT_ERROR'])
const THROTTLED = new Set(['RESOURCE_EXHAUSTED', 'RESOURCE_TEMPORARILY_EXHAUSTED'])
const SIX_HOURS = new Set(['TOO_RECENT_EVENT', 'TOO_RECENT_CONVERSION_ACTION', 'TOO_RECENT_CLICK'])
const A_DAY = 'TOO_RECENT_CONVERSION'

/** Data Manager: 200 means taken in; what becomes of it, `readRequestStatus` reads. */
export const readDataManagerAnswer: ReadAnswer = (response, now) => {
  if (response.status !== 200) return readError(response, now)
  return at(bodyOf(response), 'requestId') === undefined ? again(response, now) : TAKEN
}

const FINAL: ReadonlySet<unknown> = new Set(['SUCCESS', 'PARTIAL_SUCCESS', 'FAILED'])
const PREFIX = /^PROCESSING_ERROR_(?:REASON_)?/
const REASONS_MAX = 5

/** Data Manager: what became of a request. One request carries one event for one account. */
export const readRequestStatus: Confirm['read'] = response => {
  const status = at(bodyOf(response), 'requestStatusPerDestination', 0)
  const word = at(status, 'requestStatus')
  if (response.status !== 200 || !FINAL.has(word)) return undefined
  const counts = listOf(at(status, 'errorInfo', 'errorCounts')).slice(0, REASONS_MAX)
  const reasons = counts
    .flatMap(count => wordsIn(at(count, 'reason')))
    .map(reason => reason.replace(PREFIX, ''))
  if (word === 'SUCCESS') return { result: 'confirmed', reasons }
  const isKnown = reasons.length > 0 && reasons.every(reason => KNOWN.has(reason))
  const isEarly = reasons.some(reason => SIX_HOURS.has(reason) || reason === A_DAY)
  return { result: isKnown ? 'duplicate' : isEarly ? 'too_early' : 'refused', reasons }
}

/** Google Ads uploads. */
export const readUploadAnswer: ReadAnswer = (response, now) => {
  if (response.status !== 200) return readError(response, now)
  const body = bodyOf(response)
  if (body === undefined) return again(response, now)
  return at(body, 'partialFailureError') === undefined ? TAKEN : readError(response, now)
}

const readError: ReadAnswer = (response, now) => {
  const { status } = response
  const words = wordsIn(bodyOf(response))
  const has = (list: ReadonlySet<string>) => words.some(word => list.has(word))
  const isUnknown = words.some(word => word.startsWith('DEVELOPER_TOKEN_'))
  if (status === 401 || status === 403 || isUnknown || has(ACCOUNT)) return REFUSED
  if (words.includes(A_DAY)) return later(24)
  if (has(SIX_HOURS)) return later(6)
  if (status === 429 || has(THROTTLED)) {
    return throttled(/per.?day|daily/i.test(response.body) ? DAY_QUOTA_MS : undefined)
  }
  if (has(PASSING)) return again(response, now)
  if (has(KNOWN)) return DUPLICATE
  return status === 200 ? dropped(response) : readAdStatus(response, now)
}

/** Every enum word in the answer, in order. */
function wordsIn(value: unknown): string[] {
  if (typeof value === 'string') return WORD.test(value) ? [value] : []
  if (typeof value !== 'object' || value === null) return []
  return Object.values(value).flatMap(wordsIn)
}
