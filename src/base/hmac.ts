/**
 * HMAC (RFC 2104) with the key prepared once. Node's `createHmac` makes two objects and a key of
 * OpenSSL for every text, at twice the cost of the hashing itself; this hashes twice in one call
 * each. In: text or bytes. Out: the digest in hex.
 */
import { createHash, createHmac, hash } from 'node:crypto'

export type HmacAlgorithm = 'md5' | 'sha1' | 'sha256' | 'sha512'

export type Hmac = (text: string | Uint8Array) => string

/** A longer text is rare, and there the hashing itself is what it costs. */
const TEXT_BYTES = 4096
const BLOCK_BYTES = { md5: 64, sha1: 64, sha256: 64, sha512: 128 } as const
const DIGEST_BYTES = { md5: 16, sha1: 20, sha256: 32, sha512: 64 } as const

export function prepareHmac(algorithm: HmacAlgorithm, key: string | Buffer): Hmac {
  const block = BLOCK_BYTES[algorithm]
  const bytes = typeof key === 'string' ? Buffer.from(key) : key
  const short = bytes.length > block ? createHash(algorithm).update(bytes).digest() : bytes
  const inner = Buffer.alloc(block + TEXT_BYTES, 0x36)
  const outer = Buffer.alloc(block + DIGEST_BYTES[algorithm], 0x5c)
  for (const [i, byte] of short.entries()) {
    inner[i] = byte ^ 0x36
    outer[i] = byte ^ 0x5c
  }
  return text => {
    // A UTF-16 unit is at most three bytes of UTF-8.
    const most = typeof text === 'string' ? text.length * 3 : text.length
    if (most > TEXT_BYTES) return createHmac(algorithm, bytes).update(text).digest('hex')
    let end = block
    if (typeof text === 'string') end += inner.write(text, block)
    else {
      inner.set(text, block)
      end += text.length
    }
    // Hex, because a digest as a Buffer costs twice the digest.
    outer.write(hash(algorithm, inner.subarray(0, end), 'binary'), block, 'latin1')
    return hash(algorithm, outer, 'hex')
  }
}
