/**
 * Times: the network's text to epoch milliseconds, by the rule's format. An offset in the text
 * wins over the rule's zone. In a zone with summer time, a local time that occurs twice is the
 * first of the two, and one that is skipped is read as if the clock had not moved yet.
 */
import { fail, ok, type Result } from '../base/result.ts'

export interface TimeFormat {
  readonly format: 'unix_s' | 'unix_ms' | 'iso' | 'datetime' | 'auto'
  readonly zone?: string
}

export type ParseTime = (text: string) => number | undefined

const HOUR = 3_600_000
const DAY = 24 * HOUR
/** Before 2200: a unix time in the wrong unit must not become a year of its own. */
const LATEST = Date.UTC(2200, 0)
// A plus sign that was not encoded in a query arrives as a space: "…T10:00:00 02:00".
const DATE_TIME =
  /^(\d{4})-(\d{2})-(\d{2})(?:([T ])(\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?(?: ?(Z)|([+ -])(\d{2}):?(\d{2}))?$/i

/** What the time parser of a field is, or what is wrong with its zone. */
export function compileTime({ format, zone = 'UTC' }: TimeFormat): Result<ParseTime, string> {
  const offset = compileZone(zone)
  if (!offset.ok) return offset
  const parse: Record<TimeFormat['format'], ParseTime> = {
    unix_s: text => (/^\d{1,10}(?:\.\d{1,9})?$/.test(text) ? fromSeconds(text) : undefined),
    unix_ms: text => (/^\d{1,13}$/.test(text) ? Number(text) : undefined),
    iso: text => (text.charAt(10) === ' ' ? undefined : parseDateTime(text, offset.value)),
    datetime: text => parseDateTime(text, offset.value),
    auto: text => {
      if (!/^[\d.]+$/.test(text)) return parseDateTime(text, offset.value)
      return text.length >= 12 && !text.includes('.') ? parse.unix_ms(text) : parse.unix_s(text)
    },
  }
  const chosen = parse[format]
  return ok(text => {
    const time = text.length > 40 ? undefined : chosen(text.trim())
    return time !== undefined && time >= 0 && time < LATEST ? time : undefined
  })
}

/** What databases and scripts send for "no time". */
export function isZeroTime(text: string): boolean {
  return /^(?:0|0000-00-00(?:[T ]00:00:00)?)$/.test(text.trim())
}

function fromSeconds(text: string): number {
  const [seconds, fraction = ''] = text.split('.')
  return Number(seconds) * 1000 + milliseconds(fraction)
}

/** Fraction digits of a second, however many, cut to milliseconds. */
function milliseconds(fraction: string): number {
  return Number(fraction.slice(0, 3).padEnd(3, '0'))
}

/** Milliseconds that the zone is ahead of UTC at this instant. */
type Offset = (instant: number) => number

function parseDateTime(text: string, zone: Offset): number | undefined {
  const match = DATE_TIME.exec(text)
  if (!match) return undefined
  const part = (index: number) => Number(match[index] ?? 0)
  const [month, day, hour, minute, second] = [part(2), part(3), part(5), part(6), part(7)]
  const local = Date.UTC(part(1), month - 1, day, hour, minute, second)
  const date = new Date(local)
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined
  if (hour > 23 || minute > 59 || second > 59) return undefined
  const exact = local + milliseconds(match[8] ?? '')
  if (match[9]) return exact
  if (match[10] === undefined) return fromLocal(exact, zone)
  const [hours, minutes] = [part(11), part(12)]
  if (hours > 15 || minutes > 59) return undefined
  const ahead = (hours * 60 + minutes) * 60_000
  return match[10] === '-' ? exact + ahead : exact - ahead
}

function fromLocal(local: number, zone: Offset): number {
  const before = zone(local - DAY)
  const after = zone(local + DAY)
  if (before === after || zone(local - before) === before) return local - before
  return zone(local - after) === after ? local - after : local - before
}

function compileZone(zone: string): Result<Offset, string> {
  const fixed = /^([+-])(\d{2}):?(\d{2})$/.exec(zone)
  if (fixed) {
    const [, sign, hours, minutes] = fixed
    if (Number(hours) > 15 || Number(minutes) > 59) return fail(`"${zone}" is not an offset`)
    const ahead = Number(hours) * HOUR + Number(minutes) * 60_000
    const offset = sign === '-' ? -ahead : ahead
    return ok(() => offset)
  }
  if (/^(?:utc|gmt|z)$/i.test(zone)) return ok(() => 0)
  try {
    const format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    })
    return ok(instant => offsetAt(format, instant))
  } catch {
    return fail(`"${zone}" is not a time zone; write an IANA name such as Europe/Berlin, or +08:00`)
  }
}

function offsetAt(format: Intl.DateTimeFormat, instant: number): number {
  const second = Math.floor(instant / 1000) * 1000
  const at: Record<string, number> = {}
  for (const { type, value } of format.formatToParts(second)) at[type] = Number(value)
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second: seconds = 0 } = at
  return Date.UTC(year, month - 1, day, hour, minute, seconds) - second
}
