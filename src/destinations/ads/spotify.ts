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
  examples: [],
})
