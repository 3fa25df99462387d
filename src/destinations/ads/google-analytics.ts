/**
 * Google Analytics 4 Measurement Protocol.
 * https://developers.google.com/analytics/devguides/collection/protocol/ga4/reference
 * https://developers.google.com/analytics/devguides/collection/ga4/uid-data
 *
 * It answers 2xx whatever it is sent: delivered means handed over, not valid.
 */
import { IDENTITY } from './identity.ts'
import { amount, JSON_HEADERS, post } from './json.ts'
import { defineAdPlatform, insufficient } from './platform.ts'
import { at, bodyOf, dropped, listOf, readAdStatus, type ReadAnswer } from './verdict.ts'

const person = IDENTITY.google

/** Only the debug server, which test mode uses, says anything. */
const readAnswer: ReadAnswer = (response, now) => {
  const complaints = listOf(at(bodyOf(response), 'validationMessages'))
  return complaints.length > 0 ? dropped(response) : readAdStatus(response, now)
}

export const googleAnalytics = defineAdPlatform({
  type: 'google_analytics',
  title: 'Google Analytics 4 Measurement Protocol',
  docs: 'https://developers.google.com/analytics/devguides/collection/protocol/ga4/reference',
  notes:
    'Needs the client id of the browser (ga_client_id: the _ga cookie or its last two numbers); give ga_session_id too, or the event belongs to no session. A wrong api_secret or measurement_id is not told by anybody. Only purchases and refunds are deduplicated, by transaction id: after a lost answer an event is not repeated.',
  host: 'https://www.google-analytics.com',
  settings: {
    measurement_id: {
      title: 'Measurement id of the web stream',
      pattern: '^G-[A-Z0-9]+$',
      example: 'G-TEST12345',
    },
    api_secret: { title: 'Measurement Protocol API secret', secret: true, example: 'SECRET' },
  },
  events: {
    lead: 'generate_lead',
    registration: 'sign_up',
    sale: 'purchase',
    ftd: 'purchase',
    rebill: 'purchase',
    install: 'app_install',
    trial: 'start_trial',
    subscribe: 'subscribe',
  },
  eventNames: /^[A-Za-z][A-Za-z0-9_]{0,39}$/,
  identity: [
    'ga_client_id', 'ga_session_id', 'user_id', 'email', 'phone', 'first_name', 'last_name', 'city',
    'region', 'zip', 'country',
  ], // prettier-ignore
  maxAgeHours: 72,
  test: 'yes',
  reversals: { how: 'event `refund` by transaction id' },
  policy: { budget_hours: 72, retry_after_ambiguous: false },
  prepare: ({ measurement_id: id, api_secret: secret }) => ({
    query: `mp/collect?measurement_id=${id}&api_secret=${encodeURIComponent(secret)}`,
  }),
  request: (event, { query }, base) => {
    const { conversion: c, isTest } = event
    const clientId = clientIdOf(c.ga_client_id)
    if (!clientId) return insufficient('ga_client_id')
    const consent = event.consent?.toUpperCase()
    return post(`${base}/${isTest ? 'debug/' : ''}${query}`, JSON_HEADERS, {
      client_id: clientId,
      user_id: c.user_id,
      timestamp_micros: event.at * 1000,
      consent: { ad_user_data: consent, ad_personalization: consent },
      user_data: {
        sha256_email_address: [person.email(c.email)],
        sha256_phone_number: [person.phone(c.phone)],
        address: [
          {
            sha256_first_name: person.first_name(c.first_name),
            sha256_last_name: person.last_name(c.last_name),
            city: person.city(c.city),
            region: person.region(c.region),
            postal_code: person.zip(c.zip),
            country: person.country(c.country),
          },
        ],
      },
      events: [
        {
          name: event.isReversal ? 'refund' : event.name,
          params: {
            transaction_id: event.order,
            value: amount(event.value),
            currency: event.currency,
            session_id: sessionIdOf(c.ga_session_id),
            // Without it an event does not count as the session's.
            engagement_time_msec: 1,
          },
        },
      ],
    })
  },
  verdict: readAnswer,
  examples: [
    {
      title: 'a purchase of a browser',
      conversion: { ga_client_id: 'GA1.1.1098115397.1795075100', ga_session_id: '1795075100' },
      request: {
        method: 'POST',
        url: 'https://www.google-analytics.com/mp/collect?measurement_id=G-TEST12345&api_secret=SECRET',
        body: '{"client_id":"1098115397.1795075100","timestamp_micros":1767225600000000,"events":[{"name":"purchase","params":{"transaction_id":"tx-1","value":12.5,"currency":"USD","session_id":"1795075100","engagement_time_msec":1}}]}',
      },
      responses: [
        { status: 204, verdict: 'delivered' },
        { status: 503, verdict: 'retry' },
      ],
    },
  ],
})

/** The `_ga` cookie is `GA1.1.X.Y`; the client id is `X.Y`. */
function clientIdOf(text = ''): string | undefined {
  return /^(?:GA\d\.\d\.)?(\d+\.\d+)$/.exec(text)?.[1]
}

/** The `_ga_…` cookie is `GS1.1.<session>.…`, or `GS2.1.s<session>$…`. */
function sessionIdOf(text = ''): string | undefined {
  return /^(?:GS\d\.\d\.s?)?(\d+)(?:[.$].*)?$/.exec(text)?.[1]
}
