/** How templates and matchers name what a conversion holds. */
import {
  CURRENCY_FIELDS,
  MONEY_FIELDS,
  TEXT_FIELDS,
  TIME_FIELDS,
  type Conversion,
} from '../model/conversion.ts'
import type { Macro, Macros } from './template.ts'

/** What every tracker calls its own way; the canonical name is on the right. */
export const MACRO_ALIASES: Readonly<Record<string, string>> = {
  clickid: 'click_id',
  cid: 'click_id',
  subid: 'click_id',
  externalid: 'click_id',
  external_id: 'click_id',
  txid: 'transaction_id',
  tid: 'transaction_id',
  transactionid: 'transaction_id',
  'transaction.id': 'transaction_id',
  sum: 'payout',
  revenue: 'payout',
  amount: 'payout',
  goal: 'event',
  et: 'event',
  type: 'event',
  aff_sub: 'sub1',
  s1: 'sub1',
  sub_id_1: 'sub1',
  geo: 'country',
  conversion_time: 'occurred_at',
}

const text = (get: (conversion: Conversion) => string | undefined): Macro<Conversion> => ({
  get,
  kind: 'text',
})
const number = (get: (conversion: Conversion) => string | undefined): Macro<Conversion> => ({
  get,
  kind: 'number',
})

const FIELDS = new Map<string, Macro<Conversion>>([
  ['conversion_id', text(c => c.id)],
  ['network', text(c => c.network)],
  ['status', text(c => c.status)],
  ['status_raw', text(c => c.status_raw)],
  ['received_at', number(c => String(c.received_at))],
  ...[...TEXT_FIELDS, ...CURRENCY_FIELDS].map(
    field => [field, text(c => c[field])] as [string, Macro<Conversion>],
  ),
  ...MONEY_FIELDS.map(field => [field, number(c => c[field])] as [string, Macro<Conversion>]),
  ...TIME_FIELDS.map(
    field => [field, number(c => timeText(c[field]))] as [string, Macro<Conversion>],
  ),
])

/** Every field by name or alias, and `q.NAME` for a further parameter of the postback. */
export const conversionFields: Macros<Conversion> = {
  names: [...FIELDS.keys()],
  resolve: name => {
    if (name.startsWith('q.')) {
      const parameter = name.slice(2)
      return text(c => (Object.hasOwn(c.q, parameter) ? c.q[parameter] : undefined))
    }
    const lower = name.toLowerCase()
    return FIELDS.get(lower) ?? FIELDS.get(MACRO_ALIASES[lower] ?? '')
  },
}

function timeText(milliseconds: number | undefined): string | undefined {
  return milliseconds === undefined ? undefined : String(milliseconds)
}
