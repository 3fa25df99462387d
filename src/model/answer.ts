/**
 * What an HTTP status means for a delivery when the destination's own body tests do not decide.
 * In: status, `Retry-After` text, epoch ms. Out: a verdict. Pure.
 */
import type { AttemptResult, DeliveryVerdict } from './delivery.ts'

/** Attempts at most where the answer says that repeating will hardly help (3xx, most 4xx). */
export const UNLIKELY_ATTEMPTS = 3

/** A destination may ask for a pause inside these bounds only: ms. */
export const RETRY_AFTER_MIN_MS = 1_000
export const RETRY_AFTER_MAX_MS = 86_400_000

/** 4xx that speak of the moment, not of the request: timeout, conflict, too early (RFC 9110, 8470). */
const PASSING = new Set([408, 409, 425, 429])

/**
 * 2xx delivered. 3xx is a failure: redirects are never followed. 408, 409, 425, 429 and 5xx are
 * tried again while the budget lasts; 410 too, with the destination parked; every other status
 * gets `UNLIKELY_ATTEMPTS` and then ends as a dead letter `rejected`.
 */
export function verdictOfStatus(
  status: number,
  retryAfter: string | undefined,
  now: number,
): DeliveryVerdict {
  if (status >= 200 && status < 300) return { kind: 'delivered', result: 'ok' }
  const result = resultOfStatus(status)
  const afterMs = retryAfter === undefined ? undefined : parseRetryAfter(retryAfter, now)
  const isPassing = status >= 500 || status === 410 || PASSING.has(status)
  return {
    kind: 'retry',
    result,
    ...(afterMs === undefined ? {} : { afterMs }),
    ...(isPassing ? {} : { maxAttempts: UNLIKELY_ATTEMPTS }),
  }
}

/** The attempt result that names a status which is not a success. */
export function resultOfStatus(status: number): AttemptResult {
  if (status === 410) return 'http_410'
  if (status === 429) return 'http_429'
  if (status >= 500) return 'http_5xx'
  return status >= 400 ? 'http_4xx' : 'http_3xx'
}

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
/** IMF-fixdate and the obsolete RFC 850 form, which recipients must still read (RFC 9110 §5.6.7). */
const HTTP_DATE =
  /^[a-z]{3,9}, (\d{2})[ -]([a-z]{3})[ -](\d{2}|\d{4}) (\d{2}):(\d{2}):(\d{2}) gmt$/i
/** The obsolete asctime form, which names no zone and means GMT. */
const ASCTIME_DATE = /^[a-z]{3} ([a-z]{3}) ([ \d]\d) (\d{2}):(\d{2}):(\d{2}) (\d{4})$/i

/**
 * `Retry-After` in ms from now, clamped to [1 s, 24 h]; seconds or an HTTP date (RFC 9110 §10.2.3).
 * Undefined where it is neither, such as a negative number: then the schedule decides.
 */
export function parseRetryAfter(text: string, now: number): number | undefined {
  const trimmed = text.trim()
  // Fractions are outside the standard but sent by rate limiters; they cost nothing to read.
  if (/^\d{1,300}(\.\d{1,9})?$/.test(trimmed)) return clamp(Math.ceil(Number(trimmed) * 1000))
  const at = parseHttpDate(trimmed, now)
  return at === undefined ? undefined : clamp(at - now)
}

function parseHttpDate(text: string, now: number): number | undefined {
  const dated = HTTP_DATE.exec(text)
  if (dated) {
    const [, day = '', month = '', year = '', ...time] = dated
    return utc(year, month, day, time, now)
  }
  const asctime = ASCTIME_DATE.exec(text)
  if (!asctime) return undefined
  const [, month = '', day = '', hours = '', minutes = '', seconds = '', year = ''] = asctime
  return utc(year, month, day, [hours, minutes, seconds], now)
}

function utc(
  year: string,
  month: string,
  day: string,
  time: readonly string[],
  now: number,
): number | undefined {
  const monthIndex = MONTHS.indexOf(month.toLowerCase())
  const [hours, minutes, seconds] = time.map(Number) as [number, number, number]
  const dayOfMonth = Number(day)
  if (monthIndex < 0 || dayOfMonth < 1 || dayOfMonth > 31) return undefined
  if (hours > 23 || minutes > 59 || seconds > 60) return undefined
  return Date.UTC(fullYear(year, now), monthIndex, dayOfMonth, hours, minutes, seconds)
}

/** A two-digit year that would lie over 50 years ahead means the past century (RFC 9110 §5.6.7). */
function fullYear(text: string, now: number): number {
  const year = Number(text)
  if (text.length === 4) return year
  const thisYear = new Date(now).getUTCFullYear()
  const candidate = thisYear - (thisYear % 100) + year
  return candidate > thisYear + 50 ? candidate - 100 : candidate
}

function clamp(ms: number): number {
  return Math.min(Math.max(ms, RETRY_AFTER_MIN_MS), RETRY_AFTER_MAX_MS)
}
