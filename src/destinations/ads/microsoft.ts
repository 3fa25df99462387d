/**
 * Microsoft Advertising UET Conversions API.
 * https://learn.microsoft.com/en-us/advertising/guides/uet-conversion-api-integration
 */
import { IDENTITY } from './identity.ts'
import { amount, post } from './json.ts'
import { defineAdPlatform, insufficient } from './platform.ts'
import {
  at,
  bodyOf,
  dropped,
  listOf,
  readAdStatus,
  readSpoken,
  REFUSED,
  type ReadAnswer,
} from './verdict.ts'

const API_VERSION = 'v1'
const person = IDENTITY.microsoft

/** A request goes through with some of its events refused; warnings are about events it took. */
const readAnswer: ReadAnswer = (response, now) => {
  const { status } = response
  // An unknown tag is a setting that is wrong, not this conversion.
  if (status === 404) return REFUSED
  const details = listOf(at(bodyOf(response), 'error', 'details'))
  const isRefused = details.some(detail => at(detail, 'isWarning') !== true)
  return status === 200 && isRefused ? dropped(response) : readAdStatus(response, now)
}

export const microsoft = defineAdPlatform({
  type: 'microsoft',
  title: 'Microsoft UET Conversions API',
  docs: 'https://learn.microsoft.com/en-us/advertising/guides/uet-conversion-api-integration',
  apiVersion: API_VERSION,
  notes:
    'An event name must match the goal of the account, letter for letter; set it in events. The account manager may have to open the API for the account. There is no test mode and no way to take a conversion back.',
  host: 'https://capi.uet.microsoft.com',
  settings: {
    tag_id: { title: 'UET tag id', pattern: '^[0-9]+$', example: '97267979' },
    access_token: { title: 'API token of the UET tag', secret: true, example: 'UETTOKEN' },
    api_version: { title: 'API version', default: API_VERSION, pattern: '^v[0-9]+$' },
  },
  events: {
    lead: 'lead',
    registration: 'signup',
    sale: 'purchase',
    ftd: 'purchase',
    rebill: 'purchase',
    install: 'install',
    trial: 'start_trial',
    subscribe: 'subscribe',
  },
  identity: ['msclkid', 'email', 'phone', 'user_id', 'ip', 'user_agent'],
  clickId: 'msclkid',
  prepare: settings => ({
    path: `/${settings.api_version}/${settings.tag_id}/events`,
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${settings.access_token}`,
    },
  }),
  request: (event, { path, headers }, base) => {
    const { conversion: c, clickId, consent } = event
    const em = person.email(c.email)
    const ph = person.phone(c.phone)
    const externalId = person.external_id(c.user_id)
    if (!clickId && !em && !ph && !externalId && !(c.ip && c.user_agent)) {
      return insufficient('msclkid, email, phone, user_id, or ip with user_agent')
    }
    return post(base + path, headers, {
      data: [
        {
          eventType: 'custom',
          eventId: event.id,
          eventName: event.name,
          eventTime: Math.floor(event.at / 1000),
          eventSourceUrl: event.url,
          adStorageConsent: consent && (consent === 'granted' ? 'G' : 'D'),
          userData: {
            em,
            ph,
            externalId,
            msclkid: clickId,
            clientIpAddress: c.ip,
            clientUserAgent: c.user_agent,
          },
          customData: {
            value: amount(event.value),
            currency: event.currency,
            transactionId: event.order,
          },
        },
      ],
      dataProvider: 'postern',
      continueOnValidationError: true,
    })
  },
  verdict: readSpoken(readAnswer),
  examples: [
    {
      title: 'a sale of a click',
      conversion: { msclkid: 'dd4afcccb1c94a4cad9544dd7e5006ab' },
      request: {
        method: 'POST',
        url: 'https://capi.uet.microsoft.com/v1/97267979/events',
        headers: { authorization: 'Bearer UETTOKEN' },
        body: '{"data":[{"eventType":"custom","eventId":"00112233445566778899aabbccddeeff-sale","eventName":"purchase","eventTime":1767225600,"userData":{"msclkid":"dd4afcccb1c94a4cad9544dd7e5006ab"},"customData":{"value":12.5,"currency":"USD","transactionId":"tx-1"}}],"dataProvider":"postern","continueOnValidationError":true}',
      },
      responses: [
        { status: 200, body: '{"eventsReceived":1}', verdict: 'delivered' },
        {
          status: 200,
          body: '{"eventsReceived":0,"error":{"details":[{"index":0}]}}',
          verdict: 'dead',
        },
        { status: 401, verdict: 'park' },
        { status: 503, verdict: 'retry' },
      ],
    },
  ],
})
