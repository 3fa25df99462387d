/**
 * Verification in front of a tracker that decides for itself: nothing is refused, what would have
 * been is told. Here, because only `verify` makes a VerifiedPostback.
 */
import { ok } from '../base/result.ts'
import type { VerifiedPostback } from '../model/postback.ts'
import type { Refusal } from '../reasons.ts'
import type { Verifier } from './verify.ts'

/** `told`: the reason of the refusal, or undefined where every check passed. */
export function recordOnly(
  verifier: Verifier,
  told: (reason: Refusal['reason'] | undefined) => void,
): Verifier {
  return {
    ...verifier,
    check: (postback, now) => {
      const checked = verifier.check(postback, now)
      told(checked.ok ? undefined : checked.error.reason)
      return checked.ok ? checked : ok(postback as VerifiedPostback)
    },
  }
}
