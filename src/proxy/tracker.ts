/**
 * The tracker behind this gateway as a destination, of the built-in type `proxy-upstream`: it gets
 * the network's own request, kept in the record. No route leads to it; the proxy does.
 */
import { fail, ok } from '../base/result.ts'
import { verdictOfStatus } from '../model/answer.ts'
import type { DeliveryPolicy, Destination } from '../model/delivery.ts'
import { toRequest } from './original.ts'

export const TRACKER_TYPE = 'proxy-upstream'

/**
 * One for each mode, so that what waits in tap mode can be told from what gate mode always sends.
 * A network is in one mode, so the order of a conversion's postbacks is kept.
 */
export const TRACKER_OF = { gate: 'proxy-upstream', tap: 'proxy-upstream-tap' } as const

export interface TrackerOptions {
  readonly id: string
  /** `scheme://host[:port]`. */
  readonly origin: string
  readonly policy: DeliveryPolicy
  /** Of every network: they stand in the requests that are kept. */
  readonly secrets: readonly string[]
}

export function createTracker({ id, origin, policy, secrets }: TrackerOptions): Destination {
  return {
    id,
    rule: TRACKER_TYPE,
    wants: () => true,
    request: ({ original }) =>
      original
        ? ok(toRequest(original, origin))
        : fail({ reason: 'template_error', detail: 'the record keeps no request for the tracker' }),
    verdict: ({ status, headers }, now) => {
      const after = headers['retry-after']
      return verdictOfStatus(status, Array.isArray(after) ? after[0] : after, now)
    },
    policy,
    secrets,
  }
}
