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
 * Record ids of one owner: `<owner>-<sequence>-<partition>`, both numbers in base 36.
 * Whoever holds a record id knows whose journal it was written to, and where.
 */
export function createRecordIds(owner: string): { next(partition: number): string } {
  let sequence = 0
  return { next: partition => `${owner}-${(sequence++).toString(36)}-${partition.toString(36)}` }
}

/** The owner that wrote this record: the part before the first dash. */
export function ownerOf(record: string): string {
  return record.slice(0, record.indexOf('-'))
}

/** The partition this record lives in: the part after the last dash. */
export function partitionOf(record: string): number {
  return Number.parseInt(record.slice(record.lastIndexOf('-') + 1), 36)
}
