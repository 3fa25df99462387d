/** Cities, regions, postal codes and countries in the spellings of the ad platforms. */
import type { Spelling } from './hash.ts'
import { REGION_CODES } from './regions.ts'

const lower = (text: string): string => text.normalize('NFC').toLowerCase()

/** Of the Latin alphabet and the digits only: `Montréal` → `montral`. */
export const cityLatin: Spelling = text => lower(text).replace(/[^a-z0-9]/g, '')

/** Without spaces and punctuation. */
export const placeLetters: Spelling = text => lower(text).replace(/[^\p{L}\p{M}\p{N}]/gu, '')

/** Words of letters, one space apart: `St. Louis` → `st louis`. */
export const placeWords: Spelling = text =>
  lower(text)
    .replace(/[^\p{L}\p{M}\s]/gu, '')
    .replace(/\s+/g, ' ')
    .trim()

/** Two letters for a state of the US or a province of Canada, other regions as letters. */
export const regionCode: Spelling = text => {
  const name = placeLetters(text) ?? ''
  return REGION_CODES.get(name) ?? name
}

/** The part before a dash, without spaces; one character is none. */
export const zipFirstPart: Spelling = text => {
  const [first = ''] = lower(text).replace(/\s+/g, '').split('-')
  return first.length < 2 ? undefined : first
}
export const zipAsWritten: Spelling = text => text.trim()
export const zipWithoutSpaces: Spelling = text => lower(text).replace(/\s+/g, '')
export const zipLetters: Spelling = text => lower(text).replace(/[\s-]+/g, '')
/** Only a code that is digits; a British one would lose its letters. */
export const zipDigits: Spelling = text => {
  const digits = text.replace(/[\s-]+/g, '')
  return /^\d+$/.test(digits) ? digits : undefined
}

/** ISO 3166-1 alpha-2 in lower case, also from the English name: `United States` → `us`. */
export const countryLower: Spelling = text => {
  const name = lower(text).replace(/[^\p{L}]/gu, '')
  if (name === 'uk') return 'gb'
  if (/^[a-z]{2}$/.test(name)) return name
  return COUNTRIES.get(name)
}
export const countryUpper: Spelling = text => countryLower(text)?.toUpperCase()
/** Two letters, nothing else. */
export const countryStrict: Spelling = text => {
  const code = text.trim().toUpperCase()
  return /^[A-Z]{2}$/.test(code) ? code : undefined
}

/** Every English name that the runtime knows, and the abbreviations that people write. */
const COUNTRIES: ReadonlyMap<string, string> = countryNames()

function countryNames(): Map<string, string> {
  const names = new Map([
    ['usa', 'us'],
    ['unitedstatesofamerica', 'us'],
    ['gbr', 'gb'],
    ['greatbritain', 'gb'],
    ['england', 'gb'],
    ['can', 'ca'],
    ['deu', 'de'],
    ['fra', 'fr'],
    ['esp', 'es'],
    ['ita', 'it'],
    ['aus', 'au'],
    ['bra', 'br'],
    ['ind', 'in'],
    ['mex', 'mx'],
    ['nld', 'nl'],
    ['pol', 'pl'],
    ['uae', 'ae'],
  ])
  const known = new Intl.DisplayNames(['en'], { type: 'region', fallback: 'none' })
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'.split('')
  for (const first of letters) {
    for (const second of letters) {
      const code = first + second
      // Withdrawn codes share a name with the one that replaced them, which is not theirs to take.
      const canonical = new Intl.Locale(`und-${code}`).region
      const name = canonical === code ? known.of(code) : undefined
      const key = name && lower(name).replace(/[^\p{L}]/gu, '')
      if (key && !names.has(key)) names.set(key, code.toLowerCase())
    }
  }
  return names
}
