/** First and last names. Letters with accents stay what they are, in composed form. */
import type { Spelling } from './hash.ts'

const composed = (text: string): string => text.normalize('NFC').toLowerCase()

/** Lower case, as written otherwise. */
export const nameAsWritten: Spelling = text => composed(text).trim()

/** Lower case, without spaces and punctuation: `O'Connor` → `oconnor`. */
export const nameLetters: Spelling = text => composed(text).replace(/[^\p{L}\p{M}\p{N}]/gu, '')

/** Of the Latin alphabet and the digits only. */
export const nameLatin: Spelling = text => composed(text).replace(/[^a-z0-9]/g, '')

const TITLE = /^(?:mr|mrs|ms|miss|dr|prof)\.?(?:\s+|$)/
const SUFFIX =
  /(?:^|[\s,]+)(?:jr|sr|2nd|3rd|ii|iii|iv|v|vi|cpa|dc|dds|vm|jd|md|phd|ph\.d|m\.d|d\.d\.s)\.?$/

/** Without a title before it: ` Mr. Alex ` → `alex`; inner spaces and punctuation stay. */
export const givenNameGoogle: Spelling = text => stripped(text, TITLE)

/** Without suffixes behind it: `Quinn, Jr., DDS` → `quinn`. */
export const familyNameGoogle: Spelling = text => stripped(text, SUFFIX)

/** There may be several, one after the other. */
function stripped(text: string, part: RegExp): string {
  let name = edges(composed(text))
  for (let before = ''; before !== name;) {
    before = name
    name = edges(name.replace(part, ''))
  }
  return name
}

function edges(text: string): string {
  return text.replace(/^[\s,]+|[\s,]+$/g, '')
}

/** `f` or `m`. */
export const gender: Spelling = text => {
  const word = text.toLowerCase()
  if (/^(?:f|female|w|woman)$/.test(word)) return 'f'
  return /^(?:m|male|man)$/.test(word) ? 'm' : undefined
}

/**
 * `YYYYMMDD` of a date of birth in any usual order; where day and month could be either, the month
 * is first. A year of two digits names no birthday.
 */
export const birthDate: Spelling = text => {
  const digits = /^(\d{4})(\d{2})(\d{2})$/.exec(text)
  const yearFirst = digits ?? /^(\d{4})\D(\d{1,2})\D(\d{1,2})(?!\d)/.exec(text)
  if (yearFirst) return day(yearFirst[1], yearFirst[2], yearFirst[3])
  const [, first = '', second = '', year] = /^(\d{1,2})\D(\d{1,2})\D(\d{4})(?!\d)/.exec(text) ?? []
  if (year === undefined) return undefined
  return Number(first) > 12 ? day(year, second, first) : day(year, first, second)
}

function day(year = '', month = '', date = ''): string | undefined {
  if (Number(year) < 1880 || Number(year) > 2100) return undefined
  if (Number(month) < 1 || Number(month) > 12 || Number(date) < 1 || Number(date) > 31) {
    return undefined
  }
  return `${year}${month.padStart(2, '0')}${date.padStart(2, '0')}`
}
