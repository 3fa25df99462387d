/**
 * LinkedIn Conversions API.
 * https://learn.microsoft.com/en-us/linkedin/marketing/conversions/conversions-api
 *
 * Events are the conversion rules of the account, made there beforehand.
 */
import { IDENTITY } from './identity.ts'
import { post } from './json.ts'
import { REFRESH_SETTINGS, refreshGrant } from './oauth.ts'
import { defineAdPlatform, insufficient } from './platform.ts'
import { readAdStatus, REFUSED, type ReadAnswer } from './verdict.ts'

/** Each version lives for a year, then every request is refused with 426. */
const API_VERSION = '202604'
const UPGRADE = 426
const person = IDENTITY.linkedin

const readAnswer: ReadAnswer = (response, now) =>
  response.status === UPGRADE ? REFUSED : readAdStatus(response, now)

export const linkedin = defineAdPlatform({
  type: 'linkedin',
  title: 'LinkedIn Conversions API',
  docs: 'https://learn.microsoft.com/en-us/linkedin/marketing/conversions/conversions-api',
  apiVersion: API_VERSION,
  notes:
    'Events are named by the number of their conversion rule: events: lead=789123. Give an access_token, or client id, client secret and refresh token. A version that has run out answers 426: the destination is parked until api_version is raised. There is no test mode and no way to take a conversion back.',
  host: 'https://api.linkedin.com',
  settings: {
    access_token: { title: 'Access token', secret: true, default: '' },
    ...REFRESH_SETTINGS,
    token_url: {
      title: 'Token endpoint',
      default: 'https://www.linkedin.com/oauth/v2/accessToken',
    },
    api_version: { title: 'API version, YYYYMM', default: API_VERSION, pattern: '^20[0-9]{4}$' },
  },
  events: {},
  eventNames: /^\d+$/,
  identity: ['li_fat_id', 'email', 'first_name', 'last_name', 'country'],
  clickId: 'li_fat_id',
  maxAgeHours: 90 * 24,
  policy: { budget_hours: 7 * 24 },
  prepare: (settings, fault) => {
    const { access_token: token } = settings
    return {
      grant: token === '' ? refreshGrant(settings, fault) : undefined,
      headers: {
        'content-type': 'application/json',
        'linkedin-version': settings.api_version,
        'x-restli-protocol-version': '2.0.0',
        ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
      },
    }
  },
  grant: ({ grant }) => grant,
  request: (event, { headers }, base) => {
    const { conversion: c, clickId } = event
    const email = person.email(c.email)
    const firstName = person.first_name(c.first_name)
    const lastName = person.last_name(c.last_name)
    const hasName = firstName !== undefined && lastName !== undefined
    if (!email && !clickId && !hasName) {
      return insufficient('li_fat_id, email, or first_name with last_name')
    }
    return post(`${base}/rest/conversionEvents`, headers, {
      conversion: `urn:lla:llaPartnerConversion:${event.name}`,
      conversionHappenedAt: event.at,
      eventId: event.id,
      conversionValue: { currencyCode: event.currency, amount: event.value },
      user: {
        userIds: [
          ...(email ? [{ idType: 'SHA256_EMAIL', idValue: email }] : []),
          ...(clickId
            ? [{ idType: 'LINKEDIN_FIRST_PARTY_ADS_TRACKING_UUID', idValue: clickId }]
            : []),
        ],
        userInfo: hasName
          ? { firstName, lastName, countryCode: person.country(c.country) }
          : undefined,
      },
    })
  },
  verdict: readAnswer,
  examples: [
    {
      title: 'a lead of a click',
      conversion: { event: 'lead', li_fat_id: '7b5c2b3e-52a2-4f7e-9d2f-0d6e1f4f9a10' },
      settings: { access_token: 'LITOKEN', events: 'lead=789123' },
      request: {
        method: 'POST',
        url: 'https://api.linkedin.com/rest/conversionEvents',
        headers: {
          'linkedin-version': '202604',
          'x-restli-protocol-version': '2.0.0',
          authorization: 'Bearer LITOKEN',
        },
        body: '{"conversion":"urn:lla:llaPartnerConversion:789123","conversionHappenedAt":1767225600000,"eventId":"00112233445566778899aabbccddeeff-lead","conversionValue":{"currencyCode":"USD","amount":"12.50"},"user":{"userIds":[{"idType":"LINKEDIN_FIRST_PARTY_ADS_TRACKING_UUID","idValue":"7b5c2b3e-52a2-4f7e-9d2f-0d6e1f4f9a10"}]}}',
      },
      responses: [
        { status: 201, verdict: 'delivered' },
        { status: 400, verdict: 'dead' },
        { status: 426, verdict: 'park' },
        { status: 503, verdict: 'retry' },
      ],
    },
  ],
})
