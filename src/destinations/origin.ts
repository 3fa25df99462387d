/** The part of a URL that says who is spoken to. It never depends on a postback. */
import { fail, ok, type Result } from '../base/result.ts'

const URL_PARTS = /^(https?):\/\/([^/?#]*)(.*)$/is

/** A name of ASCII labels or an address, with an optional port. No user info, no empty label. */
const AUTHORITY =
  /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*)(?::(?<port>\d{1,5}))?$/

export interface UrlParts {
  readonly scheme: string
  readonly authority: string
  /** From the path on; may be empty. */
  readonly rest: string
}

export function splitUrl(url: string): UrlParts | undefined {
  const match = URL_PARTS.exec(url)
  if (!match) return undefined
  const [, scheme = '', authority = '', rest = ''] = match
  return { scheme: scheme.toLowerCase(), authority, rest }
}

/** Canonical `https://host[:port]`, or what is wrong. */
export function parseOrigin(scheme: string, authority: string): Result<string, string> {
  if (authority.includes('@')) {
    return fail('holds a user name or password before the host; use a header or a setting')
  }
  const match = AUTHORITY.exec(authority)
  const port = match?.groups?.['port']
  const isPort = port === undefined || (Number(port) >= 1 && Number(port) <= 65535)
  const url = `${scheme}://${authority}/`
  if (!match || !isPort || !URL.canParse(url)) {
    return fail('has no valid host; write it like tracker.example.com or tracker.example.com:8443')
  }
  return ok(new URL(url).origin)
}

/** A whole URL that an operator entered; no fragment, no user info, no path that climbs. */
export function parseTarget(text: string): Result<{ origin: string; rest: string }, string> {
  const parts = splitUrl(text)
  if (!parts) return fail('must start with https:// or http://')
  const origin = parseOrigin(parts.scheme, parts.authority)
  if (!origin.ok) return origin
  const problem = problemOfLiteral(parts.rest)
  if (problem) return fail(problem)
  if (parts.rest.split('?')[0]?.split('/').some(isDotSegment)) {
    return fail('holds a path segment . or ..')
  }
  return ok({ origin: origin.value, rest: parts.rest })
}

/** What may stand unencoded in a path or query (RFC 3986 §3.3, §3.4), and brackets in names. */
const URL_TEXT = /^(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?[\]]|%[0-9A-Fa-f]{2})*$/

/** Undefined where `text` is fit to stand in a path or query as it is. */
export function problemOfLiteral(text: string): string | undefined {
  if (text.includes('#')) return 'holds a #fragment, which is never sent'
  if (!URL_TEXT.test(text)) {
    return 'holds a character that a URL cannot hold (space, \\, letters outside ASCII …); percent-encode it'
  }
  return undefined
}

/** True for what a receiver reads as "here" or "one up", encoded or not (WHATWG URL §4.4). */
export function isDotSegment(segment: string): boolean {
  return /^(?:\.|%2e){1,2}$/i.test(segment)
}
