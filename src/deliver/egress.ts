/**
 * The egress guard's decisions: which addresses and URLs a destination may have. In: allowances
 * and address or URL text. Out: allowed, or the reason. Pure; `connector.ts` applies it to
 * sockets. Metadata and link-local addresses are refused whatever is allowed.
 */
import ipaddr from 'ipaddr.js'
import { fail, ok, type Result } from '../base/result.ts'
import { parseAddress, type Address, type AddressKind } from './address.ts'

export type EgressReason = Exclude<AddressKind, 'public'> | 'port'

export interface Listening {
  /** IP address, `0.0.0.0` or `::`. */
  readonly address: string
  readonly port: number
}

/** The connection was refused by the guard; nothing of the request was sent. */
export class EgressError extends Error {
  readonly code = 'POSTERN_EGRESS_BLOCKED'
  readonly reason: EgressReason
  constructor(reason: EgressReason, message: string) {
    super(message)
    this.name = 'EgressError'
    this.reason = reason
  }
}

/** Why a connection to an address is refused; undefined: it is allowed. */
export type EgressGuard = (address: string, port: number) => EgressError | undefined

/**
 * `ownAddresses`: where this process listens. `localAddresses`: the machine's interfaces, which a
 * wildcard listener answers on.
 */
export function compileEgress(options: {
  readonly allowPrivate: readonly string[]
  readonly ownAddresses: () => readonly Listening[]
  readonly localAddresses: () => readonly string[]
}): EgressGuard {
  const isAllowed = compileAllowance(options.allowPrivate)
  return (text, port) => {
    const address = parseAddress(text)
    if (!address) return new EgressError('reserved', 'the resolver gave no usable IP address')
    const kind = isAllowed(address)
    if (kind !== 'public') return new EgressError(kind, describe(address.text, kind))
    if (isOwn(address, port, options.ownAddresses(), options.localAddresses)) {
      return new EgressError('port', `${address.text}:${port} is where this gateway itself listens`)
    }
    return undefined
  }
}

/** `public`: go ahead, by nature or by allowance; else the kind that stands against it. */
function compileAllowance(allowPrivate: readonly string[]): (address: Address) => AddressKind {
  const ranges = allowPrivate.map(cidr => ipaddr.parseCIDR(withPrefix(cidr)))
  const isListed = (address: Address): boolean =>
    ranges.some(
      ([network, bits]) =>
        network.kind() === address.parsed.kind() && address.parsed.match([network, bits]),
    )
  const judge = (address: Address): AddressKind => {
    if (address.kind === 'metadata' || address.kind === 'link_local') return address.kind
    if (address.kind === 'public') return 'public'
    if (!isListed(address)) return address.kind
    // An allowed NAT64 or 6to4 prefix does not open what may not be reached as IPv4.
    return address.inner.map(judge).find(kind => kind !== 'public') ?? 'public'
  }
  return judge
}

function withPrefix(cidr: string): string {
  return cidr.includes('/') ? cidr : `${cidr}/${cidr.includes(':') ? 128 : 32}`
}

function isOwn(
  address: Address,
  port: number,
  own: readonly Listening[],
  localAddresses: () => readonly string[],
): boolean {
  return own.some(listening => {
    if (listening.port !== port) return false
    const bound = parseAddress(listening.address)
    if (!bound) return false
    const isWildcard = bound.text === '0.0.0.0' || bound.text === '::'
    if (!isWildcard) return spellings(address).includes(bound.text)
    if (address.kind === 'loopback' || address.inner.some(a => a.kind === 'loopback')) return true
    return localAddresses().some(local => {
      const canonical = parseAddress(local)?.text
      return canonical !== undefined && spellings(address).includes(canonical)
    })
  })
}

function spellings(address: Address): string[] {
  return [address.text, ...address.inner.map(inner => inner.text)]
}

function describe(address: string, kind: EgressReason): string {
  const never = kind === 'metadata' || kind === 'link_local'
  const cure = never
    ? 'such addresses are never allowed'
    : 'if this is intended, list its network in allow_private of the destination'
  return `${address} is a ${kind} address; ${cure}`
}

/**
 * Checks what can be known of a destination's URL at load: scheme, host form, literal address,
 * userinfo, port. Names are checked again by what they resolve to, at every connection.
 */
export function checkDestinationUrl(
  text: string,
  allowPrivate: readonly string[],
): Result<URL, { readonly message: string }> {
  // The URL parser repairs what people mistype (`http:host`, `http:\\host`, tabs, line ends);
  // a repaired URL does not say what was meant, so the written form is checked first.
  if (!/^https?:\/\/[^/?#]/i.test(text))
    return wrong('must start with https:// or http:// and a host')
  if (/[\s\\\u0000-\u001f\u007f]/.test(text))
    return wrong('has a backslash, space or control character')
  if (!URL.canParse(text)) return wrong('is not a URL')
  const url = new URL(text)
  if (/^[^/?#]*@/.test(text.slice(text.indexOf('//') + 2))) {
    return wrong('has a user name or password; send credentials in a header')
  }
  if (text.includes('#')) return wrong('has a #fragment, which is never sent; write # as %23')
  if (url.port === '0') return wrong('has port 0')
  const address = parseAddress(url.hostname)
  if (!address) return checkName(url, allowPrivate)
  const kind = compileAllowance(allowPrivate)(address)
  return kind === 'public'
    ? ok(url)
    : wrong(`has a host that is refused: ${describe(address.text, kind)}`)
}

function checkName(
  url: URL,
  allowPrivate: readonly string[],
): Result<URL, { readonly message: string }> {
  const name = url.hostname
  if (!/^[a-z0-9_-]+(\.[a-z0-9_-]+)*\.?$/.test(name)) {
    return wrong('has no valid host name (it must be literal, or a setting of the destination)')
  }
  if (/(^|\.)localhost\.?$/.test(name)) {
    const isAllowed = compileAllowance(allowPrivate)
    const loopback = ['127.0.0.1', '::1'].some(text => {
      const address = parseAddress(text)
      return address !== undefined && isAllowed(address) === 'public'
    })
    if (!loopback) return wrong(`has a host that is refused: ${describe(name, 'loopback')}`)
  }
  return ok(url)
}

function wrong(what: string): Result<never, { readonly message: string }> {
  return fail({ message: `The destination URL ${what}.` })
}
