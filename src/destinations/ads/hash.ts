/**
 * How an ad platform gets a piece of identity: hashed or plain, after the platform's own spelling.
 * Empty and unusable values come out as undefined, so that a hash of nothing is never sent.
 */
import { createHash } from 'node:crypto'

/** Trimmed text in; the one spelling of it, or undefined where it is none. Applying it twice changes nothing. */
export type Spelling = (text: string) => string | undefined
export type Identify = (raw: string | undefined) => string | undefined

const HASH = /^[0-9a-f]{64}$/i

export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** A value that is a SHA-256 already was hashed by whoever sent it, and is passed on. */
export function hashed(spelling: Spelling): Identify {
  return raw => {
    const text = raw?.trim()
    if (!text) return undefined
    if (HASH.test(text)) return text.toLowerCase()
    const spelled = spelling(text)
    return spelled ? sha256(spelled) : undefined
  }
}

/** A hash has no place where the platform reads plain text. */
export function plain(spelling: Spelling): Identify {
  return raw => {
    const text = raw?.trim()
    return !text || HASH.test(text) ? undefined : spelling(text) || undefined
  }
}
