/**
 * What becomes of a payout in a currency that a destination does not take. In: the rule's policy,
 * the operator's choice, the configured rates. Out: one policy, or what is wrong with it.
 */
import type { DestinationRule } from '../rules/destination-schema.ts'
import { configFault, type DestinationFault } from './fault.ts'

/** `EUR/USD` → how many USD one EUR is, as decimal text. */
export type Rates = Readonly<Record<string, string>>

export interface MoneyPolicy {
  /** Those it takes; undefined for all. */
  readonly taken: ReadonlySet<string> | undefined
  /** The only one of them, into which others may be converted. */
  readonly currency: string | undefined
  readonly onOther: 'drop' | 'refuse' | 'convert'
  /** Fraction digits; undefined for those that were sent. */
  readonly digits: number | undefined
  /** Currency → rate into `currency`. */
  readonly rates: ReadonlyMap<string, string>
}

export const ANY_MONEY: MoneyPolicy = {
  taken: undefined,
  currency: undefined,
  onOther: 'refuse',
  digits: undefined,
  rates: new Map(),
}

export function resolveMoney(
  rule: DestinationRule['money'],
  chosen: MoneyPolicy['onOther'] | undefined,
  rates: Rates,
  faults: DestinationFault[],
): MoneyPolicy {
  const { currency, digits } = rule ?? {}
  const onOther = chosen ?? rule?.on_other ?? 'refuse'
  const path = ['other_currency']
  if (rule?.currencies) {
    if (onOther === 'convert') {
      faults.push(configFault(path, 'it takes several currencies: there is no one to convert to'))
    }
    return { ...ANY_MONEY, taken: new Set(rule.currencies), onOther, digits }
  }
  if (currency === undefined) {
    if (chosen !== undefined) {
      faults.push(configFault(path, 'this destination takes every currency', 'remove the line'))
    }
    return { ...ANY_MONEY, digits }
  }
  const known = new Map<string, string>()
  for (const [pair, rate] of Object.entries(rates)) {
    const [from = '', to] = pair.split('/')
    if (to === currency) known.set(from, rate)
  }
  if (onOther === 'convert' && known.size === 0) {
    const message = `it converts to ${currency}, and no rate to ${currency} is configured`
    faults.push(configFault(path, message, `rates: { EUR/${currency}: '1.08' }`))
  }
  return { taken: new Set([currency]), currency, onOther, digits, rates: known }
}
