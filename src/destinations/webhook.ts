/**
 * The built-in type `webhook`: a signed JSON POST by Standard Webhooks 1.0.0, for rewards backends
 * and systems of one's own. The id stays the same on every attempt, so the receiver can drop
 * repeats by it; time and signature are those of the attempt.
 * https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
 */
import { createHmac } from 'node:crypto'
import { fail, ok, type Result } from '../base/result.ts'
import {
  CURRENCY_FIELDS,
  MONEY_FIELDS,
  TEXT_FIELDS,
  TIME_FIELDS,
  type Conversion,
} from '../model/conversion.ts'
import { readByStatus } from './answer.ts'
import { defineDestination, type RequestContext, type SettingFault } from './define.ts'
import { parseTarget } from './origin.ts'

const SECRET = /^whsec_((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)$/
const MIN_KEY_BYTES = 24
const MAX_KEY_BYTES = 64

export interface SigningKey {
  readonly bytes: Buffer
}

/** `whsec_` and base64 of 24 to 64 bytes; undefined for anything else. */
export function parseSigningKey(secret: string): SigningKey | undefined {
  const bytes = Buffer.from(SECRET.exec(secret)?.[1] ?? '', 'base64')
  return bytes.length >= MIN_KEY_BYTES && bytes.length <= MAX_KEY_BYTES ? { bytes } : undefined
}

/** The `webhook-signature` header: one `v1,…` for each key, separated by a space. */
export function signWebhook(
  keys: readonly SigningKey[],
  id: string,
  timestamp: string,
  body: string,
): string {
  const content = `${id}.${timestamp}.${body}`
  return keys
    .map(({ bytes }) => `v1,${createHmac('sha256', bytes).update(content).digest('base64')}`)
    .join(' ')
}

interface Prepared {
  readonly url: string
  readonly origin: string
  /** The new key first. */
  readonly keys: readonly SigningKey[]
}

const SECRET_TITLE = 'Signing secret: whsec_ and the base64 of 24 to 64 random bytes'

export const webhook = defineDestination({
  type: 'webhook',
  title: 'Signed webhook (Standard Webhooks 1.0.0)',
  docs: 'https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md',
  apiVersion: '1.0.0',
  notes:
    'Credit once per webhook-id, and per conversion_id and status: a reversal may arrive before its credit after a retry.',
  settings: {
    url: { title: 'URL that receives the POST', example: 'https://rewards.example.com/postern' },
    secret: {
      title: SECRET_TITLE,
      secret: true,
      example: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    },
    previous_secret: {
      title: 'The secret before it, while receivers change over; both sign',
      secret: true,
      default: '',
    },
  },
  prepare: ({ url, secret, previous_secret: previous }): Result<Prepared, SettingFault[]> => {
    const faults: SettingFault[] = []
    const target = parseTarget(url)
    if (!target.ok) faults.push({ setting: 'url', message: `the URL ${target.error}` })
    const keys: SigningKey[] = []
    for (const [setting, text] of [
      ['secret', secret],
      ['previous_secret', previous],
    ] as const) {
      if (setting === 'previous_secret' && text === '') continue
      const key = parseSigningKey(text)
      if (key) keys.push(key)
      else faults.push({ setting, message: 'is not whsec_ and the base64 of 24 to 64 bytes' })
    }
    if (!target.ok || faults.length > 0) return fail(faults)
    const { origin, rest } = target.value
    return ok({ url: origin + (rest.startsWith('/') ? rest : `/${rest}`), origin, keys })
  },
  origins: ({ origin }) => [origin],
  request: (conversion, { url, keys }, context) => {
    const body = webhookBody(conversion, context)
    // The separator of the signed content is a dot, so the id has none (spec, "webhook-id").
    const id = `msg_${context.deliveryId.replaceAll('.', '_')}`
    const timestamp = String(Math.floor(context.now / 1000))
    const headers = {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': signWebhook(keys, id, timestamp, body),
    }
    return ok({ method: 'POST', url, headers, body })
  },
  verdict: readByStatus,
  examples: [
    {
      title: 'an approved conversion for a rewards backend, signed with the one secret',
      conversion: { user_id: 'u-42', transaction_id: 'tx-1001', payout: '1.50', reward: '1500' },
      settings: {
        url: 'https://rewards.example.com/postern',
        secret: 'whsec_cG9zdGVybi10ZXN0LWtleS0wMDAwMDAwMDAwMDAwMDE=',
      },
      request: {
        method: 'POST',
        url: 'https://rewards.example.com/postern',
        headers: {
          'webhook-id': 'msg_example-1-0_demo',
          'webhook-timestamp': '1767225600',
          'webhook-signature': 'v1,uv6/ZAKvmEaOjRAKZ7FXHiHR1xB1Yom92HXMk9C126s=',
        },
        body: '{"type":"conversion.approved","timestamp":"2026-01-01T00:00:00.000Z","data":{"event_id":"example-1-0","conversion_id":"00112233445566778899aabbccddeeff","network":"example","status":"approved","status_raw":"approved","click_id":"click-1","transaction_id":"tx-1001","event":"sale","user_id":"u-42","payout":"1.50","reward":"1500","currency":"USD"}}',
      },
      responses: [
        { status: 204, verdict: 'delivered' },
        { status: 302, verdict: 'retry' },
        { status: 410, verdict: 'retry' },
        { status: 503, headers: { 'retry-after': '120' }, verdict: 'retry' },
      ],
    },
  ],
})

const TIMES: ReadonlySet<string> = new Set(TIME_FIELDS)
const FIELDS = [...TEXT_FIELDS, ...MONEY_FIELDS, ...CURRENCY_FIELDS, ...TIME_FIELDS]

/** Money and ids are strings, times ISO 8601 in UTC; an empty field is left out. */
function webhookBody(conversion: Conversion, context: RequestContext): string {
  const data: Record<string, string> = {
    event_id: context.recordId,
    conversion_id: conversion.id,
    network: conversion.network,
    status: conversion.status,
  }
  if (conversion.status_raw) data['status_raw'] = conversion.status_raw
  for (const field of FIELDS) {
    const value = conversion[field]
    if (value === undefined || value === '') continue
    data[field] = TIMES.has(field) ? isoTime(Number(value)) : String(value)
  }
  const timestamp = isoTime(conversion.occurred_at ?? conversion.received_at)
  return JSON.stringify({ type: `conversion.${conversion.status}`, timestamp, data })
}

function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}
