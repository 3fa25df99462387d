/** The person and the click of every example, and destinations made for them. */
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import type { DestinationType } from '../../../src/destinations/define.ts'
import type { DestinationOptions } from '../../../src/destinations/options.ts'
import {
  createDestination,
  DESTINATION_TYPES,
  type ConfiguredDestination,
} from '../../../src/destinations/registry.ts'
import { TEXT_FIELDS, type Conversion } from '../../../src/model/conversion.ts'
import type { DeliveryContext, DeliveryRequest, RequestFault } from '../../../src/model/delivery.ts'
import type { DestinationRule } from '../../../src/rules/destination-schema.ts'

export interface Example {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: unknown
}

interface Examples {
  readonly input: {
    readonly [section in 'click' | 'cookies' | 'user']: Readonly<Record<string, string>>
  } & { readonly occurred_at: string; readonly event_source_url: string }
  readonly requests: Readonly<Record<string, Example>>
}

export const EXAMPLES = JSON.parse(
  readFileSync(new URL('examples.json', import.meta.url), 'utf8'),
) as Examples

const { input } = EXAMPLES
const { at, ScCid, ...clicks } = input.click
const { external_id, ...user } = input.user
const cookies = Object.fromEntries(
  Object.entries(input.cookies).map(([name, value]) => [name.slice(1), value]),
)

const KNOWN: ReadonlySet<string> = new Set(TEXT_FIELDS)

/** An hour after the conversion. */
export const NOW = Date.parse(input.occurred_at) + 3_600_000

/** When the reversal of the examples came; no platform's age limit is over by then. */
export const REVERSED_AT = Date.parse('2026-11-22T09:15:30Z')

export const CONVERSION: Conversion = {
  id: 'cnv-0001',
  network: 'net',
  status: 'approved',
  click_id: 'tracker-click',
  transaction_id: 'T-1001',
  event: 'sale',
  payout: '49.90',
  currency: 'USD',
  landing_url: input.event_source_url,
  occurred_at: Date.parse(input.occurred_at),
  received_at: Date.parse(input.occurred_at),
  click_time: Date.parse(at ?? ''),
  ...Object.fromEntries(Object.entries(clicks).filter(([name]) => KNOWN.has(name))),
  ...(ScCid ? { sccid: ScCid } : {}),
  ...cookies,
  ...user,
  ...(external_id ? { user_id: external_id } : {}),
  q: clicks,
}

export function typeOf(name: string): DestinationType {
  const type = DESTINATION_TYPES.find(known => known.type === name)
  if (!type) throw new Error(`no type ${name}`)
  return type
}

/** A rule file of the catalogue; undefined where there is none. */
export function ruleOf(name: string): DestinationRule | undefined {
  try {
    const file = new URL(`../../../rules/destinations/${name}.yaml`, import.meta.url)
    return parse(readFileSync(file, 'utf8')) as DestinationRule
  } catch {
    return undefined
  }
}

/** With the example values of its settings, and these over them. */
export function create(
  source: DestinationType | DestinationRule,
  options: DestinationOptions = {},
): ConfiguredDestination {
  const created = createDestination('ads', withExamples(source, options), source)
  if (!created.ok) throw new Error(created.error.map(({ message }) => message).join('; '))
  return created.value
}

export function faultsOf(source: DestinationType, options: DestinationOptions = {}): string[] {
  const created = createDestination('ads', withExamples(source, options), source)
  return created.ok ? [] : created.error.map(({ message }) => message)
}

function withExamples(
  source: DestinationType | DestinationRule,
  options: DestinationOptions,
): DestinationOptions {
  const settings: Record<string, string> = {}
  for (const [name, { example, default: preset }] of Object.entries(source.settings ?? {})) {
    if (example !== undefined && preset === undefined) settings[name] = example
  }
  return { ...options, settings: { ...settings, ...options.settings } }
}

/** Fields given as undefined are taken away. */
export type Change = { readonly [field in keyof Conversion]?: Conversion[field] | undefined }

export function conversionWith(change: Change): Conversion {
  return { ...CONVERSION, ...change } as Conversion
}

export function build(
  destination: ConfiguredDestination,
  change: Change = {},
  context: Partial<DeliveryContext> = {},
): DeliveryRequest | RequestFault {
  const record = { id: 'rec-1-0', conversion: conversionWith(change) }
  const built = destination.request(record, {
    deliveryId: 'rec-1-0_ads',
    attempt: 1,
    now: NOW,
    ...context,
  })
  return built.ok ? built.value : built.error
}

/** The body of the request, which must be one. */
export function bodyOf(
  destination: ConfiguredDestination,
  change: Change = {},
  context: Partial<DeliveryContext> = {},
): Record<string, unknown> {
  const built = build(destination, change, context)
  if ('reason' in built) throw new Error(`${built.reason}: ${built.detail}`)
  return JSON.parse(built.body ?? '{}') as Record<string, unknown>
}
