/**
 * A postback's own request, kept and sent again. In: the request as it came. Out: what the record
 * keeps, and the request to the tracker rebuilt from it. Pure.
 */
import { isUtf8 } from 'node:buffer'
import type { DeliveryRequest, OriginalRequest } from '../model/delivery.ts'

/** `headers`: name, value, … as `requestHeaders` gives them. */
export function toOriginal(
  method: 'GET' | 'POST',
  target: string,
  headers: readonly string[],
  body: Buffer,
): OriginalRequest {
  const kept: Record<string, string> = Object.create(null) as Record<string, string>
  let host = ''
  for (let i = 0; i < headers.length; i += 2) {
    const name = (headers[i] as string).toLowerCase()
    const value = headers[i + 1] as string
    if (name === 'host') host = value
    else if (name !== 'content-length' && name !== 'postern-hop') {
      const before = kept[name]
      const separator = name === 'cookie' ? '; ' : ', '
      kept[name] = before === undefined ? value : before + separator + value
    }
  }
  const encoded = body.length > 0 ? { body: body.toString('base64') } : {}
  return { method, target, host, headers: { ...kept }, ...encoded }
}

export function toRequest(original: OriginalRequest, origin: string): DeliveryRequest {
  const { method, target, host, headers } = original
  const body = original.body === undefined ? undefined : Buffer.from(original.body, 'base64')
  const base = { method, url: origin + target, headers, host }
  if (!body) return { ...base, body: undefined }
  return isUtf8(body)
    ? { ...base, body: body.toString('utf8') }
    : { ...base, body: undefined, bytes: body }
}
