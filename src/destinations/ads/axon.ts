/**
 * AppLovin Axon Conversions API.
 * https://support.axon.ai/en/growth/promoting-your-websites/api/axon-conversion-api/
 */
import { IDENTITY } from './identity.ts'
import { amount, post } from './json.ts'
import { defineAdPlatform, insufficient } from './platform.ts'
import { readAdStatus } from './verdict.ts'

const API_VERSION = 'v1'
const person = IDENTITY.axon

export const axon = defineAdPlatform({
  type: 'axon',
  title: 'AppLovin Axon Conversions API',
  docs: 'https://support.axon.ai/en/growth/promoting-your-websites/api/axon-conversion-api/',
  apiVersion: API_VERSION,
  notes:
    'The click id aleid comes by click_id_from. Address and user agent of the person are required, and so is the page: set page_url where the postback brings no landing_url. There is no test mode and no way to take a conversion back.',
  host: 'https://b.applovin.com',
  settings: {
    pixel_id: { title: 'Pixel id', example: 'PIXEL1' },
    api_key: { title: 'Conversion API key', secret: true, example: 'AXONKEY' },
    api_version: { title: 'API version', default: API_VERSION, pattern: '^v[0-9]+$' },
  },
  events: {
    lead: 'generate_lead',
    registration: 'sign_up',
    sale: 'purchase',
    ftd: 'purchase',
    rebill: 'purchase',
    install: 'app_open',
    subscribe: 'subscribe',
  },
  eventNames: /^[a-z_]+$/,
  identity: ['email', 'phone', 'user_id', 'ip', 'user_agent'],
  clickId: 'click_id_from',
  prepare: settings => ({
    path: `/${settings.api_version}/event?pixel_id=${encodeURIComponent(settings.pixel_id)}`,
    headers: { 'content-type': 'application/json', authorization: settings.api_key },
  }),
  request: (event, { path, headers }, base) => {
    const { conversion: c, clickId, order, value } = event
    const email = person.email(c.email)
    const phone = person.phone(c.phone)
    if (!c.ip || !c.user_agent) return insufficient('ip and user_agent')
    if (!clickId && !c.user_id && !email && !phone) {
      return insufficient('aleid by click_id_from, user_id, email or phone')
    }
    const item = { item_id: c.offer_id ?? order, price: amount(value), quantity: 1 }
    return post(base + path, headers, {
      events: [
        {
          name: event.name,
          event_time: event.at,
          event_source_url: event.url,
          dedupe_id: event.id,
          data: {
            currency: event.currency,
            value: amount(value),
            items: event.name === 'purchase' ? [item] : undefined,
          },
          user_data: {
            aleid: clickId,
            user_id: c.user_id,
            email,
            phone,
            client_ip_address: c.ip,
            client_user_agent: c.user_agent,
            esi: 'web',
          },
        },
      ],
    })
  },
  verdict: readAdStatus,
  examples: [
    {
      title: 'a lead of a person',
      conversion: {
        event: 'lead',
        user_id: 'user_42',
        ip: '203.0.113.7',
        user_agent: 'Mozilla/5.0',
        landing_url: 'https://shop.example.com/',
      },
      request: {
        method: 'POST',
        url: 'https://b.applovin.com/v1/event?pixel_id=PIXEL1',
        headers: { authorization: 'AXONKEY' },
        body: '{"events":[{"name":"generate_lead","event_time":1767225600000,"event_source_url":"https://shop.example.com/","dedupe_id":"00112233445566778899aabbccddeeff-lead","data":{"currency":"USD","value":12.5},"user_data":{"user_id":"user_42","client_ip_address":"203.0.113.7","client_user_agent":"Mozilla/5.0","esi":"web"}}]}',
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
