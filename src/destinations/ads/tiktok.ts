/**
 * TikTok Events API 2.0.
 * https://business-api.tiktok.com/portal/docs?id=1771101151059969
 * https://ads.tiktok.com/help/article/event-deduplication
 *
 * Every answer is HTTP 200; `code` in its body decides. Repeats of an event and id are dropped there
 * for 48 hours.
 */
import { IDENTITY } from './identity.ts'
import { amount, post } from './json.ts'
import { defineAdPlatform, insufficient } from './platform.ts'
import { again, at, bodyOf, dropped, REFUSED, TAKEN, throttled, type ReadAnswer } from './verdict.ts' // prettier-ignore

const API_VERSION = 'v1.3'
const person = IDENTITY.tiktok

/** 20001 is partial success; of one event there is no part. */
const OK = new Set([0, 20001])
const TOO_MANY = 40100
const ACCOUNT = new Set([40001, 40104, 40105])

const readAnswer: ReadAnswer = (response, now) => {
  if (response.status === 401) return REFUSED
  const code = at(bodyOf(response), 'code')
  if (typeof code !== 'number') return again(response, now)
  if (OK.has(code)) return TAKEN
  if (code === TOO_MANY) return throttled(undefined)
  if (ACCOUNT.has(code)) return REFUSED
  return code >= 50000 || response.status >= 500 ? again(response, now) : dropped(response)
}

export const tiktok = defineAdPlatform({
  type: 'tiktok',
  title: 'TikTok Events API',
  docs: 'https://business-api.tiktok.com/portal/docs?id=1771101151059969',
  apiVersion: API_VERSION,
  notes:
    'A phone number without its country code is left out. There is no way to take a conversion back.',
  host: 'https://business-api.tiktok.com',
  settings: {
    pixel_code: { title: 'Pixel code, or id of the event set', example: 'C8C3JPS5R0L0CKHEJ8K0' },
    access_token: {
      title: 'Access token from the settings of the pixel',
      secret: true,
      example: 'TT_TOKEN',
    },
    test_event_code: { title: 'Code of the Test Events tab', default: '' },
    api_version: { title: 'API version', default: API_VERSION, pattern: '^v[0-9]+\\.[0-9]+$' },
    event_source: {
      title: 'web, app, offline or crm',
      default: 'web',
      pattern: '^(web|app|offline|crm)$',
    },
    limited_data_use: { title: 'yes: limited data use', default: '', pattern: '^yes$' },
  },
  events: {
    lead: 'Lead',
    registration: 'CompleteRegistration',
    sale: 'Purchase',
    ftd: 'Purchase',
    rebill: 'Purchase',
    install: 'Download',
    trial: 'StartTrial',
    subscribe: 'Subscribe',
  },
  identity: [
    'ttclid', 'ttp', 'email', 'phone', 'user_id', 'first_name', 'last_name', 'city', 'region', 'zip',
    'country', 'ip', 'user_agent',
  ], // prettier-ignore
  clickId: 'ttclid',
  // The longest attribution window; what is older could not be attributed.
  maxAgeHours: 28 * 24,
  test: 'test_event_code',
  prepare: settings => ({
    path: `/open_api/${settings.api_version}/event/track/`,
    headers: { 'content-type': 'application/json', 'access-token': settings.access_token },
    source: settings.event_source,
    sourceId: settings.pixel_code,
    testCode: settings.test_event_code,
    isLimited: settings.limited_data_use === 'yes',
  }),
  request: (event, { path, headers, source, sourceId, testCode, isLimited }, base) => {
    const { conversion: c, clickId } = event
    const email = person.email(c.email)
    const phone = person.phone(c.phone)
    const externalId = person.external_id(c.user_id)
    if (!clickId && !c.ttp && !email && !phone && !externalId && !(c.ip && c.user_agent)) {
      return insufficient('ttclid, ttp, email, phone, user_id, or ip with user_agent')
    }
    return post(base + path, headers, {
      event_source: source,
      event_source_id: sourceId,
      test_event_code: event.isTest ? testCode : undefined,
      data: [
        {
          event: event.name,
          event_time: Math.floor(event.at / 1000),
          event_id: event.id,
          user: {
            email,
            phone,
            external_id: externalId,
            first_name: person.first_name(c.first_name),
            last_name: person.last_name(c.last_name),
            city: person.city(c.city),
            state: person.region(c.region),
            zip_code: person.zip(c.zip),
            country: person.country(c.country),
            ttclid: clickId,
            ttp: c.ttp,
            ip: c.ip,
            user_agent: c.user_agent,
          },
          properties: {
            value: amount(event.value),
            currency: event.currency,
            order_id: event.order,
          },
          page: { url: event.url },
          limited_data_use: isLimited ? true : undefined,
        },
      ],
    })
  },
  verdict: readAnswer,
  examples: [
    {
      title: 'a sale known by its click only',
      conversion: { ttclid: 'E.C.P.CrMBtest', landing_url: 'https://shop.example.com/' },
      request: {
        method: 'POST',
        url: 'https://business-api.tiktok.com/open_api/v1.3/event/track/',
        headers: { 'access-token': 'TT_TOKEN' },
        body: '{"event_source":"web","event_source_id":"C8C3JPS5R0L0CKHEJ8K0","data":[{"event":"Purchase","event_time":1767225600,"event_id":"00112233445566778899aabbccddeeff-sale","user":{"ttclid":"E.C.P.CrMBtest"},"properties":{"value":12.5,"currency":"USD","order_id":"tx-1"},"page":{"url":"https://shop.example.com/"}}]}',
      },
      responses: [
        { status: 200, body: '{"code":0}', verdict: 'delivered' },
        { status: 200, body: '{"code":40002}', verdict: 'dead' },
        { status: 200, body: '{"code":40001}', verdict: 'park' },
        { status: 200, body: '{"code":40100}', verdict: 'retry' },
      ],
    },
  ],
})
