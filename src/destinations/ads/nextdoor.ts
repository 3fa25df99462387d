/**
 * Nextdoor Conversions API.
 * https://developer.nextdoor.com/reference/conversions-track
 */
import { IDENTITY } from './identity.ts'
import { post } from './json.ts'
import { defineAdPlatform, insufficient } from './platform.ts'
import { readAdStatus } from './verdict.ts'

const API_VERSION = 'v2'
const person = IDENTITY.nextdoor

export const nextdoor = defineAdPlatform({
  type: 'nextdoor',
  title: 'Nextdoor Conversions API',
  docs: 'https://developer.nextdoor.com/reference/conversions-track',
  verified: 'community',
  apiVersion: API_VERSION,
  notes:
    'Phone numbers are hashed as the ten digits of a North American number; others are left out. There is no way to take a conversion back.',
  host: 'https://ads.nextdoor.com',
  settings: {
    client_id: { title: 'Client id', example: 'client_id_1' },
    pixel_id: { title: 'Pixel (data source) id', example: 'pixel_id_1' },
    access_token: { title: 'API token', secret: true, example: 'NDTOKEN' },
    api_version: { title: 'API version', default: API_VERSION, pattern: '^v[0-9]+$' },
    restricted_data_usage: { title: 'yes: restricted data usage', default: '', pattern: '^yes$' },
  },
  events: {
    lead: 'lead',
    registration: 'sign_up',
    sale: 'purchase',
    ftd: 'purchase',
    rebill: 'purchase',
  },
  eventNames: /^[a-z0-9_]+$/,
  identity: ['ndclid', 'email', 'phone', 'first_name', 'last_name', 'zip', 'ip'],
  clickId: 'ndclid',
  test: 'yes',
  prepare: settings => ({
    path: `/${settings.api_version}/api/conversions/track`,
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${settings.access_token}`,
    },
    client: settings.client_id,
    pixel: settings.pixel_id,
    isRestricted: settings.restricted_data_usage === 'yes',
  }),
  request: (event, { path, headers, client, pixel, isRestricted }, base) => {
    const { conversion: c, clickId, value, currency } = event
    const email = person.email(c.email)
    const phone = person.phone(c.phone)
    if (!clickId && !email && !phone) return insufficient('ndclid, email or phone')
    return post(base + path, headers, {
      client_id: client,
      data_source_id: pixel,
      event_name: event.name,
      event_id: event.id,
      event_time: new Date(event.at).toISOString(),
      action_source: 'website',
      action_source_url: event.url,
      test_event: event.isTest ? 'true' : 'false',
      customer: {
        email,
        phone_number: phone,
        first_name: person.first_name(c.first_name),
        last_name: person.last_name(c.last_name),
        zip_code: person.zip(c.zip),
        click_id: clickId,
        client_ip_address: c.ip,
        pixel_id: pixel,
      },
      custom: {
        order_value: value === undefined ? undefined : `${currency ?? ''}${value}`,
        order_id: event.order,
      },
      restricted_data_usage: isRestricted ? true : undefined,
    })
  },
  verdict: readAdStatus,
  examples: [
    {
      title: 'a sale of a click',
      conversion: { ndclid: 'nd-click-1' },
      request: {
        method: 'POST',
        url: 'https://ads.nextdoor.com/v2/api/conversions/track',
        headers: { authorization: 'Bearer NDTOKEN' },
        body: '{"client_id":"client_id_1","data_source_id":"pixel_id_1","event_name":"purchase","event_id":"00112233445566778899aabbccddeeff-sale","event_time":"2026-01-01T00:00:00.000Z","action_source":"website","test_event":"false","customer":{"click_id":"nd-click-1","pixel_id":"pixel_id_1"},"custom":{"order_value":"USD12.50","order_id":"tx-1"}}',
      },
      responses: [
        { status: 200, verdict: 'delivered' },
        { status: 400, verdict: 'dead' },
        { status: 401, verdict: 'park' },
        { status: 503, verdict: 'retry' },
      ],
    },
  ],
})
