/** An outgoing request as people may see it: every secret masked, wherever it stands. */
import { maskSecrets } from './base/redact.ts'
import type { DeliveryRequest } from './model/delivery.ts'

export function maskedRequest(
  { method, url, headers, body }: DeliveryRequest,
  secrets: readonly string[],
): DeliveryRequest {
  const mask = (text: string) => maskSecrets(text, secrets)
  const masked = Object.entries(headers).map(([name, value]) => [name, mask(value)])
  return {
    method,
    url: mask(url),
    headers: Object.fromEntries(masked) as Record<string, string>,
    body: body === undefined ? undefined : mask(body),
  }
}
