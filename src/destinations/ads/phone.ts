/**
 * Phone numbers. A number is only used where its country is certain: a calling code is never
 * guessed, because a hash of a wrong number matches somebody else.
 */
import type { Spelling } from './hash.ts'

/** ITU-T E.164: at most 15 digits, the first not 0. */
const E164 = /^[1-9]\d{6,14}$/

/**
 * `+14155552671`. Known as international: a plus sign, a leading 00, or 11 digits and more that do
 * not start with 0. Everything else is a local number.
 */
export const phoneE164: Spelling = text => {
  const isMarked = /^\D*\+/.test(text)
  const digits = text.replace(/\D/g, '')
  const international = digits.startsWith('00') ? digits.replace(/^0+/, '') : digits
  if (!E164.test(international)) return undefined
  const isCertain = isMarked || international !== digits || international.length >= 11
  return isCertain ? `+${international}` : undefined
}

/** Digits alone without leading zeros; what has no calling code stays without. */
export const phoneDigits: Spelling = text => {
  const digits = text.replace(/\D/g, '').replace(/^0+/, '')
  return digits.length < 7 || digits.length > 15 ? undefined : digits
}

/** The ten digits of a number in North America. */
export const phoneTenDigits: Spelling = text => {
  const digits = text.replace(/\D/g, '').replace(/^0+/, '')
  const national = digits.length === 11 && digits.startsWith('1') ? digits.slice(1) : digits
  return national.length === 10 ? national : undefined
}
