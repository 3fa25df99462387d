/** `{payout}` as one destination gets it: the route's share, then its currency and digits. */
import { fixed, multiply, share, shift } from '../base/decimal.ts'
import type { DeliveryRecord } from '../model/delivery.ts'
import type { MoneyPolicy } from './money.ts'
import type { RequestSource } from './source.ts'

type Amount = (source: RequestSource) => string | undefined

/** Exact and unrounded; undefined where the conversion has no payout. */
export function sharedPayout(record: DeliveryRecord, destination: string): string | undefined {
  const { payout } = record.conversion
  const { shares } = record
  if (!payout) return undefined
  if (!shares || !Object.hasOwn(shares, destination)) return payout
  return share(payout, shares[destination] ?? '100')
}

/** Fraction digits of a converted amount where the rule names none; half a cent is real money here. */
const CONVERTED_DIGITS = 4

/**
 * `units` for `{payout}`, `cents` for `{payout_cents}`. A payout in a currency that the destination
 * does not take is left out, converted or sets a fault: a bare number would be read as the wrong
 * money. A payout without a currency counts as another one.
 */
export function compilePayout(
  destination: string,
  policy: MoneyPolicy,
): { readonly units: Amount; readonly cents: Amount } {
  const { digits } = policy
  const exact = compileExact(destination, policy)
  const round =
    (digits: number, places: number): Amount =>
    source => {
      const amount = exact(source)
      return amount === undefined ? undefined : fixed(shift(amount, places), digits)
    }
  const converts = policy.currency !== undefined && policy.onOther === 'convert'
  const rounded = round(digits ?? CONVERTED_DIGITS, 0)
  const units: Amount =
    digits !== undefined
      ? rounded
      : converts
        ? source => (source.conversion.currency === policy.currency ? exact : rounded)(source)
        : exact
  return { units, cents: round(0, -2) }
}

function compileExact(destination: string, { taken, onOther, rates }: MoneyPolicy): Amount {
  return source => {
    const amount = sharedPayout(source.record, destination)
    if (amount === undefined || taken === undefined) return amount
    const { currency } = source.conversion
    if (currency !== undefined && taken.has(currency)) return amount
    if (onOther === 'drop') return undefined
    const rate = onOther === 'convert' ? rates.get(currency ?? '') : undefined
    if (rate !== undefined) return multiply(amount, rate)
    const detail =
      onOther === 'convert'
        ? `no rate from ${currency || 'an unnamed currency'} to ${[...taken].join()} is configured`
        : taken.size === 1
          ? `the payout is not in ${[...taken].join()}, the only currency this destination takes`
          : 'the payout is in none of the currencies that this destination takes'
    source.fault ??= { reason: 'template_error', detail }
    return undefined
  }
}
