/**
 * What can be refused by the request line and headers alone, before routing and before a byte of
 * the body is read. Pure.
 */
import type { IncomingHttpHeaders } from 'node:http'
import type { Deferral, Refusal, Rejection } from '../reasons.ts'
import { bodyKind } from './content-type.ts'

export interface Head {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly httpVersionMajor: number
  readonly httpVersionMinor: number
  readonly headers: IncomingHttpHeaders
}

export type EdgeRefusal = Refusal | { readonly reason: Deferral; readonly detail: string }

const no = (reason: Rejection, detail: string): EdgeRefusal => ({ reason, detail })

/** `headers` must join duplicates with a comma (`joinDuplicateHeaders`), so that two Hosts show. */
export function refuseHead(head: Head, urlBytes: number): EdgeRefusal | undefined {
  const { method, url = '', headers } = head
  // HTTP/0.9 has no headers to judge; llhttp reads `GET /in/a` as such a request.
  if (head.httpVersionMajor !== 1) return no('malformed_http', 'speak HTTP/1.1')
  const { host } = headers
  // RFC 9112 §3.2: a missing or second Host must be answered 400.
  if (host === undefined ? head.httpVersionMinor > 0 : host.includes(',')) {
    return no('malformed_http', 'exactly one Host header is needed')
  }
  const coding = headers['transfer-encoding']
  if (coding !== undefined && coding.trim().toLowerCase() !== 'chunked') {
    return no('malformed_http', 'the only transfer coding is chunked')
  }
  if (method !== 'GET' && method !== 'POST' && method !== 'HEAD') {
    return no('method_not_allowed', 'send GET or POST')
  }
  if (url.length > urlBytes) return no('url_too_long', `the URL is over ${urlBytes} bytes`)
  // The absolute form is for proxies. A signature covers the target as sent, so there is one form.
  if (!url.startsWith('/')) return no('unknown_network', 'send the path, not a whole URL')
  if (method === 'POST') {
    const kind = bodyKind(headers)
    if (!kind.ok) return kind.error
  }
  return undefined
}
