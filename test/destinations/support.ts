/** A rule with as little in it as possible, and one attempt of it. */
import { createDestination, type ConfiguredDestination } from '../../src/destinations/registry.ts'
import type { DestinationOptions } from '../../src/destinations/options.ts'
import type { Conversion } from '../../src/model/conversion.ts'
import { deliveryId, type DeliveryRequest, type RequestFault } from '../../src/model/delivery.ts'
import type { DestinationRule } from '../../src/rules/destination-schema.ts'

export const NOW = Date.UTC(2026, 0, 1, 0, 0, 0, 750)

export const CONVERSION: Conversion = {
  id: '00112233445566778899aabbccddeeff',
  network: 'net',
  status: 'approved',
  click_id: 'click-1',
  transaction_id: 'tx-1',
  payout: '10.00',
  currency: 'USD',
  received_at: NOW,
  q: {},
}

export type RulePart = Omit<Partial<DestinationRule>, 'request'> & {
  request?: Partial<DestinationRule['request']>
}

export function rule({ request, ...part }: RulePart): DestinationRule {
  return {
    name: 'Test',
    kind: 'tracker',
    verified: 'vendor',
    docs: 'https://example.com/',
    examples: [],
    ...part,
    request: { method: 'GET', url: 'https://t.example/p', ...request },
  }
}

export function create(part: RulePart, options: DestinationOptions = {}): ConfiguredDestination {
  const created = createDestination('dest', options, rule(part))
  if (!created.ok) throw new Error(created.error.map(fault => fault.message).join('; '))
  return created.value
}

/** `in path: message` of everything wrong with it; empty where it is right. */
export function faultsOf(part: RulePart, options: DestinationOptions = {}): string[] {
  const created = createDestination('dest', options, rule(part))
  if (created.ok) return []
  return created.error.map(fault => `${fault.in} ${fault.path.join('.')}: ${fault.message}`)
}

export interface Given {
  readonly conversion?: Partial<Conversion>
  readonly shares?: Readonly<Record<string, string>>
  readonly attempt?: number
  readonly now?: number
}

export function attempt(
  destination: ConfiguredDestination,
  given: Given = {},
): DeliveryRequest | RequestFault {
  const { conversion = {}, shares, attempt = 1, now = NOW } = given
  const record = {
    id: 'rec-1-0',
    conversion: { ...CONVERSION, ...conversion },
    ...(shares ? { shares } : {}),
  }
  const context = { deliveryId: deliveryId(record.id, destination.id), attempt, now }
  const built = destination.request(record, context)
  return built.ok ? built.value : built.error
}

/** The request, which must be one. */
export function send(destination: ConfiguredDestination, given: Given = {}): DeliveryRequest {
  const built = attempt(destination, given)
  if ('reason' in built) throw new Error(`${built.reason}: ${built.detail}`)
  return built
}
