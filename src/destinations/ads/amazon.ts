/**
 * Amazon Ads conversions (events ingestion).
 * https://advertising.amazon.com/API/docs/en-us/guides/conversions-api/overview
 *
 * It answers 207 and tells in the body what was taken.
 */
import { IDENTITY } from './identity.ts'
import { amount, post } from './json.ts'
import { REFRESH_SETTINGS, refreshGrant } from './oauth.ts'
import { defineAdPlatform, insufficient } from './platform.ts'
import { again, at, bodyOf, dropped, listOf, readAdStatus, TAKEN, type ReadAnswer } from './verdict.ts' // prettier-ignore

const API_VERSION = 'v1'
const PURCHASE = 'OFF_AMAZON_PURCHASES'
const person = IDENTITY.amazon

/** Another one is refused, so its amount is left out. */
const CURRENCIES = new Set([
  'AED', 'AUD', 'BRL', 'CAD', 'CNY', 'DKK', 'EUR', 'GBP', 'INR', 'JPY', 'MXN', 'NOK', 'NZD', 'SAR', 'SEK',
  'SGD', 'TRY', 'USD',
]) // prettier-ignore

const PASSING = /THROTTL|TOO_MANY|INTERNAL|UNAVAILABLE/i

const readAnswer: ReadAnswer = (response, now) => {
  if (response.status !== 207) return readAdStatus(response, now)
  const body = bodyOf(response)
  const errors = listOf(at(body, 'error')).flatMap(item => listOf(at(item, 'errors')))
  const kinds = errors.map(error => `${String(at(error, 'errorType'))}${String(at(error, 'code'))}`)
  if (kinds.some(kind => PASSING.test(kind))) return again(response, now)
  if (errors.length > 0 || listOf(at(body, 'error')).length > 0) return dropped(response)
  return listOf(at(body, 'success')).length > 0 ? TAKEN : again(response, now)
}

export const amazon = defineAdPlatform({
  type: 'amazon',
  title: 'Amazon Ads conversions',
  docs: 'https://advertising.amazon.com/API/docs/en-us/guides/conversions-api/overview',
  verified: 'community',
  apiVersion: API_VERSION,
  notes:
    'For Europe set base_url to https://advertising-api-eu.amazon.com, for the Far East to https://advertising-api-fe.amazon.com. Only people can be matched: there is no click id. A value is sent for purchases only, and in the 18 currencies that Amazon knows. In Europe consent is demanded: set consent. There is no test mode and no way to take a conversion back.',
  host: 'https://advertising-api.amazon.com',
  settings: {
    account_id: { title: 'Ads account id', example: '12345678' },
    ...REFRESH_SETTINGS,
    token_url: { title: 'Token endpoint', default: 'https://api.amazon.com/auth/o2/token' },
    country: {
      title: 'Country where the postback names none, such as US',
      default: '',
      pattern: '^[A-Z]{2}$',
    },
    api_version: { title: 'API version', default: API_VERSION, pattern: '^v[0-9]+$' },
  },
  events: {
    lead: 'LEAD',
    registration: 'SIGN_UP',
    sale: PURCHASE,
    ftd: PURCHASE,
    rebill: PURCHASE,
    install: 'MOBILE_APP_FIRST_START',
    subscribe: 'SUBSCRIBE',
  },
  eventNames: /^[A-Z_]+$/,
  identity: [
    'email', 'phone', 'first_name', 'last_name', 'city', 'region', 'zip', 'gaid', 'idfa', 'country',
  ], // prettier-ignore
  prepare: (settings, fault) => ({
    path: `/adsApi/${settings.api_version}/create/events`,
    headers: {
      'content-type': 'application/json',
      'amazon-ads-clientid': settings.client_id,
      'amazon-ads-accountid': settings.account_id,
    },
    country: settings.country,
    grant: refreshGrant(settings, fault),
  }),
  grant: ({ grant }) => grant,
  request: (event, { path, headers, country }, base) => {
    const { conversion: c, name } = event
    const countryCode = person.country(c.country) ?? country
    const matchKeys = [
      key('EMAIL', person.email(c.email)),
      key('PHONE', person.phone(c.phone)),
      key('FIRST_NAME', person.first_name(c.first_name)),
      key('LAST_NAME', person.last_name(c.last_name)),
      key('CITY', person.city(c.city)),
      key('STATE', person.region(c.region)),
      key('POSTAL', person.zip(c.zip)),
      key('MAID', c.idfa ?? c.gaid),
    ].filter(one => one !== undefined)
    if (matchKeys.length === 0) return insufficient('email, phone, gaid, idfa or a name')
    if (!countryCode) return insufficient('country, or the setting country')
    const isPurchase = name === PURCHASE
    const hasValue = isPurchase && CURRENCIES.has(event.currency ?? '')
    const agreed = event.consent?.toUpperCase()
    return post(base + path, headers, {
      events: [
        {
          eventDescription: {
            name: c.event ?? name,
            conversionType: name,
            eventSource: 'WEBSITE',
            eventIngestionMethod: 'SERVER_TO_SERVER',
          },
          countryCode,
          eventTime: new Date(event.at).toISOString(),
          eventId: event.id,
          matchKeys,
          value: hasValue ? amount(event.value) : undefined,
          currencyCode: hasValue ? event.currency : undefined,
          unitsSold: isPurchase ? 1 : undefined,
          consent: { amazonConsent: { amznAdStorage: agreed, amznUserData: agreed } },
        },
      ],
    })
  },
  verdict: readAnswer,
  examples: [
    {
      title: 'a sale of a person',
      conversion: { email: 'test@example.com' },
      settings: {
        client_id: 'client-1',
        client_secret: 'secret-1',
        refresh_token: 'refresh-1',
        country: 'US',
      },
      request: {
        method: 'POST',
        url: 'https://advertising-api.amazon.com/adsApi/v1/create/events',
        headers: { 'amazon-ads-clientid': 'client-1', 'amazon-ads-accountid': '12345678' },
        body: '{"events":[{"eventDescription":{"name":"sale","conversionType":"OFF_AMAZON_PURCHASES","eventSource":"WEBSITE","eventIngestionMethod":"SERVER_TO_SERVER"},"countryCode":"US","eventTime":"2026-01-01T00:00:00.000Z","eventId":"00112233445566778899aabbccddeeff-sale","matchKeys":[{"type":"EMAIL","values":["973dfe463ec85785f5f95af5ba3906eedb2d931c24e69824a89ea65dba4e813b"]}],"value":12.5,"currencyCode":"USD","unitsSold":1}]}',
      },
      responses: [
        { status: 207, body: '{"success":[{"index":0}],"error":[]}', verdict: 'delivered' },
        {
          status: 207,
          body: '{"success":[],"error":[{"index":0,"errors":[{"errorType":"VALIDATION"}]}]}',
          verdict: 'dead',
        },
        { status: 401, verdict: 'park' },
        { status: 503, verdict: 'retry' },
      ],
    },
  ],
})

function key(type: string, value: string | undefined) {
  return value === undefined ? undefined : { type, values: [value] }
}
