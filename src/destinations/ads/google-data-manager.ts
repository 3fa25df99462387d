/**
 * Google Data Manager API: the way for click conversions into Google Ads. New developer tokens are
 * refused by the older upload of the Google Ads API since 2026-06-15.
 * https://developers.google.com/data-manager/api/devguides/events/google-ads/offline/send-events
 * https://developers.google.com/data-manager/api/devguides/concepts/formatting
 * https://ads-developers.googleblog.com/2026/05/changes-to-offline-click-conversion.html
 *
 * A request is only taken in; what became of it is told later, to those who ask.
 * https://developers.google.com/data-manager/api/reference/rest/v1/requestStatus/retrieve
 */
import { readDataManagerAnswer, readRequestStatus } from './google-answer.ts'
import { IDENTITY } from './identity.ts'
import { amount, JSON_HEADERS, post } from './json.ts'
import { CLICK_REST, GOOGLE_SETTINGS, googleGrant } from './oauth.ts'
import { defineAdPlatform, insufficient, refuse, type AdEvent } from './platform.ts'
import { at, bodyOf } from './verdict.ts'

const API_VERSION = 'v1'
const SCOPE = 'https://www.googleapis.com/auth/datamanager'
const person = IDENTITY.google

export const googleDataManager = defineAdPlatform({
  type: 'google_data_manager',
  title: 'Google Data Manager API',
  docs: 'https://developers.google.com/data-manager/api/devguides/events/google-ads/offline/send-events',
  apiVersion: API_VERSION,
  notes:
    'Events are named by the number of their conversion action: events: sale=987654321. Google takes a request in first and judges it later: half an hour after a delivery (status_check_minutes) its status is asked for, and told as a log line and a metric; whether a click was found shows in Google Ads only. A reversal can be sent as a value of 0 (reversals: restate), which Google documents as a restatement; where the conversion was never sent, that makes a new one.',
  host: 'https://datamanager.googleapis.com',
  settings: {
    customer_id: {
      title: 'Google Ads account that owns the conversion action',
      pattern: '^[0-9-]+$',
      example: '123-456-7890',
    },
    login_customer_id: {
      title: 'Manager account, where access goes through one',
      default: '',
      pattern: '^[0-9-]+$',
    },
    api_version: { title: 'API version', default: API_VERSION, pattern: '^v[0-9]+$' },
    event_source: {
      title: 'WEB, APP, IN_STORE, PHONE or OTHER',
      default: 'WEB',
      pattern: '^(WEB|APP|IN_STORE|PHONE|OTHER)$',
    },
    reversals: {
      title: 'restate: a reversal sets the value to 0; empty: it is not sent',
      default: '',
      pattern: '^restate$',
    },
    status_check: {
      title: 'no: what became of a request is not asked for',
      default: 'yes',
      pattern: '^(yes|no)$',
    },
    status_check_minutes: {
      title: 'Minutes from a delivery to the first question; further ones wait ever longer',
      default: '30',
      pattern: '^[0-9]{1,4}([.][0-9]{1,4})?$',
    },
    ...CLICK_REST,
    ...GOOGLE_SETTINGS,
  },
  events: {},
  eventNames: /^\d+$/,
  identity: [
    'gclid', 'gbraid', 'wbraid', 'dclid', 'email', 'phone', 'first_name', 'last_name', 'zip', 'country',
  ], // prettier-ignore
  clickId: 'gclid',
  // The longest click window of a conversion action.
  maxAgeHours: 90 * 24,
  test: 'yes',
  reversals: {
    how: 'value restated to 0, with `reversals: restate`',
    isOn: ({ reversals }) => reversals === 'restate',
  },
  policy: { budget_hours: 7 * 24 },
  prepare: (settings, fault) => {
    const login = digits(settings.login_customer_id)
    return {
      path: `/${settings.api_version}/events:ingest`,
      statusPath:
        settings.status_check === 'yes'
          ? `/${settings.api_version}/requestStatus:retrieve?requestId=`
          : undefined,
      statusMs: Number(settings.status_check_minutes) * 60_000,
      operating: { accountType: 'GOOGLE_ADS', accountId: digits(settings.customer_id) },
      login: login === '' ? undefined : { accountType: 'GOOGLE_ADS', accountId: login },
      source: settings.event_source,
      restMs: Number(settings.click_rest_hours) * 3_600_000,
      grant: googleGrant(settings, SCOPE, fault),
    }
  },
  grant: ({ grant }) => grant,
  clickRestMs: ({ restMs }) => restMs,
  confirm: ({ statusPath, statusMs }, base) =>
    statusPath === undefined
      ? undefined
      : {
          waitMs: statusMs,
          question: response => {
            const id = at(bodyOf(response), 'requestId')
            if (typeof id !== 'string' || !REQUEST_ID.test(id)) return undefined
            const url = base + statusPath + encodeURIComponent(id)
            return { id, request: { method: 'GET', url, headers: {}, body: undefined } }
          },
          read: readRequestStatus,
        },
  request: (event, { path, operating, login, source }, base) => {
    const click = clickOf(event)
    const identifiers = identifiersOf(event)
    if (!click && identifiers.length === 0) {
      return insufficient(
        'gclid, gbraid, wbraid, dclid, email, phone, or name with zip and country',
      )
    }
    const { consent, isReversal } = event
    if (isReversal && event.currency === undefined) {
      return refuse('reversal_unsupported', 'a restatement needs the currency of the conversion')
    }
    const agreed = consent && `CONSENT_${consent.toUpperCase()}`
    return post(base + path, JSON_HEADERS, {
      destinations: [
        {
          reference: 'd1',
          operatingAccount: operating,
          loginAccount: login,
          productDestinationId: event.name,
        },
      ],
      events: [
        {
          destinationReferences: ['d1'],
          transactionId: event.order,
          eventTimestamp: new Date(event.at).toISOString(),
          lastUpdatedTimestamp: isReversal
            ? new Date(event.conversion.received_at).toISOString()
            : undefined,
          eventSource: source,
          adIdentifiers: click,
          userData: { userIdentifiers: identifiers.length > 0 ? identifiers : undefined },
          conversionValue: amount(isReversal ? '0' : event.value),
          currency: event.currency,
        },
      ],
      consent: { adUserData: agreed, adPersonalization: agreed },
      encoding: identifiers.length > 0 ? 'HEX' : undefined,
      validateOnly: event.isTest,
    })
  },
  verdict: readDataManagerAnswer,
  examples: [
    {
      title: 'a sale of a click',
      conversion: { gclid: 'TeSter-123_gclid' },
      settings: {
        client_id: 'client-1',
        client_secret: 'secret-1',
        refresh_token: 'refresh-1',
        events: 'sale=987654321',
        consent: 'granted',
      },
      request: {
        method: 'POST',
        url: 'https://datamanager.googleapis.com/v1/events:ingest',
        body: '{"destinations":[{"reference":"d1","operatingAccount":{"accountType":"GOOGLE_ADS","accountId":"1234567890"},"productDestinationId":"987654321"}],"events":[{"destinationReferences":["d1"],"transactionId":"tx-1","eventTimestamp":"2026-01-01T00:00:00.000Z","eventSource":"WEB","adIdentifiers":{"gclid":"TeSter-123_gclid"},"conversionValue":12.5,"currency":"USD"}],"consent":{"adUserData":"CONSENT_GRANTED","adPersonalization":"CONSENT_GRANTED"},"validateOnly":false}',
      },
      responses: [
        { status: 200, body: '{"requestId":"r-1"}', verdict: 'delivered' },
        { status: 400, body: '{"error":{"status":"INVALID_ARGUMENT"}}', verdict: 'dead' },
        { status: 403, verdict: 'park' },
        { status: 429, verdict: 'retry' },
      ],
    },
  ],
})

/** It is logged. */
const REQUEST_ID = /^[!-~]{1,200}$/

/** One click id; those of iOS exist only where there is no gclid. */
function clickOf({ conversion: c, clickId }: AdEvent) {
  if (clickId) return { gclid: clickId }
  if (c.gbraid) return { gbraid: c.gbraid }
  if (c.wbraid) return { wbraid: c.wbraid }
  return c.dclid ? { dclid: c.dclid } : undefined
}

function identifiersOf({ conversion: c }: AdEvent) {
  const email = person.email(c.email)
  const phone = person.phone(c.phone)
  const givenName = person.first_name(c.first_name)
  const familyName = person.last_name(c.last_name)
  const regionCode = person.country(c.country)
  const postalCode = person.zip(c.zip)
  // An address counts only whole.
  const hasAddress = givenName && familyName && regionCode && postalCode
  return [
    ...(email ? [{ emailAddress: email }] : []),
    ...(phone ? [{ phoneNumber: phone }] : []),
    ...(hasAddress ? [{ address: { givenName, familyName, regionCode, postalCode } }] : []),
  ]
}

function digits(account: string): string {
  return account.replaceAll('-', '')
}
