/**
 * Addresses as people write them in files. Strict: `127.1`, `1.2.3` and octal parts are faults
 * here, though some parsers take them for other addresses than the reader does.
 */
import { isIP } from 'node:net'

const V4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/

/** True for a plain IPv4 or IPv6 address, without zone and without brackets. */
export function isAddress(text: string): boolean {
  return V4.test(text) || (isIP(text) === 6 && !text.includes('%'))
}

export type CidrProblem = 'address' | 'prefix' | 'everyone'

/** What is wrong with an address or CIDR; `everyone` is valid but opens to all. */
export function cidrProblem(text: string): CidrProblem | undefined {
  const slash = text.indexOf('/')
  const address = slash < 0 ? text : text.slice(0, slash)
  if (!isAddress(address)) return 'address'
  if (slash < 0) return undefined
  const prefix = text.slice(slash + 1)
  const bits = address.includes(':') ? 128 : 32
  if (!/^(?:0|[1-9]\d{0,2})$/.test(prefix) || Number(prefix) > bits) return 'prefix'
  return prefix === '0' ? 'everyone' : undefined
}

export const CIDR_WORDS: Readonly<Record<CidrProblem, string>> = {
  address: 'not an IP address or CIDR; write four parts, such as `203.0.113.0/24`',
  prefix: 'the prefix after `/` is out of range: 0–32 for IPv4, 0–128 for IPv6',
  everyone: 'this range is the whole Internet',
}

export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/** `host:port`, IPv6 in brackets. Undefined where the port is above 65535. */
export function parseListen(text: string): ListenAddress | undefined {
  const colon = text.lastIndexOf(':')
  const port = text.slice(colon + 1)
  if (colon < 1 || !/^\d{1,5}$/.test(port) || Number(port) > 65535) return undefined
  const name = text.slice(0, colon)
  const host = name.replace(/^\[(.*:.*)\]$/, '$1')
  if (host !== name) return isAddress(host) ? { host, port: Number(port) } : undefined
  if (!V4.test(host)) {
    // A name made of digits and dots is a mistyped address, not a host.
    if (/^[\d.]+$/.test(host) || !/^[A-Za-z0-9._-]+$/.test(host)) return undefined
  }
  return { host, port: Number(port) }
}
