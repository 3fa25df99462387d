/**
 * Pinterest Conversions API v5.
 * https://developers.pinterest.com/docs/api/v5/events-create
 *
 * The answer tells of every event whether it was processed. A click id alone is not enough.
 */
import { IDENTITY } from './identity.ts'
import { post } from './json.ts'
import { defineAdPlatform, insufficient } from './platform.ts'
import { hashed } from './hash.ts'
import {
  again,
  at,
  bodyOf,
  dropped,
  listOf,
  readAdStatus,
  TAKEN,
  type ReadAnswer,
} from './verdict.ts'

const API_VERSION = 'v5'
const person = IDENTITY.pinterest
const deviceId = hashed(text => text.toLowerCase())

const readAnswer: ReadAnswer = (response, now) => {
  const events = listOf(at(bodyOf(response), 'events'))
  if (response.status !== 200) return readAdStatus(response, now)
  if (events.some(event => at(event, 'status') === 'failed')) return dropped(response)
  const isTaken = events.some(event => at(event, 'status') === 'processed')
  return isTaken ? TAKEN : again(response, now)
}

export const pinterest = defineAdPlatform({
  type: 'pinterest',
  title: 'Pinterest Conversions API',
  docs: 'https://developers.pinterest.com/docs/api/v5/events-create',
  apiVersion: API_VERSION,
  notes:
    'A click id alone is refused: an e-mail address, a device id, or the address and user agent of the person are needed. There is no way to take a conversion back.',
  host: 'https://api.pinterest.com',
  settings: {
    ad_account_id: { title: 'Ad account id', pattern: '^[0-9]+$', example: '549755885175' },
    access_token: { title: 'Conversion access token', secret: true, example: 'PINTOKEN' },
    api_version: { title: 'API version', default: API_VERSION, pattern: '^v[0-9]+$' },
    action_source: {
      title: 'web, offline, app_android or app_ios',
      default: 'web',
      pattern: '^(web|offline|app_android|app_ios)$',
    },
    limited_data_use: { title: 'yes: limited data processing', default: '', pattern: '^yes$' },
  },
  events: {
    lead: 'lead',
    registration: 'signup',
    sale: 'checkout',
    ftd: 'checkout',
    rebill: 'checkout',
    install: 'app_install',
  },
  eventNames: /^[a-z_]+$/,
  identity: [
    'email', 'gaid', 'idfa', 'ip', 'user_agent', 'epik', 'phone', 'first_name', 'last_name', 'birth_date',
    'gender', 'city', 'region', 'zip', 'country', 'user_id',
  ], // prettier-ignore
  clickId: 'epik',
  maxAgeHours: 7 * 24,
  test: 'yes',
  policy: { budget_hours: 7 * 24 },
  prepare: settings => ({
    path: `/${settings.api_version}/ad_accounts/${settings.ad_account_id}/events`,
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${settings.access_token}`,
    },
    source: settings.action_source,
    optOutType: settings.limited_data_use === 'yes' ? 'LDP' : undefined,
  }),
  request: (event, { path, headers, source, optOutType }, base) => {
    const { conversion: c } = event
    const em = person.email(c.email)
    const device = deviceId(c.idfa ?? c.gaid)
    if (!em && !device && !(c.ip && c.user_agent)) {
      return insufficient('email, gaid, idfa, or ip with user_agent')
    }
    return post(base + path + (event.isTest ? '?test=true' : ''), headers, {
      data: [
        {
          event_name: event.name,
          action_source: source,
          event_time: Math.floor(event.at / 1000),
          event_id: event.id,
          event_source_url: event.url,
          opt_out: event.consent === 'denied',
          user_data: {
            em: [em],
            ph: [person.phone(c.phone)],
            ge: [person.gender(c.gender)],
            db: [person.birth_date(c.birth_date)],
            fn: [person.first_name(c.first_name)],
            ln: [person.last_name(c.last_name)],
            ct: [person.city(c.city)],
            st: [person.region(c.region)],
            zp: [person.zip(c.zip)],
            country: [person.country(c.country)],
            external_id: [person.external_id(c.user_id)],
            hashed_maids: [device],
            click_id: event.clickId,
            client_ip_address: c.ip,
            client_user_agent: c.user_agent,
          },
          custom_data: {
            currency: event.currency,
            value: event.value,
            order_id: event.order,
            opt_out_type: optOutType,
          },
        },
      ],
    })
  },
  verdict: readAnswer,
  examples: [
    {
      title: 'a sale of a browser',
      conversion: { ip: '203.0.113.7', user_agent: 'Mozilla/5.0' },
      request: {
        method: 'POST',
        url: 'https://api.pinterest.com/v5/ad_accounts/549755885175/events',
        headers: { authorization: 'Bearer PINTOKEN' },
        body: '{"data":[{"event_name":"checkout","action_source":"web","event_time":1767225600,"event_id":"00112233445566778899aabbccddeeff-sale","opt_out":false,"user_data":{"client_ip_address":"203.0.113.7","client_user_agent":"Mozilla/5.0"},"custom_data":{"currency":"USD","value":"12.50","order_id":"tx-1"}}]}',
      },
      responses: [
        { status: 200, body: '{"events":[{"status":"processed"}]}', verdict: 'delivered' },
        { status: 200, body: '{"events":[{"status":"failed"}]}', verdict: 'dead' },
        { status: 401, verdict: 'park' },
        { status: 503, verdict: 'retry' },
      ],
    },
  ],
})
