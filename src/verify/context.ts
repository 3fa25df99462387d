/** What every check is compiled with and comes to. */
import type { Result } from '../base/result.ts'
import type { Postback } from '../model/postback.ts'
import type { Refusal, Rejection } from '../reasons.ts'
import type { RuleFault } from '../rules/rule-fault.ts'
import type { Source } from '../rules/source.ts'

/** What the operator configured for this network, references to secrets already resolved. */
export interface VerifyOptions {
  readonly secrets?: readonly string[] | undefined
  readonly tokens?: readonly string[] | undefined
  /** Replaces the addresses of the rule's `ip` check. */
  readonly ips?: readonly string[] | undefined
  readonly settings?: Readonly<Record<string, string>> | undefined
  /** Without a slash at the end. */
  readonly publicBaseUrl?: string | undefined
}

export interface CompiledCheck {
  /** Undefined: passed. `now` in epoch milliseconds. */
  check(postback: Postback, now: number): Refusal | undefined
  /** How `postern send` makes a request pass; undefined where a request cannot (an address). */
  readonly proof?: Proof
}

/** A value that proves something, and where it is put. */
export interface Proof {
  readonly from: Source
  /** The name as the rule writes it, for a parameter that the request does not have yet. */
  readonly fromText: string
  readonly kind: 'token' | 'time' | 'signature'
  value(postback: Postback, now: number): Result<string, Refusal>
}

export type CompileCheck<Spec> = (
  spec: Spec,
  options: VerifyOptions,
  path: RuleFault['path'],
) => Result<CompiledCheck, readonly RuleFault[]>

export function refusal(reason: Rejection, detail: string): Refusal {
  return { reason, detail }
}
