/**
 * How a signature is made, apart from where it is carried and how it is compared: one file a recipe,
 * `compileSigned` makes the check of it.
 */
import { createHash, createHmac, hash, type Hash, type Hmac } from 'node:crypto'
import { prepareHmac, type Hmac as PreparedHmac } from '../base/hmac.ts'
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

/** Digest of one whole text, keyed where there is a key. */
export type Digest = (key: string | Buffer | undefined, text: string | Buffer) => Buffer

/** Keys are a rule's few secrets; where a key is made of the postback, none is worth keeping. */
const MAX_PREPARED = 16

export function compileDigest(algorithm: Algorithm): Digest {
  const prepared = new Map<string, PreparedHmac>()
  return (key, text) => {
    if (key === undefined) return Buffer.from(hash(algorithm, text, 'hex'), 'hex')
    if (typeof key !== 'string') return createHmac(algorithm, key).update(text).digest()
    let hmac = prepared.get(key)
    if (!hmac) {
      if (prepared.size >= MAX_PREPARED) prepared.clear()
      hmac = prepareHmac(algorithm, key)
      prepared.set(key, hmac)
    }
    return Buffer.from(hmac(text), 'hex')
  }
}

export const nothingSecret = (path: RuleFault['path']): RuleFault => ({
  path,
  message: 'nothing secret takes part, so anybody could sign',
  hint: 'put {secret} in it, or set `hmac: true`',
})
