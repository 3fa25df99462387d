/**
 * Signature text → bytes, strictly. `Buffer.from` skips what it does not know, so that many texts
 * would pass for one signature; here exactly one text per encoding does (plus upper-case hex, and
 * base64 with or without its padding).
 */
import type { SignatureCheck } from '../rules/check-schema.ts'

export type Encoding = SignatureCheck['encoding']

/** `bytes` bytes, or undefined where the text is not exactly that. */
export function decodeSignature(
  text: string,
  encoding: Encoding,
  bytes: number,
): Buffer | undefined {
  const decoded = decodeText(text, encoding)
  return decoded?.length === bytes ? decoded : undefined
}

/** However long; undefined where the text is not of the encoding. */
export function decodeText(text: string, encoding: Encoding): Buffer | undefined {
  if (encoding === 'hex') {
    return text.length % 2 === 0 && /^[0-9A-Fa-f]+$/.test(text)
      ? Buffer.from(text, 'hex')
      : undefined
  }
  const bare = withoutPadding(text)
  if (bare === undefined) return undefined
  const decoded = Buffer.from(bare, encoding)
  // Encoding it back shows skipped characters and stray bits in the last one.
  return withoutPadding(decoded.toString(encoding)) === bare ? decoded : undefined
}

export function encodeSignature(signature: Buffer, encoding: Encoding): string {
  return signature.toString(encoding)
}

/** Padding is either complete or absent (RFC 4648 §3.2). */
function withoutPadding(text: string): string | undefined {
  const bare = text.replace(/={1,2}$/, '')
  return bare.length === text.length || text.length % 4 === 0 ? bare : undefined
}
