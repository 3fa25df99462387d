/**
 * Meta Conversions API.
 * https://developers.facebook.com/docs/marketing-api/conversions-api/using-the-api
 * https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/customer-information-parameters
 * https://developers.facebook.com/docs/graph-api/guides/error-handling
 *
 * One invalid event refuses the whole request, so every conversion goes alone. Repeats of a name
 * and id are dropped there for 48 hours.
 */
import { createHmac } from 'node:crypto'
import { parseProcessing } from './data-processing.ts'
import { IDENTITY } from './identity.ts'
import { amount, JSON_HEADERS, post } from './json.ts'
import { readMetaAnswer } from './meta-answer.ts'
import { defineAdPlatform, insufficient, type AdEvent } from './platform.ts'

const API_VERSION = 'v25.0'
const person = IDENTITY.meta

export const meta = defineAdPlatform({
  type: 'meta',
  title: 'Meta Conversions API',
  docs: 'https://developers.facebook.com/docs/marketing-api/conversions-api/using-the-api',
  apiVersion: API_VERSION,
  notes:
    'Website events need the user agent of the click; without one set action_source to what is true, such as system_generated. A purchase needs its value and currency. There is no way to take a conversion back.',
  host: 'https://graph.facebook.com',
  settings: {
    pixel_id: { title: 'Dataset or pixel id', pattern: '^[0-9]+$', example: '1234567890' },
    access_token: { title: 'Access token of a system user', secret: true, example: 'EAATESTTOKEN' },
    app_secret: {
      title: 'App secret, where the app demands appsecret_proof',
      secret: true,
      default: '',
    },
    test_event_code: { title: 'Code of the Test Events tab', default: '' },
    api_version: { title: 'Graph API version', default: API_VERSION, pattern: '^v[0-9]+\\.0$' },
    action_source: {
      title: 'Where conversions happen',
      default: 'website',
      pattern: '^(website|app|email|phone_call|chat|physical_store|system_generated|other)$',
    },
    data_processing: {
      title: 'LDU, or LDU,country,state, for limited data use',
      default: '',
      pattern: '^LDU(,[0-9]+,[0-9]+)?$',
    },
  },
  events: {
    lead: 'Lead',
    registration: 'CompleteRegistration',
    sale: 'Purchase',
    ftd: 'Purchase',
    rebill: 'Purchase',
    trial: 'StartTrial',
    subscribe: 'Subscribe',
  },
  identity: [
    'fbclid', 'fbc', 'fbp', 'email', 'phone', 'first_name', 'last_name', 'birth_date', 'gender', 'city',
    'region', 'zip', 'country', 'user_id', 'ip', 'user_agent',
  ], // prettier-ignore
  clickId: 'fbclid',
  // Older events are refused, https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/server-event
  maxAgeHours: 7 * 24,
  test: 'test_event_code',
  policy: { budget_hours: 7 * 24 },
  prepare: settings => {
    const { access_token: token, app_secret: secret } = settings
    const proof = secret
      ? `&appsecret_proof=${createHmac('sha256', secret).update(token).digest('hex')}`
      : ''
    return {
      path: `/${settings.api_version}/${settings.pixel_id}/events?access_token=${encodeURIComponent(token)}${proof}`,
      source: settings.action_source,
      testCode: settings.test_event_code,
      processing: parseProcessing(settings.data_processing),
    }
  },
  request: (event, { path, source, testCode, processing }, base) => {
    const { conversion: c } = event
    const em = person.email(c.email)
    const ph = person.phone(c.phone)
    const externalId = person.external_id(c.user_id)
    const fbc = clickCookie(event)
    const isWebsite = source === 'website'
    if (isWebsite && !c.user_agent) return insufficient('user_agent, as every website event')
    if (!em && !ph && !externalId && !fbc && !c.fbp && !(c.ip && c.user_agent)) {
      return insufficient('fbclid, fbc, fbp, email, phone, user_id, or ip with user_agent')
    }
    return post(base + path, JSON_HEADERS, {
      data: [
        {
          event_name: event.name,
          event_time: Math.floor(event.at / 1000),
          event_id: event.id,
          event_source_url: event.url,
          action_source: source,
          user_data: {
            em: [em],
            ph: [ph],
            fn: [person.first_name(c.first_name)],
            ln: [person.last_name(c.last_name)],
            db: [person.birth_date(c.birth_date)],
            ge: [person.gender(c.gender)],
            ct: [person.city(c.city)],
            st: [person.region(c.region)],
            zp: [person.zip(c.zip)],
            country: [person.country(c.country)],
            external_id: [externalId],
            client_ip_address: c.ip,
            client_user_agent: c.user_agent,
            fbc,
            fbp: c.fbp,
          },
          custom_data: {
            value: amount(event.value),
            currency: event.currency,
            order_id: event.name === 'Purchase' ? event.order : undefined,
          },
          data_processing_options: processing?.modes,
          data_processing_options_country: processing?.country,
          data_processing_options_state: processing?.state,
        },
      ],
      test_event_code: event.isTest ? testCode : undefined,
    })
  },
  verdict: readMetaAnswer,
  examples: [
    {
      title: 'a lead known by its click only',
      conversion: {
        event: 'lead',
        fbclid: 'IwAR2F4-dbP0l7Mn1I',
        click_time: '2025-12-31T20:00:00Z',
        ip: '203.0.113.7',
        user_agent: 'Mozilla/5.0',
        landing_url: 'https://shop.example.com/',
      },
      request: {
        method: 'POST',
        url: 'https://graph.facebook.com/v25.0/1234567890/events?access_token=EAATESTTOKEN',
        body: '{"data":[{"event_name":"Lead","event_time":1767225600,"event_id":"00112233445566778899aabbccddeeff-lead","event_source_url":"https://shop.example.com/","action_source":"website","user_data":{"client_ip_address":"203.0.113.7","client_user_agent":"Mozilla/5.0","fbc":"fb.1.1767211200000.IwAR2F4-dbP0l7Mn1I"},"custom_data":{"value":12.5,"currency":"USD"}}]}',
      },
      responses: [
        { status: 200, body: '{"events_received":1}', verdict: 'delivered' },
        { status: 400, body: '{"error":{"code":100,"error_subcode":2804003}}', verdict: 'dead' },
        { status: 400, body: '{"error":{"code":190}}', verdict: 'park' },
        { status: 400, body: '{"error":{"code":4}}', verdict: 'retry' },
      ],
    },
  ],
})

/** A cookie of four parts, or five where Meta's own library added one. */
const COOKIE = /^fb\.[0-9]\.[0-9]{10,16}\.([^.]+)(?:\.[A-Za-z0-9_-]{2}|\.[A-Za-z0-9_-]{8})?$/

/**
 * `fb.1.<ms of the click>.<fbclid>`, the click id exactly as it came. The browser's own cookie is
 * better, unless it is of another click.
 * https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/fbp-and-fbc
 */
function clickCookie({ conversion, clickId, at }: AdEvent): string | undefined {
  const cookie = conversion.fbc ?? ''
  const [, cookieClick] = COOKIE.exec(cookie) ?? []
  if (cookieClick !== undefined && (!clickId || clickId === cookieClick)) return cookie
  return clickId ? `fb.1.${conversion.click_time ?? at}.${clickId}` : undefined
}
