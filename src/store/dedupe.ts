/** Dedupe keys are stored hashed: short, and no personal data. */
import { prepareHmac, type Hmac } from '../base/hmac.ts'

/** One store, one key. */
const prepared = new WeakMap<Buffer, Hmac>()

/** 32 hex digits: the first 16 bytes of HMAC-SHA256 over network and key text. */
export function dedupeHash(hashKey: Buffer, network: string, keyText: string): string {
  let hmac = prepared.get(hashKey)
  if (!hmac) {
    hmac = prepareHmac('sha256', hashKey)
    prepared.set(hashKey, hmac)
  }
  return hmac(`${network}\n${keyText}`).slice(0, 32)
}
