/**
 * How a signature is made, apart from where it is carried and how it is compared: one file a recipe,
 * `compileSigned` makes the check of it.
 */
import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto'
import type { Result } from '../base/result.ts'
import type { Postback } from '../model/postback.ts'
import type { Refusal } from '../reasons.ts'
import type { SignatureCheck } from '../rules/check-schema.ts'
import type { RuleFault } from '../rules/rule-fault.ts'

export type Algorithm = SignatureCheck['algorithm']

export interface Recipe {
  /** Length of a signature in bytes. */
  readonly bytes: number
  /** Whether a configured secret takes part; false where a setting does instead. */
  readonly usesSecret: boolean
  /** The signature this secret gives, or why the postback cannot be signed. */
  sign(postback: Postback, secret: string): Result<Buffer, Refusal>
}

/** Of each algorithm's digest. */
export const DIGEST_BYTES: Readonly<Record<Algorithm, number>> = {
  md5: 16,
  sha1: 20,
  sha256: 32,
  sha512: 64,
}

/** The hash, keyed where there is a key. */
export function hashing(algorithm: Algorithm, key: string | Buffer | undefined): Hash | Hmac {
  return key === undefined ? createHash(algorithm) : createHmac(algorithm, key)
}

export const nothingSecret = (path: RuleFault['path']): RuleFault => ({
  path,
  message: 'nothing secret takes part, so anybody could sign',
  hint: 'put {secret} in it, or set `hmac: true`',
})
