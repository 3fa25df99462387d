/**
 * Amounts: the network's text to a canonical decimal, by the rule's money format. Nothing passes
 * through a float, and what is not plainly an amount is refused: `1e3`, `0x10` and `1,5` are each
 * a number to some parser, and not the same one.
 */
import {
  absolute,
  add,
  compareDecimals,
  isNegative,
  negate,
  parseDecimal,
  shift,
} from '../base/decimal.ts'

export interface MoneyFormat {
  /** Small units to whole ones: 2 for cents. 0: the text is in whole units. */
  readonly places: number
  readonly decimalComma: boolean
  readonly symbols: boolean
  /** Several amounts with commas between them, some empty: which of them counts. */
  readonly multi?: 'first' | 'sum' | undefined
  /** In lower case: word sent in place of an amount → canonical decimal. */
  readonly words?: ReadonlyMap<string, string> | undefined
}

export interface Amount {
  /** Canonical decimal without its sign. */
  readonly value: string
  /** True for a minus sign, also before a zero. */
  readonly isNegative: boolean
}

/** Longer than any amount, short enough that no pattern below can be made to work hard. */
const LONGEST = 64
const GROUPED_BY_COMMA = /^\d{1,3}(?:,\d{3})+(?:\.\d+)?$/
const GROUPED_BY_DOT = /^\d{1,3}(?:\.\d{3})+,\d+$/
const GROUPED_BY_SPACE = /^\d{1,3}(?: \d{3})+(?:[.,]\d+)?$/
const WITH_SYMBOL = /^(-?) ?\p{Sc}? ?(-?)([\d., ]*\d) ?\p{Sc}?$/u

/** `none`: the text lists amounts and all are empty. Undefined where it is not of this format. */
export function parseAmount(sent: string, format: MoneyFormat): Amount | 'none' | undefined {
  if (sent.length > LONGEST) return undefined
  const word = format.words?.get(sent.trim().toLowerCase())
  if (word !== undefined) return { value: absolute(word), isNegative: isNegative(word) }
  return format.multi ? parseSeveral(sent, format) : parseOne(sent, format)
}

function parseSeveral(sent: string, format: MoneyFormat): Amount | 'none' | undefined {
  const parts = sent.split(',').filter(part => part.trim() !== '')
  const amounts: Amount[] = []
  for (const part of parts) {
    const amount = parseOne(part, format)
    if (!amount) return undefined
    amounts.push(amount)
  }
  const [first] = amounts
  if (!first) return 'none'
  if (format.multi === 'first' || amounts.length === 1) return first
  const sum = amounts.map(signed).reduce(add)
  return { value: absolute(sum), isNegative: isNegative(sum) }
}

const signed = ({ value, isNegative: isBelow }: Amount) => (isBelow ? negate(value) : value)

function parseOne(sent: string, format: MoneyFormat): Amount | undefined {
  let text = sent.trim()
  let sign = text.startsWith('-') ? '-' : ''
  if (format.symbols) {
    const match = WITH_SYMBOL.exec(text.replace(/[\u00a0\u2009\u202f]/g, ' '))
    if (!match || (match[1] && match[2])) return undefined
    sign = `${match[1]}${match[2]}`
    const plain = ungroup(match[3] ?? '', format.decimalComma)
    if (plain === undefined) return undefined
    text = plain
  } else if (sign) text = text.slice(1)
  if (format.decimalComma && /^\d+,\d+$/.test(text)) text = text.replace(',', '.')
  if (format.places > 0 && !/^\d+$/.test(text)) return undefined
  const decimal = text.startsWith('-') ? undefined : parseDecimal(text)
  if (decimal === undefined) return undefined
  const value = format.places > 0 ? shift(decimal, format.places) : decimal
  return { value, isNegative: sign === '-' }
}

/** Without thousands marks, where the grouping is regular; undefined where it has two meanings. */
function ungroup(text: string, decimalComma: boolean): string | undefined {
  if (GROUPED_BY_SPACE.test(text)) return text.replaceAll(' ', '')
  if (decimalComma) {
    if (GROUPED_BY_DOT.test(text)) return text.replaceAll('.', '')
    // 1.234 to one reader and 1234 to the other.
    if (/^\d{1,3},\d{3}$/.test(text)) return undefined
  }
  return GROUPED_BY_COMMA.test(text) ? text.replaceAll(',', '') : text
}

export function exceeds(amount: string, max: string | undefined): boolean {
  return max !== undefined && compareDecimals(absolute(amount), max) > 0
}
