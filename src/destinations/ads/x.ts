/**
 * X (Twitter) web conversions.
 * https://developer.x.com/en/docs/x-ads-api/measurement/web-conversions/api-reference/conversions
 *
 * Events are configured in the account; any fault refuses the whole request.
 */
import { IDENTITY } from './identity.ts'
import { post } from './json.ts'
import { defineAdPlatform, insufficient } from './platform.ts'
import { again, at, bodyOf, dropped, readAdStatus, TAKEN, type ReadAnswer } from './verdict.ts'

const API_VERSION = '12'
const person = IDENTITY.x

const readAnswer: ReadAnswer = (response, now) => {
  if (response.status !== 200) return readAdStatus(response, now)
  const processed = at(bodyOf(response), 'data', 'conversions_processed')
  if (typeof processed !== 'number') return again(response, now)
  return processed > 0 ? TAKEN : dropped(response)
}

export const x = defineAdPlatform({
  type: 'x',
  title: 'X Conversion API',
  docs: 'https://developer.x.com/en/docs/x-ads-api/measurement/web-conversions/api-reference/conversions',
  apiVersion: API_VERSION,
  notes:
    'Events are named by their id in the Events Manager: events: sale=tw-o8z6j-o8z21. There is no test mode and no way to take a conversion back.',
  host: 'https://ads-api.x.com',
  settings: {
    pixel_id: { title: 'Pixel id', pattern: '^[A-Za-z0-9]+$', example: 'o8z6j' },
    pixel_token: { title: 'Pixel token', secret: true, example: 'XPIXELTOKEN' },
    api_version: { title: 'API version', default: API_VERSION, pattern: '^[0-9]+$' },
  },
  events: {},
  eventNames: /^tw-[A-Za-z0-9]+-[A-Za-z0-9]+$/,
  identity: ['twclid', 'email', 'phone', 'ip', 'user_agent'],
  clickId: 'twclid',
  prepare: settings => ({
    path: `/${settings.api_version}/measurement/conversions/${settings.pixel_id}`,
    headers: { 'content-type': 'application/json', 'x-pixel-token': settings.pixel_token },
  }),
  request: (event, { path, headers }, base) => {
    const { conversion: c, clickId, value } = event
    const email = person.email(c.email)
    const phone = person.phone(c.phone)
    const hasBrowser = c.ip !== undefined && c.user_agent !== undefined
    if (!clickId && !email && !phone && !hasBrowser) {
      return insufficient('twclid, email, phone, or ip with user_agent')
    }
    return post(base + path, headers, {
      conversions: [
        {
          conversion_time: new Date(event.at).toISOString(),
          event_id: event.name,
          identifiers: [
            ...(clickId ? [{ twclid: clickId }] : []),
            ...(email ? [{ hashed_email: email }] : []),
            ...(phone ? [{ hashed_phone_number: phone }] : []),
            ...(hasBrowser ? [{ ip_address: c.ip, user_agent: c.user_agent }] : []),
          ],
          conversion_id: event.id,
          value,
          price_currency: event.currency,
          number_items: value === undefined ? undefined : 1,
        },
      ],
    })
  },
  verdict: readAnswer,
  examples: [
    {
      title: 'a sale of a click',
      conversion: { twclid: '23opevjt88psuo13lu8d020qkn' },
      settings: { events: 'sale=tw-o8z6j-o8z21' },
      request: {
        method: 'POST',
        url: 'https://ads-api.x.com/12/measurement/conversions/o8z6j',
        headers: { 'x-pixel-token': 'XPIXELTOKEN' },
        body: '{"conversions":[{"conversion_time":"2026-01-01T00:00:00.000Z","event_id":"tw-o8z6j-o8z21","identifiers":[{"twclid":"23opevjt88psuo13lu8d020qkn"}],"conversion_id":"00112233445566778899aabbccddeeff-sale","value":"12.50","price_currency":"USD","number_items":1}]}',
      },
      responses: [
        { status: 200, body: '{"data":{"conversions_processed":1}}', verdict: 'delivered' },
        { status: 400, verdict: 'dead' },
        { status: 401, verdict: 'park' },
        { status: 503, verdict: 'retry' },
      ],
    },
  ],
})
