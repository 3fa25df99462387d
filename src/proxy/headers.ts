/**
 * Headers across the proxy. In: raw headers of one side. Out: those for the other, end-to-end ones
 * as they were sent and in their order. Hop-by-hop headers and whatever `Connection` names are
 * dropped (RFC 9110 §7.6.1); X-Forwarded-* say what this gateway knows, not what a client claims.
 * Pure.
 */

/** What the tracker is told of who called. */
export interface Forwarded {
  /** Canonical client address; undefined where it cannot be told. */
  readonly client: string | undefined
  readonly proto: 'http' | 'https'
  /** Of the trusted proxy in front, or the Host header. */
  readonly host: string
  readonly port: string | undefined
  /** 1 for a request that has met no gateway before. */
  readonly hop: number
}

const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  // Answered by this server itself.
  'expect',
])

/** Said anew, or not for a client to say. */
const OURS = new Set([
  'host',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-real-ip',
  'postern-hop',
  'postern-delivery-id',
])

/** Lower-case names that a `Connection` header lists. */
export function connectionNames(connection: string | undefined): ReadonlySet<string> | undefined {
  if (connection === undefined) return undefined
  return new Set(connection.split(',').map(name => name.trim().toLowerCase()))
}

/** Name, value, name, value …; `host` first. Content-Length stays: the body is not changed. */
export function requestHeaders(
  raw: readonly string[],
  connection: string | undefined,
  host: string,
  forwarded: Forwarded,
): string[] {
  const named = connectionNames(connection)
  const headers = ['host', host]
  let hadRealIp = false
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string
    const lower = name.toLowerCase()
    if (lower === 'x-real-ip') hadRealIp = true
    if (HOP_BY_HOP.has(lower) || OURS.has(lower)) continue
    // The length belongs to the message, whatever a client lists.
    if (named?.has(lower) && lower !== 'content-length') continue
    headers.push(name, raw[i + 1] as string)
  }
  const { client, proto, port, hop } = forwarded
  if (client !== undefined) {
    headers.push('x-forwarded-for', client)
    if (hadRealIp) headers.push('x-real-ip', client)
  }
  headers.push('x-forwarded-proto', proto, 'x-forwarded-host', forwarded.host)
  if (port !== undefined) headers.push('x-forwarded-port', port)
  headers.push('postern-hop', String(hop))
  return headers
}

type ResponseHeaders = Readonly<Record<string, string | string[] | undefined>>

/** The tracker's answer without what belongs to its connection with us. */
export function responseHeaders(headers: ResponseHeaders): Record<string, string | string[]> {
  const named = connectionNames(textOf(headers['connection']))
  const kept: Record<string, string | string[]> = {}
  for (const name in headers) {
    if (HOP_BY_HOP.has(name) || named?.has(name)) continue
    const value = headers[name]
    if (value !== undefined) kept[name] = value
  }
  return kept
}

function textOf(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(',') : value
}
