/**
 * What a postback's picked values come to, field by field. Each field has one reader, compiled at
 * load from the rule's formats; it fills the draft or says why the value cannot be used.
 */
import { parseDecimal } from '../base/decimal.ts'
import { fail, ok, type Result } from '../base/result.ts'
import {
  CURRENCY_FIELDS,
  MONEY_FIELDS,
  TIME_FIELDS,
  type Conversion,
  type CurrencyField,
  type MoneyField,
  type TextField,
  type TimeField,
} from '../model/conversion.ts'
import type { Refusal, Rejection } from '../reasons.ts'
import type { RuleFault } from '../rules/rule-fault.ts'
import type { NetworkRule } from '../rules/schema.ts'
import type { ReadField } from './aliases.ts'
import { parseCurrency } from './currencies.ts'
import { exceeds, parseAmount, type MoneyFormat } from './money.ts'
import { checkText, limitOf } from './text.ts'
import { compileTime, isZeroTime } from './time.ts'

type Fields = Omit<Conversion, 'id'>
export type ConversionFields = { -readonly [K in keyof Fields]: Fields[K] }

export interface Draft {
  readonly fields: ConversionFields
  statusWord: string | undefined
  isTest: boolean
  isChargeback: boolean
  /** The first amount that carried a minus sign. */
  negative: MoneyField | undefined
}

/** Fills the draft from a value that was sent. */
export type ReadValue = (draft: Draft, value: string) => Refusal | undefined

type FormatRules = Pick<NetworkRule, 'event' | 'money' | 'time'>

/** One reader per field, in the order given. */
export function compileReaders(
  fields: readonly ReadField[],
  rule: FormatRules,
): Result<readonly ReadValue[], readonly RuleFault[]> {
  const faults: RuleFault[] = []
  if (rule.money?.multi && rule.money.decimal_comma) {
    const message = 'a comma is either between amounts or inside one'
    faults.push({ path: ['money', 'multi'], message, hint: 'remove `decimal_comma`' })
  }
  const readers = fields.map(field => compileReader(field, rule, faults))
  return faults.length > 0 ? fail(faults) : ok(readers)
}

function compileReader(field: ReadField, rule: FormatRules, faults: RuleFault[]): ReadValue {
  if (field === 'status') return readStatusWord
  if (field === 'test') return (draft, value) => mark(draft, 'isTest', value)
  if (field === 'chargeback') return (draft, value) => mark(draft, 'isChargeback', value)
  if (field === 'event') return eventReader(rule.event?.map ?? {})
  if (isOneOf(MONEY_FIELDS, field)) return moneyReader(field, rule.money ?? {})
  if (isOneOf(CURRENCY_FIELDS, field)) return currencyReader(field)
  if (isOneOf(TIME_FIELDS, field)) return timeReader(field, rule.time?.[field], faults)
  return textReader(field)
}

export function readStatusWord(draft: Draft, value: string): Refusal | undefined {
  const refusal = checkText(value, limitOf('status'), 'status')
  if (!refusal) draft.statusWord = value
  return refusal
}

function textReader(field: TextField): ReadValue {
  const limit = limitOf(field)
  return (draft, value) => {
    const refusal = checkText(value, limit, field)
    if (!refusal) draft.fields[field] = value
    return refusal
  }
}

function eventReader(map: Readonly<Record<string, string>>): ReadValue {
  const names = new Map(Object.entries(map).map(([word, name]) => [word.toLowerCase(), name]))
  const read = textReader('event')
  return (draft, value) => read(draft, names.get(value.trim().toLowerCase()) ?? value)
}

function moneyReader(field: MoneyField, money: NonNullable<NetworkRule['money']>): ReadValue {
  const format: MoneyFormat = {
    multi: money.multi,
    words: money.words && wordsOf(money.words),
    places: money.places?.[field] ?? 0,
    decimalComma: money.decimal_comma ?? false,
    symbols: money.symbols ?? false,
  }
  const max = field === 'payout' ? money.max : undefined
  const notAmount = refuse('amount_invalid', `${field}: not an amount by the rule’s money format`)
  const tooMuch = refuse('amount_invalid', `${field}: above the rule’s max`)
  return (draft, value) => {
    const amount = parseAmount(value, format)
    if (!amount) return notAmount
    if (amount === 'none') return undefined
    if (exceeds(amount.value, max)) return tooMuch
    if (amount.isNegative) draft.negative ??= field
    draft.fields[field] = amount.value
    return undefined
  }
}

function wordsOf(words: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  const pairs = Object.entries(words).map(([word, amount]): [string, string] => [
    word.trim().toLowerCase(),
    parseDecimal(amount) ?? amount,
  ])
  return new Map(pairs)
}

function currencyReader(field: CurrencyField): ReadValue {
  const unknown = refuse('currency_unknown', `${field}: not an ISO 4217 code`)
  return (draft, value) => {
    const code = parseCurrency(value)
    if (!code) return unknown
    draft.fields[field] = code
    return undefined
  }
}

function timeReader(
  field: TimeField,
  format: NonNullable<NetworkRule['time']>[string] | undefined,
  faults: RuleFault[],
): ReadValue {
  const compiled = compileTime(format ?? { format: 'auto' })
  if (!compiled.ok) {
    faults.push({ path: ['time', field, 'zone'], message: compiled.error })
    return () => undefined
  }
  const parse = compiled.value
  const invalid = refuse('time_invalid', `${field}: not a time by the rule’s format`)
  return (draft, value) => {
    if (isZeroTime(value)) return undefined
    const time = parse(value)
    if (time === undefined) return invalid
    draft.fields[field] = time
    return undefined
  }
}

function mark(draft: Draft, flag: 'isTest' | 'isChargeback', value: string): undefined {
  draft[flag] = /^(?:1|true|yes|y|on|test)$/i.test(value.trim())
}

function refuse(reason: Rejection, detail: string): Refusal {
  return { reason, detail }
}

function isOneOf<const T extends string>(list: readonly T[], field: string): field is T {
  return (list as readonly string[]).includes(field)
}
