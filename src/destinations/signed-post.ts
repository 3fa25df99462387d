/**
 * A JSON POST signed by Standard Webhooks 1.0.0. The id stays the same on every attempt, so the
 * receiver can drop repeats by it; time and signature are those of the attempt.
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
import type { DeliveryContext, DeliveryRequest } from '../model/delivery.ts'
import type { RequestContext, SettingFault } from './define.ts'
import { parseTarget } from './origin.ts'

export const SPECIFICATION =
  'https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md'

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

export interface SignedTarget {
  readonly url: string
  readonly origin: string
  /** The new key first. */
  readonly keys: readonly SigningKey[]
}

const SECRET_TITLE = 'Signing secret: whsec_ and the base64 of 24 to 64 random bytes'

export const SIGNED_POST_SETTINGS = {
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
} as const

type Values = { readonly [name in keyof typeof SIGNED_POST_SETTINGS]: string }

export function prepareTarget({
  url,
  secret,
  previous_secret: previous,
}: Values): Result<SignedTarget, SettingFault[]> {
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
}

export function signedPost(
  { url, keys }: SignedTarget,
  body: string,
  context: DeliveryContext,
): DeliveryRequest {
  // The separator of the signed content is a dot, so the id has none (spec, "webhook-id").
  const id = `msg_${context.deliveryId.replaceAll('.', '_')}`
  const timestamp = String(Math.floor(context.now / 1000))
  const headers = {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': signWebhook(keys, id, timestamp, body),
  }
  return { method: 'POST', url, headers, body }
}

const TIMES: ReadonlySet<string> = new Set(TIME_FIELDS)
const FIELDS = [...TEXT_FIELDS, ...MONEY_FIELDS, ...CURRENCY_FIELDS, ...TIME_FIELDS]

/**
 * `{type, timestamp, data}`; `first` stands before the fields. Money and ids are strings, times ISO
 * 8601 in UTC; an empty field is left out.
 */
export function conversionBody(
  type: string,
  conversion: Conversion,
  context: RequestContext,
  first: Readonly<Record<string, string>> = {},
): string {
  const data: Record<string, string> = {
    ...first,
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
  return JSON.stringify({ type, timestamp, data })
}

function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}
