/**
 * Who called: the socket's peer, or the X-Forwarded-For entry that the last trusted proxy wrote.
 * The header is believed only from trusted peers and read from the right, since everything left of
 * a trusted proxy's own entry is what the client chose to send
 * (https://nginx.org/en/docs/http/ngx_http_realip_module.html, real_ip_recursive).
 * Other headers (X-Real-IP, Forwarded, CF-Connecting-IP) are never read.
 */
import { LRUCache } from 'lru-cache'
import {
  canonicalAddress,
  compileCidrs,
  forwardedAddress,
  type CidrFault,
} from '../base/address.ts'
import { ok, type Result } from '../base/result.ts'

/** Canonical client address, or undefined where it cannot be told. */
export type ReadAddress = (
  peer: string | undefined,
  forwardedFor: string | string[] | undefined,
) => string | undefined

/** Proxies walked through at most; a longer chain of trusted ones is a mistake or a forgery. */
const MAX_HOPS = 32
const CACHED_PEERS = 4096

export function compileReadAddress(
  trustedProxies: readonly string[],
): Result<ReadAddress, readonly CidrFault[]> {
  const trusted = compileCidrs(trustedProxies)
  if (!trusted.ok) return trusted
  const isTrusted = trusted.value
  const peers = new LRUCache<string, { address: string | undefined; isTrusted: boolean }>({
    max: CACHED_PEERS,
  })
  const lookUp = (text: string) => {
    const known = peers.get(text)
    if (known) return known
    const address = canonicalAddress(text)
    const peer = { address, isTrusted: address !== undefined && isTrusted(address) }
    peers.set(text, peer)
    return peer
  }
  return ok((peerText, forwardedFor) => {
    if (peerText === undefined) return undefined
    const peer = lookUp(peerText)
    if (!peer.isTrusted || forwardedFor === undefined) return peer.address
    return walk(Array.isArray(forwardedFor) ? forwardedFor.join(',') : forwardedFor, isTrusted)
  })
}

function walk(header: string, isTrusted: (address: string) => boolean): string | undefined {
  let end = header.length
  for (let hop = 0; hop < MAX_HOPS; hop++) {
    const comma = end === 0 ? -1 : header.lastIndexOf(',', end - 1)
    const address = forwardedAddress(header.slice(comma + 1, end))
    if (address === undefined || comma < 0 || !isTrusted(address)) return address
    end = comma
  }
  return undefined
}
