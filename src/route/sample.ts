/**
 * Deterministic sampling: a conversion's id decides, so that retries, later statuses, restarts and
 * replicas agree without asking each other. The id is a keyed hash, hence uniform already; mixing
 * it with the route's own seed makes the choices of different routes independent.
 */

/** True for `percent` of all conversion ids (32 hex digits). */
export function compileSample(percent: number, seedText: string): (id: string) => boolean {
  const seed = fnv1a(seedText)
  const threshold = (percent / 100) * 2 ** 32
  return id => mix(Number.parseInt(id.slice(0, 8), 16) ^ seed) < threshold
}

/** FNV-1a, 32 bit: http://www.isthe.com/chongo/tech/comp/fnv/ */
function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193)
  return hash
}

/** The 32-bit finalizer of MurmurHash3: every input bit flips half of the output bits. */
function mix(value: number): number {
  let hash = value
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
