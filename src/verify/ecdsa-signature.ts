/**
 * ECDSA P-256 with SHA-256 over the query as sent, up to the signature, with one of the network's
 * public keys. Signature and key id stand last, in this order, so that nothing unsigned can follow.
 * https://developers.google.com/admob/android/ssv
 */
import { verify } from 'node:crypto'
import { fail, ok } from '../base/result.ts'
import { paramKey, type Postback } from '../model/postback.ts'
import type { Refusal } from '../reasons.ts'
import type { EcdsaSignatureCheck } from '../rules/check-schema.ts'
import { compileSource, readParam } from '../rules/source.ts'
import { refusal, type CompileCheck } from './context.ts'
import { decodeText } from './encoding.ts'
import type { KeyLookup } from './key-ring.ts'
import { splitTarget } from './raw-query.ts'

const UNAVAILABLE = { found: 'unavailable' } as const
/** DER of two 256-bit numbers is at most so long. */
const MOST_BYTES = 72

export const compileEcdsaSignature: CompileCheck<EcdsaSignatureCheck> = (spec, options, path) => {
  const source = compileSource(spec.from)
  const keySource = compileSource(spec.key_id)
  for (const [name, each] of [
    ['from', source],
    ['key_id', keySource],
  ] as const) {
    if (!each.ok) return fail([{ path: [...path, name], message: each.error }])
    if (each.value.kind !== 'param' || each.value.bare) {
      return fail([{ path: [...path, name], message: 'a parameter of the query, by its name' }])
    }
  }
  if (!source.ok || !keySource.ok) return fail([])
  const { keys } = options
  const tail = new RegExp(`^(.+)&${escape(spec.from)}=[^&]*&${escape(spec.key_id)}=[^&]*$`, 's')
  const [signatureKey, idKey] = [paramKey(spec.from), paramKey(spec.key_id)]
  return ok({
    hides: [signatureKey, idKey],
    check: postback => {
      const given = readBoth(postback, signatureKey, idKey)
      if ('reason' in given) return given
      const signature = decodeText(given.signature, spec.encoding)
      const content = tail.exec(splitTarget(postback.target)[1] ?? '')?.[1]
      if (!signature || signature.length > MOST_BYTES || content === undefined) {
        return refusal('signature_malformed', `${spec.from} and ${spec.key_id}, last in the query`)
      }
      if (postback.body.length > 0) {
        return refusal('signature_invalid', 'the query does not cover a body')
      }
      const found: KeyLookup = keys?.lookup(spec.keys_url, given.keyId) ?? UNAVAILABLE
      if (found.found === 'unavailable') return refusal('keys_unavailable', 'public keys')
      if (found.found !== 'one') return refusal('signature_invalid', 'no key of this id')
      const isSigned = verify('sha256', Buffer.from(content), found.key, signature)
      return isSigned ? undefined : refusal('signature_invalid', spec.from)
    },
    proof: {
      from: source.value,
      fromText: spec.from,
      kind: 'signature',
      value: () => fail(refusal('signature_missing', 'only the network has the private key')),
    },
  })
}

function readBoth(
  postback: Postback,
  signatureKey: string,
  idKey: string,
): { readonly signature: string; readonly keyId: string } | Refusal {
  const signature = readParam(postback, signatureKey)
  const keyId = readParam(postback, idKey)
  for (const [reading, what] of [
    [signature, 'the signature'],
    [keyId, 'the key id'],
  ] as const) {
    if (reading.found === 'many') return refusal('param_duplicate', what)
    if (reading.found === 'broken') return refusal('signature_malformed', what)
    if (!reading.value) return refusal('signature_missing', what)
  }
  return { signature: signature.value ?? '', keyId: keyId.value ?? '' }
}

function escape(text: string): string {
  return text.replace(/[^A-Za-z0-9_]/g, '\\$&')
}
