/** The only home of randomness. */
import { randomBytes } from 'node:crypto'

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz'

/** `length` characters of Crockford base32, 5 random bits each. */
export function randomText(length: number): string {
  let text = ''
  for (const byte of randomBytes(length)) text += ALPHABET[byte & 31]
  return text
}

/** Uniform in [0, 1): jitter and the `{random}` macro, never secrets. */
export function random(): number {
  return Math.random()
}

/**
 * Record ids of one owner: `<owner>-<sequence>`, the sequence in base 36.
 * The owner's name is the prefix, so whoever holds a record id knows whose journal it was written to.
 */
export function createRecordIds(owner: string): { next(): string } {
  let sequence = 0
  return { next: () => `${owner}-${(sequence++).toString(36)}` }
}

/** The owner that wrote this record: the part before the dash. */
export function ownerOf(record: string): string {
  return record.slice(0, record.indexOf('-'))
}
