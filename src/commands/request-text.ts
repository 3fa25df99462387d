/** An outgoing request as text, byte for byte what `deliver/transport.ts` sends but for the host. */
import type { DeliveryRequest } from '../model/delivery.ts'

export function requestText(
  request: Omit<DeliveryRequest, 'method'> & { readonly method: string },
  deliveryId: string,
): string {
  const headers = { ...request.headers, 'postern-delivery-id': deliveryId }
  const lines = [
    `${request.method} ${request.url}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ]
  if (request.body !== undefined) lines.push('', request.body)
  return lines.join('\n')
}
