/**
 * Answers of Meta's Graph API: the error code decides, not the status.
 * https://developers.facebook.com/docs/graph-api/guides/error-handling
 */
import type { DeliveryResponse } from '../../model/delivery.ts'
import { again, at, bodyOf, dropped, readAdStatus, REFUSED, TAKEN, throttled, type ReadAnswer } from './verdict.ts' // prettier-ignore

const PASSING = new Set([1, 2, 341, 5000, 21009])
const THROTTLED = new Set([4, 17, 32, 368, 613, 80003, 80004])
/** Session, permission and login faults; 200 to 299 are permissions too. */
const ACCOUNT = new Set([3, 10, 102, 190])
/** Of code 100: the pixel does not exist or the token may not see it. */
const UNSEEN = 33

export const readMetaAnswer: ReadAnswer = (response, now) => {
  const body = bodyOf(response)
  const error = at(body, 'error')
  const code = Number(at(error, 'code'))
  if (error === undefined) {
    if (body === undefined) return again(response, now)
    if (response.status !== 200) return readAdStatus(response, now)
    return Number(at(body, 'events_received')) > 0 ? TAKEN : dropped(response)
  }
  if (THROTTLED.has(code)) return throttled(regainMs(response))
  if (PASSING.has(code) || at(error, 'is_transient') === true) return again(response, now)
  if (ACCOUNT.has(code) || (code >= 200 && code < 300)) return REFUSED
  if (code === 100 && at(error, 'error_subcode') === UNSEEN) return REFUSED
  return response.status >= 500 ? again(response, now) : dropped(response)
}

/**
 * `x-business-use-case-usage: {"<id>":[{"estimated_time_to_regain_access":19}]}`, in minutes.
 * https://developers.facebook.com/docs/graph-api/overview/rate-limiting
 */
function regainMs({ headers }: DeliveryResponse): number | undefined {
  const text = String(headers['x-business-use-case-usage'] ?? '')
  const minutes = /"estimated_time_to_regain_access"\s*:\s*(\d{1,5})/.exec(text)?.[1]
  return minutes === undefined || Number(minutes) === 0 ? undefined : Number(minutes) * 60_000
}
