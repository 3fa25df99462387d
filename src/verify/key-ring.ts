/**
 * Public keys of networks that sign with a private one, as a check sees them. Fetching them is I/O
 * and lives outside this stage; here is only the port, what a key must be, and a ring of fixed keys.
 */
import { createPublicKey, type KeyObject } from 'node:crypto'

export type KeyLookup =
  | { readonly found: 'one'; readonly key: KeyObject }
  /** `none`: the network publishes no such key. `unavailable`: cannot be told now. */
  | { readonly found: 'none' | 'unavailable' }

export interface KeyRing {
  /** At once, from what is known; starts fetching where that may help. */
  lookup(keysUrl: string, keyId: string): KeyLookup
}

/** A P-256 public key in PEM; undefined where the text is none. */
export function parsePublicKey(pem: string): KeyObject | undefined {
  // createPublicKey would take a private key as well, and use its public half.
  if (!pem.includes('-----BEGIN PUBLIC KEY-----')) return undefined
  try {
    const key = createPublicKey(pem)
    const isP256 = key.asymmetricKeyDetails?.namedCurve === 'prime256v1'
    return key.asymmetricKeyType === 'ec' && isP256 ? key : undefined
  } catch {
    return undefined
  }
}

/** The same keys for ever and for every URL: the examples of a rule. Texts that are no key are left out. */
export function createFixedKeys(pems: Readonly<Record<string, string>>): KeyRing {
  const keys = new Map<string, KeyObject>()
  for (const [id, pem] of Object.entries(pems)) {
    const key = parsePublicKey(pem)
    if (key) keys.set(id, key)
  }
  return {
    lookup: (_keysUrl, keyId) => {
      const key = keys.get(keyId)
      return key ? { found: 'one', key } : { found: 'none' }
    },
  }
}
