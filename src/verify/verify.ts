/**
 * Who sent it: every check of the network's rule, in its order, all of which must pass. Pure, and
 * the only place that makes a VerifiedPostback. Compiled at load; a check that could not refuse
 * anything (no secret, no address, nothing signed) is a fault there, not a pass here.
 */
import { fail, ok, type Result } from '../base/result.ts'
import type { Postback, VerifiedPostback } from '../model/postback.ts'
import type { Refusal } from '../reasons.ts'
import type { Check } from '../rules/check-schema.ts'
import type { RuleFault } from '../rules/rule-fault.ts'
import { compileBodySignature } from './body-signature.ts'
import type { CompileCheck, CompiledCheck, Proof, VerifyOptions } from './context.ts'
import { compileEcdsaSignature } from './ecdsa-signature.ts'
import { compileEnvelope, type Envelope } from './envelope.ts'
import { compileEquals } from './equals.ts'
import { compileFreshness } from './freshness.ts'
import { compileIp } from './ip.ts'
import { compilePairsSignature } from './pairs-signature.ts'
import { compileSignature } from './signature.ts'
import { compileTimestampedSignature } from './timestamped-signature.ts'
import { compileToken } from './token.ts'
import { compileUrlSignature } from './url-signature.ts'

export interface Verifier {
  /** `now` in epoch milliseconds. What passes may be what was inside an envelope. */
  check(postback: Postback, now: number): Result<VerifiedPostback, Refusal>
  /** Keys (see `paramKey`) of the parameters that carry tokens and signatures. */
  readonly secretKeys: ReadonlySet<string>
  /** What a request must carry to pass, in the order in which it must be put there. */
  readonly proofs: readonly Proof[]
  /** How `postern send` opens and closes the body; undefined where it is plain. */
  readonly envelope: Envelope | undefined
}

/** Undefined where the check is of another kind. */
type CompileKind = (
  check: Check,
  options: VerifyOptions,
  path: RuleFault['path'],
) => Result<CompiledCheck, readonly RuleFault[]> | undefined

const KINDS: { readonly [K in keyof Check]-?: CompileKind } = {
  token: kind('token', compileToken),
  ip: kind('ip', compileIp),
  signature: kind('signature', compileSignature),
  url_signature: kind('url_signature', compileUrlSignature),
  body_signature: kind('body_signature', compileBodySignature),
  pairs_signature: kind('pairs_signature', compilePairsSignature),
  timestamped_signature: kind('timestamped_signature', compileTimestampedSignature),
  ecdsa_signature: kind('ecdsa_signature', compileEcdsaSignature),
  envelope: kind('envelope', compileEnvelope),
  equals: kind('equals', compileEquals),
  freshness: kind('freshness', compileFreshness),
}

function kind<K extends keyof Check>(
  key: K,
  compile: CompileCheck<NonNullable<Check[K]>>,
): CompileKind {
  return (check, options, path) => {
    const spec = check[key]
    return spec === undefined || spec === null ? undefined : compile(spec, options, [...path, key])
  }
}

export function compileVerify(
  checks: readonly Check[],
  options: VerifyOptions,
): Result<Verifier, readonly RuleFault[]> {
  const compiled: CompiledCheck[] = []
  const faults: RuleFault[] = []
  for (const [index, check] of checks.entries()) {
    const result = compileCheck(check, options, ['verify', index])
    if (result.ok) compiled.push(result.value)
    else faults.push(...result.error)
  }
  if (faults.length > 0) return fail(faults)
  const proofs = compiled.flatMap(({ proof }) => (proof ? [proof] : []))
  const secrets = proofs.filter(({ kind }) => kind === 'token' || kind === 'signature')
  return ok({
    check: (sent, now) => {
      let postback = sent
      for (const { check, envelope } of compiled) {
        const refusal = check(postback, now)
        if (refusal) return fail(refusal)
        if (!envelope) continue
        const opened = envelope.open(postback)
        if (!opened.ok) return opened
        postback = opened.value.postback
      }
      return ok(postback as VerifiedPostback)
    },
    secretKeys: new Set([
      ...secrets.flatMap(({ from }) => from.keys),
      ...compiled.flatMap(({ hides = [] }) => hides),
    ]),
    // Signatures may cover a token or a timestamp, so they come last.
    proofs: [
      ...proofs.filter(({ kind }) => kind !== 'signature'),
      ...proofs.filter(({ kind }) => kind === 'signature'),
    ],
    envelope: compiled.find(({ envelope }) => envelope)?.envelope,
  })
}

function compileCheck(
  check: Check,
  options: VerifyOptions,
  path: RuleFault['path'],
): Result<CompiledCheck, readonly RuleFault[]> {
  for (const compileKind of Object.values(KINDS)) {
    const compiled = compileKind(check, options, path)
    if (compiled) return compiled
  }
  return fail([{ path, message: `not a check; there are ${Object.keys(KINDS).join(', ')}` }])
}
