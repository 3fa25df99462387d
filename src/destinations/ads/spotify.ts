/**
 * Spotify Conversions API.
 * https://ads.spotify.com/en-US/help-center/spotify-conversions-api/
 */
import { IDENTITY } from './identity.ts'
import { amount, post } from './json.ts'
import { defineAdPlatform, insufficient } from './platform.ts'
import { readAdStatus } from './verdict.ts'

const person = IDENTITY.spotify

export const spotify = defineAdPlatform({
  type: 'spotify',
  title: 'Spotify Conversions API',
  docs: 'https://ads.spotify.com/en-US/help-center/spotify-conversions-api/',
  verified: 'community',
  notes:
    'No public page says in which form a phone number is hashed; it is hashed with its plus sign, as most platforms want it. There is no test mode and no way to take a conversion back.',
  host: 'https://capi.spotify.com',
  settings: {
    connection_id: { title: 'Connection id of the Conversions API', example: 'conn-1' },
    access_token: { title: 'Access token', secret: true, example: 'SPTOKEN' },
    opt_out_targeting: {
      title: 'yes: not to be used for targeting',
      default: '',
      pattern: '^yes$',
    },
  },
  events: {
    lead: 'Lead',
    registration: 'Sign_Up',
    sale: 'Purchase',
    ftd: 'Purchase',
    rebill: 'Purchase',
  },
  identity: ['email', 'phone', 'ip'],
  prepare: settings => ({
    connection: settings.connection_id,
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${settings.access_token}`,
    },
    isOptedOut: settings.opt_out_targeting === 'yes',
  }),
  request: (event, { connection, headers, isOptedOut }, base) => {
    const { conversion: c } = event
    const email = person.email(c.email)
    const phone = person.phone(c.phone)
    if (!email && !phone && !c.ip) return insufficient('email, phone or ip')
    return post(`${base}/capi-direct/events/`, headers, {
      conversion_events: {
        capi_connection_id: connection,
        events: [
          {
            event_name: event.name,
            event_id: event.id,
            event_time: new Date(event.at).toISOString(),
            action_source: 'WEB',
            event_source_url: event.url,
            opt_out_targeting: isOptedOut ? true : undefined,
            event_details: { amount: amount(event.value), currency: event.currency },
            user_data: { hashed_emails: [email], hashed_phone_number: phone, ip_address: c.ip },
          },
        ],
      },
    })
  },
  verdict: readAdStatus,
  examples: [
    {
      title: 'a sale of a person',
      conversion: { email: 'test@example.com' },
      request: {
        method: 'POST',
        url: 'https://capi.spotify.com/capi-direct/events/',
        headers: { authorization: 'Bearer SPTOKEN' },
        body: '{"conversion_events":{"capi_connection_id":"conn-1","events":[{"event_name":"Purchase","event_id":"00112233445566778899aabbccddeeff-sale","event_time":"2026-01-01T00:00:00.000Z","action_source":"WEB","event_details":{"amount":12.5,"currency":"USD"},"user_data":{"hashed_emails":["973dfe463ec85785f5f95af5ba3906eedb2d931c24e69824a89ea65dba4e813b"]}}]}}',
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
