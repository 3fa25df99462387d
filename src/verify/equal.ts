/** Comparing secrets without telling by the time it takes how much of a guess was right. */
import { createHash, timingSafeEqual } from 'node:crypto'

/** Compares any number of expected texts with a given one, always all of them. */
export function compileEqualsAny(expected: readonly string[]): (given: string) => boolean {
  // Digests, because timingSafeEqual needs equal lengths and a length tells something too.
  const digests = expected.map(digest)
  return given => equalsAny(digest(given), digests)
}

/** For buffers of one length; none is skipped, so the time is the same whichever matches. */
export function equalsAny(given: Buffer, expected: readonly Buffer[]): boolean {
  let isEqual = false
  for (const each of expected) isEqual = timingSafeEqual(given, each) || isEqual
  return isEqual
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
