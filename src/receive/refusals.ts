/** What the edge refuses by itself, and in which words; nothing in them was sent. */
import type { EdgeRefusal } from './gate.ts'
import type { ReceiveLimits } from './limits.ts'

export const HOST_REFUSED: EdgeRefusal = {
  reason: 'host_not_allowed',
  detail: 'the name is not in server.allowed_hosts',
}
export const METHOD_REFUSED: EdgeRefusal = {
  reason: 'method_not_allowed',
  detail: 'send GET or POST',
}
export const EXPECTATION_REFUSED: EdgeRefusal = {
  reason: 'expectation_failed',
  detail: 'the only expectation is 100-continue',
}
/** What networks and proxies send is under 50. */
export const MAX_HEADERS = 200
export const HEADERS_REFUSED: EdgeRefusal = {
  reason: 'headers_too_large',
  detail: `more than ${MAX_HEADERS} headers`,
}
export const RATE_REFUSED: EdgeRefusal = {
  reason: 'rate_limited',
  detail: 'more than the rate allows',
}
export const HTTPS_REFUSED: EdgeRefusal = {
  reason: 'https_required',
  detail: 'came over plain HTTP',
}
export const DROPPED: Readonly<Record<'connections' | 'tls', EdgeRefusal>> = {
  connections: { reason: 'overloaded', detail: 'too many connections' },
  tls: { reason: 'malformed_http', detail: 'no TLS handshake' },
}

/** What Fastify gave up on; undefined: a defect. */
export function edgeRefusal(
  code: string | undefined,
  limits: ReceiveLimits,
): EdgeRefusal | undefined {
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return { reason: 'body_too_large', detail: `the body is over ${limits.bodyBytes} bytes` }
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return { reason: 'content_type_unsupported', detail: 'send a form or JSON' }
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return { reason: 'malformed_http', detail: 'the body is not as long as Content-Length says' }
    default:
      return undefined
  }
}
