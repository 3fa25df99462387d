/**
 * IP addresses from outside: strict text → one canonical spelling, and CIDR lists compiled at load.
 * What is not plainly an address is refused, never guessed: `127.1`, `0x7f.1` and `010.0.0.1` mean
 * different hosts to different parsers.
 */
import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import { fail, ok, type Result } from './result.ts'

type Address = ipaddr.IPv4 | ipaddr.IPv6

/**
 * `::ffff:192.0.2.1` → `192.0.2.1`, `2001:DB8:0::1` → `2001:db8::1`; undefined where the text is
 * not an address. IPv4-mapped addresses are the IPv4 peer on a dual-stack socket (RFC 4291 §2.5.5.2).
 */
export function canonicalAddress(text: string): string | undefined {
  return parse(text)?.toString()
}

/**
 * As `canonicalAddress`, for one X-Forwarded-For entry: surrounding blanks, `[…]` and a port are
 * taken off (`1.2.3.4:5555`, `[2001:db8::1]:443`).
 */
export function forwardedAddress(entry: string): string | undefined {
  const text = entry.trim()
  const bracketed = /^\[([0-9A-Fa-f:.]+)\](?::\d{1,5})?$/.exec(text)
  if (bracketed) return canonicalAddress(bracketed[1] ?? '')
  const withPort = /^([0-9.]+):\d{1,5}$/.exec(text)
  return canonicalAddress(withPort?.[1] ?? text)
}

/** Who one sender can be taken for: an IPv4 address, or the /64 of an IPv6 address. */
export function addressBlock(address: string): string {
  const parsed = parse(address)
  if (!(parsed instanceof ipaddr.IPv6)) return address
  return parsed.parts
    .slice(0, 4)
    .map(part => part.toString(16))
    .join(':')
}

export interface CidrFault {
  /** Position in the list. */
  readonly index: number
  readonly message: string
}

/** A test for canonical addresses; an address alone stands for itself (/32, /128). */
export function compileCidrs(
  list: readonly string[],
): Result<(address: string) => boolean, readonly CidrFault[]> {
  const faults: CidrFault[] = []
  const ranges: [Address, number][] = []
  for (const [index, text] of list.entries()) {
    const range = parseCidr(text)
    if (range) ranges.push(range)
    else
      faults.push({ index, message: 'not an address or CIDR; write 192.0.2.0/24 or 2001:db8::/32' })
  }
  if (faults.length > 0) return fail(faults)
  return ok(text => {
    const address = parse(text)
    return address !== undefined && ranges.some(range => contains(range, address))
  })
}

function parse(text: string): Address | undefined {
  // A zone (`fe80::1%eth0`) names an interface of one host and identifies nobody.
  if (isIP(text) === 0 || text.includes('%')) return undefined
  return ipaddr.process(text)
}

function parseCidr(text: string): [Address, number] | undefined {
  const [base = '', bits, ...rest] = text.split('/')
  if (isIP(base) === 0 || base.includes('%') || rest.length > 0) return undefined
  const written = ipaddr.parse(base)
  const width = written.kind() === 'ipv4' ? 32 : 128
  if (bits !== undefined && !/^(0|[1-9]\d{0,2})$/.test(bits)) return undefined
  const prefix = bits === undefined ? width : Number(bits)
  if (prefix > width) return undefined
  const address = ipaddr.process(base)
  // ::ffff:192.0.2.0/120 is 192.0.2.0/24.
  if (address.kind() !== written.kind()) return prefix < 96 ? undefined : [address, prefix - 96]
  return [address, prefix]
}

function contains([range, prefix]: [Address, number], address: Address): boolean {
  if (range instanceof ipaddr.IPv4)
    return address instanceof ipaddr.IPv4 && address.match(range, prefix)
  return address instanceof ipaddr.IPv6 && address.match(range, prefix)
}
