/**
 * Reddit Conversions API v3.
 * https://ads-api.reddit.com/docs/v3/operations/Post%20Conversion%20Events
 * https://business.reddithelp.com/s/article/manual-advanced-matching
 */
import { parseProcessing } from './data-processing.ts'
import { IDENTITY } from './identity.ts'
import { amount, post } from './json.ts'
import { defineAdPlatform, insufficient } from './platform.ts'
import { readAdStatus } from './verdict.ts'

const API_VERSION = 'v3'
const person = IDENTITY.reddit

const STANDARD = new Set([
  'PAGE_VISIT', 'VIEW_CONTENT', 'SEARCH', 'ADD_TO_CART', 'ADD_TO_WISHLIST', 'PURCHASE', 'LEAD', 'SIGN_UP',
]) // prettier-ignore

export const reddit = defineAdPlatform({
  type: 'reddit',
  title: 'Reddit Conversions API',
  docs: 'https://ads-api.reddit.com/docs/v3/operations/Post%20Conversion%20Events',
  apiVersion: API_VERSION,
  notes:
    'A name in events that is none of the standard ones is sent as a custom event. There is no way to take a conversion back.',
  host: 'https://ads-api.reddit.com',
  settings: {
    pixel_id: { title: 'Pixel id', pattern: '^[A-Za-z0-9_]+$', example: 'a2_test123' },
    access_token: { title: 'Conversion access token', secret: true, example: 'RDTTOKEN' },
    test_id: { title: 'Test id of the Events Manager', default: '' },
    api_version: { title: 'API version', default: API_VERSION, pattern: '^v[0-9]+$' },
    action_source: {
      title: 'WEBSITE, APP or PHYSICAL_STORE',
      default: 'WEBSITE',
      pattern: '^(WEBSITE|APP|PHYSICAL_STORE)$',
    },
    data_processing: { title: 'LDU: limited data use', default: '', pattern: '^LDU$' },
  },
  events: {
    lead: 'LEAD',
    registration: 'SIGN_UP',
    sale: 'PURCHASE',
    ftd: 'PURCHASE',
    rebill: 'PURCHASE',
    install: 'Install',
    trial: 'StartTrial',
    subscribe: 'Subscribe',
  },
  identity: ['rdt_cid', 'rdt_uuid', 'email', 'phone', 'user_id', 'ip', 'user_agent'],
  clickId: 'rdt_cid',
  maxAgeHours: 7 * 24,
  test: 'test_id',
  policy: { budget_hours: 7 * 24 },
  prepare: settings => ({
    path: `/api/${settings.api_version}/pixels/${settings.pixel_id}/conversion_events`,
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${settings.access_token}`,
    },
    source: settings.action_source,
    testId: settings.test_id,
    modes: parseProcessing(settings.data_processing)?.modes,
  }),
  request: (event, { path, headers, source, testId, modes }, base) => {
    const { conversion: c, clickId, name } = event
    const email = person.email(c.email)
    const phone = person.phone(c.phone)
    const externalId = person.external_id(c.user_id)
    if (!clickId && !c.rdt_uuid && !email && !phone && !externalId && !(c.ip && c.user_agent)) {
      return insufficient('rdt_cid, rdt_uuid, email, phone, user_id, or ip with user_agent')
    }
    return post(base + path, headers, {
      data: {
        test_id: event.isTest ? testId : undefined,
        events: [
          {
            event_at: event.at,
            action_source: source,
            event_source_url: event.url,
            click_id: clickId,
            type: STANDARD.has(name)
              ? { tracking_type: name }
              : { tracking_type: 'CUSTOM', custom_event_name: name },
            metadata: {
              conversion_id: event.id,
              currency: event.currency,
              value: amount(event.value),
              item_count: name === 'PURCHASE' ? 1 : undefined,
            },
            user: {
              email,
              phone_number: phone,
              external_id: externalId,
              ip_address: c.ip,
              user_agent: c.user_agent,
              uuid: c.rdt_uuid,
              data_processing_options: { modes },
            },
          },
        ],
      },
    })
  },
  verdict: readAdStatus,
  examples: [
    {
      title: 'a sale of a click',
      conversion: { rdt_cid: '3184742045291813272' },
      request: {
        method: 'POST',
        url: 'https://ads-api.reddit.com/api/v3/pixels/a2_test123/conversion_events',
        headers: { authorization: 'Bearer RDTTOKEN' },
        body: '{"data":{"events":[{"event_at":1767225600000,"action_source":"WEBSITE","click_id":"3184742045291813272","type":{"tracking_type":"PURCHASE"},"metadata":{"conversion_id":"00112233445566778899aabbccddeeff-sale","currency":"USD","value":12.5,"item_count":1}}]}}',
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
