/** What every check is compiled with and comes to. */
import type { Result } from '../base/result.ts'
import type { Postback } from '../model/postback.ts'
import type { Refusal } from '../reasons.ts'
import type { RuleFault } from '../rules/rule-fault.ts'
import type { Source } from '../rules/source.ts'
import type { Envelope } from './envelope.ts'
import type { KeyRing } from './key-ring.ts'

/** What the operator configured for this network, references to secrets already resolved. */
export interface VerifyOptions {
  readonly secrets?: readonly string[] | undefined
  readonly tokens?: readonly string[] | undefined
  /** Replaces the addresses of the rule's `ip` check. */
  readonly ips?: readonly string[] | undefined
  readonly settings?: Readonly<Record<string, string>> | undefined
  /** Without a slash at the end. */
  readonly publicBaseUrl?: string | undefined
  /** For signatures with a private key; without it none can be checked. */
  readonly keys?: KeyRing | undefined
  /** Makes JSON text the body of a postback, and what it says its only parameters. */
  readonly readJson?: ReadJson | undefined
}

export type ReadJson = (postback: Postback, text: string) => Result<Postback, Refusal>

export interface CompiledCheck {
  /** Undefined: passed. `now` in epoch milliseconds. */
  check(postback: Postback, now: number): Refusal | undefined
  /** How `postern send` makes a request pass; undefined where a request cannot (an address). */
  readonly proof?: Proof
  /** Keys of parameters it reads besides its proof's: never part of a conversion. */
  readonly hides?: readonly string[]
  /** The postback was inside: opened after `check`, and believed instead of the one that was sent. */
  readonly envelope?: Envelope
}

/** A value that proves something, and where it is put. */
export interface Proof {
  readonly from: Source
  /** The name as the rule writes it, for a parameter that the request does not have yet. */
  readonly fromText: string
  /** `value`: neither secret nor signed, such as an account's name. */
  readonly kind: 'token' | 'time' | 'value' | 'signature'
  value(postback: Postback, now: number): Result<string, Refusal>
}

export type CompileCheck<Spec> = (
  spec: Spec,
  options: VerifyOptions,
  path: RuleFault['path'],
) => Result<CompiledCheck, readonly RuleFault[]>

export function refusal(reason: Refusal['reason'], detail: string): Refusal {
  return { reason, detail }
}
