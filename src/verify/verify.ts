/**
 * Who sent it: every check of the network's rule, in its order, all of which must pass. Pure, and
 * the only place that makes a VerifiedPostback. Compiled at load; a check that could not refuse
 * anything (no secret, no address, nothing signed) is a fault there, not a pass here.
 */
import { fail, ok, type Result } from '../base/result.ts'
import type { Postback, VerifiedPostback } from '../model/postback.ts'
import type { Refusal } from '../reasons.ts'
import type { RuleFault } from '../rules/rule-fault.ts'
import type { Check } from '../rules/check-schema.ts'
import type { CompiledCheck, Proof, VerifyOptions } from './context.ts'
import { compileFreshness } from './freshness.ts'
import { compileIp } from './ip.ts'
import { compileSignature } from './signature.ts'
import { compileToken } from './token.ts'

export interface Verifier {
  /** `now` in epoch milliseconds. */
  check(postback: Postback, now: number): Result<VerifiedPostback, Refusal>
  /** Keys (see `paramKey`) of the parameters that carry tokens and signatures. */
  readonly secretKeys: ReadonlySet<string>
  /** What a request must carry to pass, in the order in which it must be put there. */
  readonly proofs: readonly Proof[]
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
  const secrets = proofs.filter(({ kind, from }) => kind !== 'time' && from.kind === 'param')
  return ok({
    check: (postback, now) => {
      for (const each of compiled) {
        const refusal = each.check(postback, now)
        if (refusal) return fail(refusal)
      }
      return ok(postback as VerifiedPostback)
    },
    secretKeys: new Set(secrets.map(({ from }) => from.name)),
    // Signatures may cover a token or a timestamp, so they come last.
    proofs: [
      ...proofs.filter(({ kind }) => kind !== 'signature'),
      ...proofs.filter(({ kind }) => kind === 'signature'),
    ],
  })
}

function compileCheck(
  check: Check,
  options: VerifyOptions,
  path: RuleFault['path'],
): Result<CompiledCheck, readonly RuleFault[]> {
  if (check.token !== undefined) return compileToken(check.token, options, [...path, 'token'])
  if (check.ip) return compileIp(check.ip, options, [...path, 'ip'])
  if (check.signature) return compileSignature(check.signature, options, [...path, 'signature'])
  if (check.freshness) return compileFreshness(check.freshness, options, [...path, 'freshness'])
  return fail([{ path, message: 'not a check; there are token, ip, signature and freshness' }])
}
