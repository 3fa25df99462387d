/**
 * Google Ads API, click conversions and their retraction. For developer tokens that used the upload
 * before 2026-06-15; everybody else is refused and takes `google_data_manager`.
 * https://developers.google.com/google-ads/api/docs/conversions/upload-clicks
 * https://developers.google.com/google-ads/api/docs/conversions/upload-adjustments
 */
import { readUploadAnswer } from './google-answer.ts'
import { IDENTITY } from './identity.ts'
import { amount, post, type Body } from './json.ts'
import { CLICK_REST, GOOGLE_SETTINGS, googleGrant } from './oauth.ts'
import { defineAdPlatform, insufficient, refuse, type AdEvent } from './platform.ts'

const API_VERSION = 'v25'
const SCOPE = 'https://www.googleapis.com/auth/adwords'
const person = IDENTITY.google
const ADJUSTABLE_MS = 54 * 86_400_000

export const googleAds = defineAdPlatform({
  type: 'google_ads',
  title: 'Google Ads API (legacy upload)',
  docs: 'https://developers.google.com/google-ads/api/docs/conversions/upload-clicks',
  apiVersion: API_VERSION,
  notes:
    'Only for developer tokens that uploaded before 2026-06-15; new ones use google_data_manager. Events are named by the number of their conversion action: events: sale=987654321. A reversal is a retraction by order id; it is taken from a day after the conversion on, up to 54 days, and is final.',
  host: 'https://googleads.googleapis.com',
  settings: {
    customer_id: {
      title: 'Account that owns the conversion action',
      pattern: '^[0-9-]+$',
      example: '123-456-7890',
    },
    login_customer_id: {
      title: 'Manager account, where access goes through one',
      default: '',
      pattern: '^[0-9-]+$',
    },
    developer_token: { title: 'Developer token', secret: true, example: 'DEVTOKEN' },
    api_version: { title: 'API version', default: API_VERSION, pattern: '^v[0-9]+$' },
    ...CLICK_REST,
    ...GOOGLE_SETTINGS,
  },
  events: {},
  eventNames: /^\d+$/,
  identity: ['gclid', 'gbraid', 'wbraid', 'email', 'phone'],
  clickId: 'gclid',
  maxAgeHours: 90 * 24,
  test: 'yes',
  reversals: { how: 'retraction by order id, 1 to 54 days after the conversion' },
  policy: { budget_hours: 7 * 24 },
  prepare: (settings, fault) => {
    const login = settings.login_customer_id.replaceAll('-', '')
    const customer = `customers/${settings.customer_id.replaceAll('-', '')}`
    return {
      customer,
      path: `/${settings.api_version}/${customer}`,
      headers: {
        'content-type': 'application/json',
        'developer-token': settings.developer_token,
        ...(login === '' ? {} : { 'login-customer-id': login }),
      },
      restMs: Number(settings.click_rest_hours) * 3_600_000,
      grant: googleGrant(settings, SCOPE, fault),
    }
  },
  grant: ({ grant }) => grant,
  clickRestMs: ({ restMs }) => restMs,
  request: (event, { customer, path, headers }, base) => {
    const action = `${customer}/conversionActions/${event.name}`
    if (event.isReversal) {
      if (event.now - event.at > ADJUSTABLE_MS) {
        return refuse('expired', 'older than 54 days, the longest that Google adjusts')
      }
      return post(`${base}${path}:uploadConversionAdjustments`, headers, {
        conversionAdjustments: [
          {
            adjustmentType: 'RETRACTION',
            conversionAction: action,
            orderId: event.order,
            adjustmentDateTime: dateTime(event.conversion.received_at),
          },
        ],
        partialFailure: true,
        validateOnly: event.isTest ? true : undefined,
      })
    }
    const click = clickOf(event)
    const identifiers = identifiersOf(event)
    if (!click && identifiers.length === 0) {
      return insufficient('gclid, gbraid, wbraid, email or phone')
    }
    const consent = event.consent?.toUpperCase()
    return post(`${base}${path}:uploadClickConversions`, headers, {
      conversions: [
        {
          ...click,
          conversionAction: action,
          conversionDateTime: dateTime(event.at),
          conversionValue: amount(event.value),
          currencyCode: event.currency,
          orderId: event.order,
          userIdentifiers: identifiers.length > 0 ? identifiers : undefined,
          consent: { adUserData: consent, adPersonalization: consent },
        },
      ],
      partialFailure: true,
      validateOnly: event.isTest,
    })
  },
  verdict: readUploadAnswer,
  examples: [
    {
      title: 'a sale of a click',
      conversion: { gclid: 'TeSter-123_gclid' },
      settings: {
        client_id: 'client-1',
        client_secret: 'secret-1',
        refresh_token: 'refresh-1',
        events: 'sale=987654321',
      },
      request: {
        method: 'POST',
        url: 'https://googleads.googleapis.com/v25/customers/1234567890:uploadClickConversions',
        headers: { 'developer-token': 'DEVTOKEN' },
        body: '{"conversions":[{"gclid":"TeSter-123_gclid","conversionAction":"customers/1234567890/conversionActions/987654321","conversionDateTime":"2026-01-01 00:00:00+00:00","conversionValue":12.5,"currencyCode":"USD","orderId":"tx-1"}],"partialFailure":true,"validateOnly":false}',
      },
      responses: [
        { status: 200, body: '{"results":[{}]}', verdict: 'delivered' },
        {
          status: 200,
          body: '{"partialFailureError":{"details":[{"errors":[{"errorCode":{"conversionUploadError":"CLICK_CONVERSION_ALREADY_EXISTS"}}]}]}}',
          verdict: 'duplicate',
        },
        {
          status: 200,
          body: '{"partialFailureError":{"details":[{"errors":[{"errorCode":{"conversionUploadError":"TOO_RECENT_EVENT"}}]}]}}',
          verdict: 'retry',
        },
        {
          status: 200,
          body: '{"partialFailureError":{"details":[{"errors":[{"errorCode":{"conversionUploadError":"EXPIRED_EVENT"}}]}]}}',
          verdict: 'dead',
        },
        { status: 401, verdict: 'park' },
      ],
    },
  ],
})

/** Exactly one is allowed. */
function clickOf({ conversion: c, clickId }: AdEvent): Readonly<Record<string, Body>> | undefined {
  if (clickId) return { gclid: clickId }
  if (c.gbraid) return { gbraid: c.gbraid }
  return c.wbraid ? { wbraid: c.wbraid } : undefined
}

function identifiersOf({ conversion: c }: AdEvent): readonly Body[] {
  const email = person.email(c.email)
  const phone = person.phone(c.phone)
  return [
    ...(email ? [{ hashedEmail: email }] : []),
    ...(phone ? [{ hashedPhoneNumber: phone }] : []),
  ]
}

/** `yyyy-mm-dd hh:mm:ss+00:00` */
function dateTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')}+00:00`
}
