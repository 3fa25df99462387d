/**
 * Snapchat Conversions API v3.
 * https://developers.snap.com/api/marketing-api/Conversions-API/Parameters
 */
import { parseProcessing } from './data-processing.ts'
import { IDENTITY } from './identity.ts'
import { amount, JSON_HEADERS, post } from './json.ts'
import { defineAdPlatform, insufficient } from './platform.ts'
import { at, bodyOf, dropped, readAdStatus, readSpoken, type ReadAnswer } from './verdict.ts'

const API_VERSION = 'v3'
const person = IDENTITY.snapchat

const readAnswer: ReadAnswer = (response, now) => {
  const isInvalid = at(bodyOf(response), 'status') === 'INVALID'
  return response.status === 200 && isInvalid ? dropped(response) : readAdStatus(response, now)
}

export const snapchat = defineAdPlatform({
  type: 'snapchat',
  title: 'Snapchat Conversions API',
  docs: 'https://developers.snap.com/api/marketing-api/Conversions-API/Parameters',
  apiVersion: API_VERSION,
  notes: 'There is no way to take a conversion back.',
  host: 'https://tr.snapchat.com',
  settings: {
    pixel_id: { title: 'Pixel id', example: '11111111-2222-3333-4444-555555555555' },
    access_token: {
      title: 'Conversions API token of the business',
      secret: true,
      example: 'SNAPTOKEN',
    },
    api_version: { title: 'API version', default: API_VERSION, pattern: '^v[0-9]+$' },
    action_source: {
      title: 'WEB, MOBILE_APP or OFFLINE',
      default: 'WEB',
      pattern: '^(WEB|MOBILE_APP|OFFLINE)$',
    },
    data_processing: {
      title: 'LMU or LDU, with country and state where they are known: LDU,1,1000',
      default: '',
      pattern: '^L[MD]U(,[0-9]+,[0-9]+)?$',
    },
  },
  events: {
    lead: 'SIGN_UP',
    registration: 'SIGN_UP',
    sale: 'PURCHASE',
    ftd: 'PURCHASE',
    rebill: 'PURCHASE',
    install: 'APP_INSTALL',
    trial: 'START_TRIAL',
    subscribe: 'SUBSCRIBE',
  },
  eventNames: /^[A-Z][A-Z0-9_]*$/,
  identity: [
    'sccid', 'scid', 'email', 'phone', 'first_name', 'last_name', 'city', 'region', 'zip', 'country',
    'user_id', 'ip', 'user_agent', 'gaid', 'idfa',
  ], // prettier-ignore
  clickId: 'sccid',
  maxAgeHours: 37 * 24,
  test: 'yes',
  prepare: settings => ({
    path: `/${settings.api_version}/${encodeURIComponent(settings.pixel_id)}/events`,
    query: `?access_token=${encodeURIComponent(settings.access_token)}`,
    source: settings.action_source,
    processing: parseProcessing(settings.data_processing),
  }),
  request: (event, { path, query, source, processing }, base) => {
    const { conversion: c, clickId } = event
    const em = person.email(c.email)
    const ph = person.phone(c.phone)
    const device = c.idfa ?? c.gaid
    if (!clickId && !em && !ph && !device && !(c.ip && c.user_agent)) {
      return insufficient('sccid, email, phone, gaid, idfa, or ip with user_agent')
    }
    return post(base + path + (event.isTest ? '/validate' : '') + query, JSON_HEADERS, {
      data: [
        {
          event_name: event.name,
          event_time: Math.floor(event.at / 1000),
          event_id: event.id,
          action_source: source,
          event_source_url: event.url,
          user_data: {
            em: [em],
            ph: [ph],
            fn: [person.first_name(c.first_name)],
            ln: [person.last_name(c.last_name)],
            ct: [person.city(c.city)],
            st: [person.region(c.region)],
            zp: [person.zip(c.zip)],
            country: [person.country(c.country)],
            external_id: [person.external_id(c.user_id)],
            client_ip_address: c.ip,
            client_user_agent: c.user_agent,
            sc_click_id: clickId,
            sc_cookie1: c.scid,
            madid: device,
          },
          custom_data: {
            value: amount(event.value),
            currency: event.currency,
            order_id: event.order,
          },
          data_processing_options: processing?.modes,
          data_processing_options_country: processing?.country,
          data_processing_options_state: processing?.state,
        },
      ],
    })
  },
  verdict: readSpoken(readAnswer),
  examples: [
    {
      title: 'a sale of a click',
      conversion: { sccid: 'b2f6f2c2-9a3f-4b0e-8d7c-2f0d3c1f7a11' },
      request: {
        method: 'POST',
        url: 'https://tr.snapchat.com/v3/11111111-2222-3333-4444-555555555555/events?access_token=SNAPTOKEN',
        body: '{"data":[{"event_name":"PURCHASE","event_time":1767225600,"event_id":"00112233445566778899aabbccddeeff-sale","action_source":"WEB","user_data":{"sc_click_id":"b2f6f2c2-9a3f-4b0e-8d7c-2f0d3c1f7a11"},"custom_data":{"value":12.5,"currency":"USD","order_id":"tx-1"}}]}',
      },
      responses: [
        { status: 200, body: '{"status":"VALID"}', verdict: 'delivered' },
        { status: 200, body: '{"status":"INVALID"}', verdict: 'dead' },
        { status: 401, verdict: 'park' },
        { status: 503, verdict: 'retry' },
      ],
    },
  ],
})
