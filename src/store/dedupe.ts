/** Dedupe keys are stored hashed: short, and no personal data. */
import { createHmac } from 'node:crypto'

/** 32 hex digits: the first 16 bytes of HMAC-SHA256 over network and key text. */
export function dedupeHash(hashKey: Buffer, network: string, keyText: string): string {
  return createHmac('sha256', hashKey).update(`${network}\n${keyText}`).digest('hex').slice(0, 32)
}
