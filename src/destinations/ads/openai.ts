/**
 * OpenAI Ads conversions.
 * https://developers.openai.com/ads/conversions-api
 */
import { fixed, shift } from '../../base/decimal.ts'
import { JsonNumber } from '../../model/postback.ts'
import { post } from './json.ts'
import { defineAdPlatform, insufficient } from './platform.ts'
import { readAdStatus } from './verdict.ts'

const API_VERSION = 'v1'

/** Names that are not among them go as custom events. */
const STANDARD = new Set(['lead_created', 'registration_completed', 'order_created'])

export const openai = defineAdPlatform({
  type: 'openai',
  title: 'OpenAI Ads conversions',
  docs: 'https://developers.openai.com/ads/conversions-api',
  verified: 'unverified',
  apiVersion: API_VERSION,
  notes:
    'The click id is oppref: name the sub id that carries it in click_id_from. Every event type must be registered for the pixel. Amounts go in hundredths; the shape of data is not described publicly and may change. There is no way to take a conversion back.',
  host: 'https://bzr.openai.com',
  settings: {
    pixel_id: { title: 'Pixel id', example: 'PIXEL1' },
    access_token: { title: 'API token', secret: true, example: 'OATOKEN' },
    api_version: { title: 'API version', default: API_VERSION, pattern: '^v[0-9]+$' },
  },
  events: {
    lead: 'lead_created',
    registration: 'registration_completed',
    sale: 'order_created',
    rebill: 'order_created',
    ftd: 'first_deposit',
  },
  eventNames: /^[a-z0-9_]+$/,
  identity: ['click_id'],
  clickId: 'click_id',
  maxAgeHours: 7 * 24,
  test: 'yes',
  policy: { budget_hours: 7 * 24 },
  prepare: settings => ({
    path: `/${settings.api_version}/events?pid=${encodeURIComponent(settings.pixel_id)}`,
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${settings.access_token}`,
    },
  }),
  request: (event, { path, headers }, base) => {
    const { clickId, name, value } = event
    if (!clickId) return insufficient('oppref, by click_id_from')
    const isStandard = STANDARD.has(name)
    const cents = value === undefined ? undefined : new JsonNumber(fixed(shift(value, -2), 0))
    return post(base + path, headers, {
      events: [
        {
          id: event.id,
          type: isStandard ? name : 'custom',
          custom_event_name: isStandard ? undefined : name,
          timestamp_ms: event.at,
          oppref: clickId,
          source_url: event.url,
          action_source: 'web',
          data: {
            type: name === 'order_created' ? 'contents' : 'customer_action',
            amount: cents,
            currency: event.currency,
          },
        },
      ],
      validate_only: event.isTest ? true : undefined,
    })
  },
  verdict: readAdStatus,
  examples: [
    {
      title: 'a sale of a click',
      conversion: { click_id: 'opp-ref-1' },
      request: {
        method: 'POST',
        url: 'https://bzr.openai.com/v1/events?pid=PIXEL1',
        headers: { authorization: 'Bearer OATOKEN' },
        body: '{"events":[{"id":"00112233445566778899aabbccddeeff-sale","type":"order_created","timestamp_ms":1767225600000,"oppref":"opp-ref-1","action_source":"web","data":{"type":"contents","amount":1250,"currency":"USD"}}]}',
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
