/**
 * The other side of `check`: makes an example request pass with the operator's own secrets, for
 * `postern send` and for the examples of rule files. Sets tokens and timestamps, then signatures.
 */
import { fail, ok, type Result } from '../base/result.ts'
import type { Postback } from '../model/postback.ts'
import type { Refusal } from '../reasons.ts'
import { placeValue, type DraftRequest } from './placement.ts'
import type { Verifier } from './verify.ts'

export interface SignContext {
  /** Epoch milliseconds, for timestamps. */
  readonly now: number
  /** Reads a draft as the gateway would, with the rule's embedded bodies expanded. */
  read(request: DraftRequest): Result<Postback, Refusal>
}

/** The request with the first of the configured tokens and secrets in place, or why it cannot be. */
export function signRequest(
  verifier: Pick<Verifier, 'proofs'>,
  request: DraftRequest,
  context: SignContext,
): Result<DraftRequest, string> {
  let draft = request
  for (const proof of verifier.proofs) {
    const postback = context.read(draft)
    if (!postback.ok) return fail(`${postback.error.reason}: ${postback.error.detail}`)
    const value = proof.value(postback.value, context.now)
    if (!value.ok) return fail(`${value.error.reason}: ${value.error.detail}`)
    const placed = placeValue(draft, proof, value.value)
    if (!placed.ok) return placed
    draft = placed.value
  }
  return ok(draft)
}
