/**
 * Runs the examples of a rule or type: conversion → exact request, response → verdict. The
 * examples are the rule's tests and its documentation, so nothing in them is matched loosely.
 */
import { fail, ok, type Result } from '../base/result.ts'
import {
  CURRENCY_FIELDS,
  MONEY_FIELDS,
  TEXT_FIELDS,
  TIME_FIELDS,
  type Conversion,
} from '../model/conversion.ts'
import {
  deliveryId,
  type DeliveryContext,
  type DeliveryRecord,
  type DeliveryRequest,
  type DeliveryVerdict,
} from '../model/delivery.ts'
import { STATUSES, type Status } from '../model/status.ts'
import type { DestinationExample, DestinationRule } from '../rules/destination-schema.ts'
import type { DestinationType } from './define.ts'
import { createDestination, type ConfiguredDestination } from './registry.ts'

export interface ExampleResult {
  readonly ok: boolean
  /** One line each: where, what was expected, what came. */
  readonly differences: readonly string[]
}

/** 2026-01-01T00:00:00Z: when every example is received and attempted. */
const NOW = 1_767_225_600_000
const RECORD = 'example-1-0'
const DESTINATION = 'demo'

/** A plain approved sale; an example names what differs, and an empty value takes a field away. */
const SALE: Conversion = {
  id: '00112233445566778899aabbccddeeff',
  network: 'example',
  status: 'approved',
  status_raw: 'approved',
  click_id: 'click-1',
  transaction_id: 'tx-1',
  event: 'sale',
  payout: '12.50',
  currency: 'USD',
  received_at: NOW,
  q: {},
}

/** An example's destination with the one delivery that it shows. */
export interface OpenExample {
  readonly destination: ConfiguredDestination
  readonly record: DeliveryRecord
  readonly context: DeliveryContext
}

/** Or what is wrong with it, one line each. */
export function openDestinationExample(
  source: DestinationRule | DestinationType,
  example: DestinationExample,
): Result<OpenExample, readonly string[]> {
  const created = createDestination(DESTINATION, { settings: settingsOf(source, example) }, source)
  if (!created.ok) {
    return fail(created.error.map(({ path, message }) => `${path.join('.')}: ${message}`))
  }
  const differences: string[] = []
  const record = { id: RECORD, conversion: exampleConversion(example.conversion, differences) }
  const context = { deliveryId: deliveryId(RECORD, DESTINATION), attempt: 1, now: NOW }
  return differences.length > 0
    ? fail(differences)
    : ok({ destination: created.value, record, context })
}

export function runDestinationExample(
  source: DestinationRule | DestinationType,
  example: DestinationExample,
): ExampleResult {
  const opened = openDestinationExample(source, example)
  if (!opened.ok) return { ok: false, differences: opened.error }
  const differences: string[] = []
  const { destination } = opened.value
  checkRequest(opened.value, example, differences)
  for (const [i, response] of (example.responses ?? []).entries()) {
    const { status, headers = {}, body = '' } = response
    const verdict = wordOf(destination.verdict({ status, headers, body }, NOW))
    compare(`responses.${i}.verdict`, response.verdict, verdict, differences)
  }
  return { ok: differences.length === 0, differences }
}

/** The example's settings over the example values that the declarations give. */
function settingsOf(
  source: DestinationRule | DestinationType,
  example: DestinationExample,
): Record<string, string> {
  const settings: Record<string, string> = {}
  for (const [name, { example: value, default: fallback }] of Object.entries(
    source.settings ?? {},
  )) {
    if (value !== undefined && fallback === undefined) settings[name] = value
  }
  return { ...settings, ...example.settings }
}

const TEXT: ReadonlySet<string> = new Set([
  ...TEXT_FIELDS,
  ...MONEY_FIELDS,
  ...CURRENCY_FIELDS,
  'network',
  'status_raw',
])
const TIMES: ReadonlySet<string> = new Set([...TIME_FIELDS, 'received_at'])

/** The plain sale with these fields; what cannot be read is added to `differences`. */
export function exampleConversion(
  fields: Readonly<Record<string, string>>,
  differences: string[],
): Conversion {
  const conversion: Record<string, unknown> = { ...SALE }
  const q: Record<string, string> = {}
  for (const [name, value] of Object.entries(fields)) {
    if (name.startsWith('q.')) q[name.slice(2)] = value
    else if (TEXT.has(name)) conversion[name] = value === '' ? undefined : value
    else if (TIMES.has(name)) conversion[name] = Date.parse(value)
    else if (name === 'status' && STATUSES.includes(value as Status)) conversion[name] = value
    else differences.push(`conversion.${name}: no such field or value`)
    if (TIMES.has(name) && Number.isNaN(conversion[name])) {
      differences.push(`conversion.${name}: times are written 2026-01-01T00:00:00Z`)
    }
  }
  return { ...conversion, q } as unknown as Conversion
}

function checkRequest(
  { destination, record, context }: OpenExample,
  example: DestinationExample,
  differences: string[],
): void {
  if (!example.request && example.dead === undefined) return
  if (!destination.wants(record.conversion)) {
    differences.push(`conversion.status: ${record.conversion.status} is never sent there`)
    return
  }
  const built = destination.request(record, context)
  if (!built.ok) {
    const { reason, detail } = built.error
    compare('dead', example.dead, `${reason}`, differences)
    if (example.request) differences.push(`request: ${detail}`)
    return
  }
  compare('dead', example.dead, undefined, differences)
  if (example.request) compareRequest(example.request, built.value, differences)
}

function compareRequest(
  wanted: NonNullable<DestinationExample['request']>,
  built: DeliveryRequest,
  differences: string[],
): void {
  compare('request.method', wanted.method, built.method, differences)
  compare('request.url', wanted.url, built.url, differences)
  compare('request.body', wanted.body, built.body, differences)
  const expected = lowerKeys(wanted.headers ?? {})
  for (const name of new Set([...expected.keys(), ...Object.keys(built.headers)])) {
    // The content type follows from the body; an example need not repeat it.
    if (name === 'content-type' && !expected.has(name)) continue
    compare(`request.headers.${name}`, expected.get(name), built.headers[name], differences)
  }
}

function lowerKeys(headers: Readonly<Record<string, string>>): Map<string, string> {
  return new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

/** The word of examples and commands. */
export function wordOf(verdict: DeliveryVerdict): string {
  return verdict.kind === 'delivered' && verdict.result === 'duplicate' ? 'duplicate' : verdict.kind
}

function compare(
  where: string,
  expected: string | undefined,
  actual: string | undefined,
  differences: string[],
): void {
  if (expected === actual) return
  const show = (text: string | undefined) => (text === undefined ? 'nothing' : JSON.stringify(text))
  differences.push(`${where}: expected ${show(expected)}, got ${show(actual)}`)
}
