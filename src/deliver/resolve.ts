/**
 * Host name → addresses, remembered for at most 30 s. In: a name. Out: every address it has, in
 * the resolver's order. Questions for one name share one lookup, so that a dead DNS server cannot
 * fill the few threads that lookups run on; failures are not remembered.
 */
import { lookup } from 'node:dns/promises'
import type { Clock } from '../base/clock.ts'

export interface ResolvedAddress {
  readonly address: string
  readonly family: 4 | 6
}

/** Rejects with a DNS error (`ENOTFOUND`, `EAI_AGAIN`, …). */
export type Resolve = (name: string) => Promise<readonly ResolvedAddress[]>

const KEEP_MS = 30_000
const NAMES_MAX = 1_000

export const systemResolve: Resolve = async name => {
  const addresses = await lookup(name, { all: true, verbatim: true })
  return addresses.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }))
}

export function createResolver(resolve: Resolve, clock: Clock): Resolve {
  const known = new Map<string, { at: number; addresses: Promise<readonly ResolvedAddress[]> }>()
  return name => {
    const entry = known.get(name)
    if (entry && clock.monotonic() - entry.at < KEEP_MS) return entry.addresses
    const addresses = resolve(name)
    // Re-inserted at the end, so that the first key is the oldest.
    known.delete(name)
    const [oldest] = known.keys()
    if (known.size >= NAMES_MAX && oldest !== undefined) known.delete(oldest)
    const fresh = { at: clock.monotonic(), addresses }
    known.set(name, fresh)
    addresses.catch(() => {
      if (known.get(name) === fresh) known.delete(name)
    })
    return addresses
  }
}
