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
  readonly httpVersionMinor: number
  readonly headers: IncomingHttpHeaders
}

export type EdgeRefusal = Refusal | { readonly reason: Deferral; readonly detail: string }

const no = (reason: Rejection, detail: string): EdgeRefusal => ({ reason, detail })

/** `headers` must join duplicates with a comma (`joinDuplicateHeaders`), so that two Hosts show. */
export function refuseHead(head: Head, urlBytes: number): EdgeRefusal | undefined {
  const { method, url = '', headers } = head
  const unsound = refuseUnsound(head)
  if (unsound) return unsound
  if (method !== 'GET' && method !== 'POST' && method !== 'HEAD') {
    return no('method_not_allowed', 'send GET or POST')
  }
  if (url.length > urlBytes) return no('url_too_long', `the URL is over ${urlBytes} bytes`)
  if (method === 'POST') {
    const kind = bodyKind(headers)
    if (!kind.ok) return kind.error
  }
  return undefined
}

/** What no server should act on or pass on: two readers could see two different requests. */
export function refuseUnsound(head: Head): EdgeRefusal | undefined {
  const { headers } = head
  const { host } = headers
  // RFC 9112 §3.2: a missing or second Host must be answered 400. HTTP/1.0 may have none; HTTP/0.9,
  // which llhttp reads in `GET /in/a`, has no headers at all and ends here too.
  if (host === undefined ? head.httpVersionMinor > 0 : host.includes(',')) {
    return no('malformed_http', 'exactly one Host header is needed')
  }
  const coding = headers['transfer-encoding']
  if (coding !== undefined && coding.trim().toLowerCase() !== 'chunked') {
    return no('malformed_http', 'the only transfer coding is chunked')
  }
  return undefined
}

/**
 * The same for a request that is passed on. Its target begins with the path: the absolute form
 * names a host of its own, and `*` names none.
 */
export function refuseForeign(head: Head): EdgeRefusal | undefined {
  const unsound = refuseUnsound(head)
  if (unsound) return unsound
  return head.url?.startsWith('/') ? undefined : no('bad_path', 'the target must begin with /')
}
