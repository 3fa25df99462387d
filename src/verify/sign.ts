/**
 * The other side of `check`: makes an example request pass with the operator's own secrets, for
 * `postern send` and for the examples of rule files. Sets tokens and timestamps, then signatures; an
 * encrypted body is opened with the secrets it was made with, filled in and closed again.
 */
import { fail, ok, type Result } from '../base/result.ts'
import type { Postback } from '../model/postback.ts'
import type { Refusal } from '../reasons.ts'
import { placeValue, type DraftRequest } from './placement.ts'
import type { Verifier } from './verify.ts'

export interface SignContext {
  /** Epoch milliseconds, for timestamps. */
  readonly now: number
  /** Secrets that the draft was encrypted with; default: those of the verifier. */
  readonly secrets?: readonly string[] | undefined
  /** Reads a draft as the gateway would, with the rule's embedded bodies expanded. */
  read(request: DraftRequest): Result<Postback, Refusal>
}

/** The request with the first of the configured tokens and secrets in place, or why it cannot be. */
export function signRequest(
  verifier: Pick<Verifier, 'proofs' | 'envelope'>,
  request: DraftRequest,
  context: SignContext,
): Result<DraftRequest, string> {
  const { envelope } = verifier
  if (!envelope) return prove(verifier, request, context)
  const sealed = context.read(request)
  if (!sealed.ok) return fail(inWords(sealed.error))
  const opened = envelope.open(sealed.value, context.secrets)
  if (!opened.ok) return fail(inWords(opened.error))
  const { text, iv } = opened.value
  const headers = { ...request.headers, 'content-type': 'application/json' }
  const filled = prove(verifier, { ...request, headers, body: text }, context)
  if (!filled.ok) return filled
  return ok({ ...filled.value, body: envelope.seal(filled.value.body, iv) })
}

function prove(
  { proofs }: Pick<Verifier, 'proofs'>,
  request: DraftRequest,
  context: SignContext,
): Result<DraftRequest, string> {
  let draft = request
  for (const proof of proofs) {
    const postback = context.read(draft)
    if (!postback.ok) return fail(inWords(postback.error))
    const value = proof.value(postback.value, context.now)
    if (!value.ok) return fail(inWords(value.error))
    const placed = placeValue(draft, proof, value.value)
    if (!placed.ok) return placed
    draft = placed.value
  }
  return ok(draft)
}

function inWords({ reason, detail }: Refusal): string {
  return `${reason}: ${detail}`
}
