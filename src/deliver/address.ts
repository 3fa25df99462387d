/**
 * What an IP address is, for the question "may a delivery go there". In: address text as URL
 * parsing, DNS and sockets spell it. Out: its kind. Pure. Only what is certainly public is
 * `public`; everything that cannot be told is `reserved`.
 */
import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'

export type AddressKind =
  | 'public'
  | 'private'
  | 'loopback'
  | 'link_local'
  | 'metadata'
  | 'reserved'
  /** IPv6 that carries an IPv4 address inside (mapped, compatible, NAT64, 6to4, Teredo). */
  | 'embedded_v4'

export interface Address {
  /** Canonical spelling: all spellings of one address have the same. */
  readonly text: string
  readonly kind: AddressKind
  /** The IPv4 addresses inside an `embedded_v4`. */
  readonly inner: readonly Address[]
  readonly parsed: ipaddr.IPv4 | ipaddr.IPv6
}

/**
 * Services that hand credentials to whoever asks from this machine. Most sit in link-local space,
 * which is refused whole; these do not, or must be named for what they are.
 * https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html
 * https://learn.microsoft.com/en-us/azure/virtual-network/what-is-ip-address-168-63-129-16
 * https://cloud.google.com/compute/docs/metadata/overview
 * https://www.alibabacloud.com/help/en/ecs/user-guide/view-instance-metadata
 */
const METADATA = new Set([
  '169.254.169.254',
  '169.254.170.2',
  '169.254.170.23',
  '168.63.129.16',
  '100.100.100.200',
  '192.0.0.192',
  'fd00:ec2::254',
  'fd00:ec2::23',
  'fd20:ce::254',
])

const KIND_OF_RANGE: Readonly<Record<string, AddressKind>> = {
  unicast: 'public',
  private: 'private',
  uniqueLocal: 'private',
  carrierGradeNat: 'private',
  loopback: 'loopback',
  // 0.0.0.0 and :: reach the machine itself on Linux.
  unspecified: 'loopback',
  linkLocal: 'link_local',
  deprecatedSiteLocal: 'private',
}

/** Undefined where `text` is not an IP address. */
export function parseAddress(text: string): Address | undefined {
  const bare = text.startsWith('[') && text.endsWith(']') ? text.slice(1, -1) : text
  const unzoned = bare.includes('%') ? bare.slice(0, bare.indexOf('%')) : bare
  // Not `process`: that one folds mapped addresses into IPv4 and would hide the embedding.
  // `1.2.3` and `0x7f.1` are addresses to ipaddr, and other ones to other parsers.
  return isIP(unzoned) === 0 ? undefined : toAddress(ipaddr.parse(unzoned))
}

function toAddress(parsed: ipaddr.IPv4 | ipaddr.IPv6): Address {
  const text = parsed.toString()
  if (METADATA.has(text)) return { text, kind: 'metadata', inner: [], parsed }
  if (parsed instanceof ipaddr.IPv4)
    return { text, kind: kindOf(parsed.range()), inner: [], parsed }
  const inner = embedded(parsed.toByteArray()).map(bytes => toAddress(new ipaddr.IPv4([...bytes])))
  return { text, kind: kindOfV6(parsed, inner), inner, parsed }
}

function kindOf(range: string): AddressKind {
  return KIND_OF_RANGE[range] ?? 'reserved'
}

function kindOfV6(parsed: ipaddr.IPv6, inner: readonly Address[]): AddressKind {
  const kind = kindOf(parsed.range())
  // `::` and `::1` are inside the IPv4-compatible prefix, and are what they are.
  if (kind === 'loopback') return 'loopback'
  if (inner.some(address => address.kind === 'metadata')) return 'metadata'
  if (inner.length > 0) return 'embedded_v4'
  // Only 2000::/3 is global unicast; the rest of "unicast" is unassigned (RFC 4291 §2.4).
  const isGlobal = ((parsed.parts[0] ?? 0) & 0xe000) === 0x2000
  return kind === 'public' && !isGlobal ? 'reserved' : kind
}

/** The IPv4 addresses an IPv6 address carries, by the prefixes that say so. */
function embedded(bytes: readonly number[]): (readonly number[])[] {
  const starts = (...prefix: number[]): boolean => prefix.every((byte, i) => bytes[i] === byte)
  const last = bytes.slice(12)
  const zeros = (from: number, to: number): boolean => bytes.slice(from, to).every(b => b === 0)
  // ::a.b.c.d (RFC 4291 §2.5.5.1) and ::ffff:a.b.c.d (§2.5.5.2)
  if (zeros(0, 12)) return [last]
  if (zeros(0, 10) && bytes[10] === 0xff && bytes[11] === 0xff) return [last]
  // ::ffff:0:a.b.c.d (RFC 6145)
  if (zeros(0, 8) && bytes[8] === 0xff && bytes[9] === 0xff && zeros(10, 12)) return [last]
  // NAT64: 64:ff9b::/96 (RFC 6052) and 64:ff9b:1::/48 (RFC 8215)
  if (starts(0, 0x64, 0xff, 0x9b) && (zeros(4, 12) || (bytes[4] === 0 && bytes[5] === 1))) {
    return [last]
  }
  // 6to4 (RFC 3056)
  if (starts(0x20, 0x02)) return [bytes.slice(2, 6)]
  // Teredo (RFC 4380): the server, and the client with its bits turned over
  if (starts(0x20, 0x01, 0, 0)) return [bytes.slice(4, 8), last.map(byte => byte ^ 0xff)]
  return []
}
