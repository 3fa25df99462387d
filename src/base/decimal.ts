/**
 * Money as text. A decimal is `-?digits[.digits]` without exponent, plus sign or grouping;
 * nothing here goes through a float. Canonical form: no leading zeros, "-0" becomes "0", and the
 * sender's fraction digits stay ("1.10" is kept: its precision is information).
 */
const DECIMAL = /^(-?)0*(\d+)(?:\.(\d+))?$/
const MAX_DIGITS = 38

/** The canonical text, or undefined when `text` is not a plain decimal of at most 38 digits. */
export function parseDecimal(text: string): string | undefined {
  const match = DECIMAL.exec(text)
  if (!match) return undefined
  const [, sign = '', whole = '', fraction] = match
  if (whole.length + (fraction?.length ?? 0) > MAX_DIGITS) return undefined
  const digits = fraction === undefined ? whole : `${whole}.${fraction}`
  return sign && /[1-9]/.test(digits) ? `-${digits}` : digits
}

export function isNegative(decimal: string): boolean {
  return decimal.startsWith('-')
}

export function isZero(decimal: string): boolean {
  return !/[1-9]/.test(decimal)
}

/** Without its sign. */
export function absolute(decimal: string): string {
  return isNegative(decimal) ? decimal.slice(1) : decimal
}

export function negate(decimal: string): string {
  if (isZero(decimal)) return absolute(decimal)
  return isNegative(decimal) ? decimal.slice(1) : `-${decimal}`
}

/** The value alone, for comparing as text: "1.50" and "1.5" are both "1.5". */
export function valueText(decimal: string): string {
  return decimal.includes('.') ? decimal.replace(/\.?0+$/, '') : decimal
}

/** -1, 0 or 1, by value: "1.1" equals "1.10". */
export function compareDecimals(a: string, b: string): -1 | 0 | 1 {
  const scale = Math.max(scaleOf(a), scaleOf(b))
  const left = unscaled(a, scale)
  const right = unscaled(b, scale)
  return left < right ? -1 : left > right ? 1 : 0
}

/** `decimal` × 10^-places, exactly: cents to units is `shift("1234", 2)` → "12.34". */
export function shift(decimal: string, places: number): string {
  const scale = scaleOf(decimal) + places
  return fromUnscaled(unscaled(decimal, scaleOf(decimal)), scale)
}

/** Exact sum, with the longer of the two fractions. */
export function add(a: string, b: string): string {
  const scale = Math.max(scaleOf(a), scaleOf(b))
  return fromUnscaled(unscaled(a, scale) + unscaled(b, scale), scale)
}

/** Exact product. */
export function multiply(a: string, b: string): string {
  const scale = scaleOf(a) + scaleOf(b)
  return fromUnscaled(unscaled(a, scaleOf(a)) * unscaled(b, scaleOf(b)), scale)
}

/** `percent` of `decimal`, exactly: share("10", "80") → "8.00". Rounded only where a template says so. */
export function share(decimal: string, percent: string): string {
  return shift(multiply(decimal, percent), 2)
}

/** Rounded half away from zero to `digits` fraction digits, zero-filled: fixed("1.005", 2) → "1.01". */
export function fixed(decimal: string, digits: number): string {
  const scale = scaleOf(decimal)
  const value = unscaled(decimal, scale)
  if (scale <= digits) return fromUnscaled(value * 10n ** BigInt(digits - scale), digits)
  const divisor = 10n ** BigInt(scale - digits)
  const half = value < 0n ? -(divisor / 2n) : divisor / 2n
  return fromUnscaled((value + half) / divisor, digits)
}

function scaleOf(decimal: string): number {
  const dot = decimal.indexOf('.')
  return dot < 0 ? 0 : decimal.length - dot - 1
}

function unscaled(decimal: string, scale: number): bigint {
  const missing = scale - scaleOf(decimal)
  return BigInt(decimal.replace('.', '')) * 10n ** BigInt(missing)
}

function fromUnscaled(value: bigint, scale: number): string {
  if (scale <= 0) return (value * 10n ** BigInt(-scale)).toString()
  const sign = value < 0n ? '-' : ''
  const digits = (value < 0n ? -value : value).toString().padStart(scale + 1, '0')
  return `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`
}
