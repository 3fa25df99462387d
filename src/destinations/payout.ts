/** `{payout}` as one destination gets it: the route's share, then its currency and digits. */
import { fixed, share, shift } from '../base/decimal.ts'
import type { DeliveryRecord } from '../model/delivery.ts'
import type { DestinationRule } from '../rules/destination-schema.ts'
import type { RequestSource } from './source.ts'

export type MoneyPolicy = NonNullable<DestinationRule['money']>
type Amount = (source: RequestSource) => string | undefined

/** Exact and unrounded; undefined where the conversion has no payout. */
export function sharedPayout(record: DeliveryRecord, destination: string): string | undefined {
  const { payout } = record.conversion
  const { shares } = record
  if (!payout) return undefined
  if (!shares || !Object.hasOwn(shares, destination)) return payout
  return share(payout, shares[destination] ?? '100')
}

/**
 * `units` for `{payout}`, `cents` for `{payout_cents}`. A payout in a currency that the destination
 * does not take is left out or sets a fault: a bare number would be read as the wrong money. A
 * payout without a currency counts as another one.
 */
export function compilePayout(
  destination: string,
  policy: MoneyPolicy = {},
): { readonly units: Amount; readonly cents: Amount } {
  const { currency: only, on_other: onOther = 'refuse', digits } = policy
  const exact: Amount = source => {
    const amount = sharedPayout(source.record, destination)
    if (amount === undefined || only === undefined) return amount
    if (source.conversion.currency === only) return amount
    if (onOther === 'refuse') {
      source.fault ??= {
        reason: 'template_error',
        detail: `the payout is not in ${only}, the only currency this destination takes`,
      }
    }
    return undefined
  }
  const units: Amount =
    digits === undefined
      ? exact
      : source => {
          const amount = exact(source)
          return amount === undefined ? undefined : fixed(amount, digits)
        }
  const cents: Amount = source => {
    const amount = exact(source)
    return amount === undefined ? undefined : fixed(shift(amount, -2), 0)
  }
  return { units, cents }
}
