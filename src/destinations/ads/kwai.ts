/**
 * Kwai for Business, Event API. No public page of the vendor describes it; the request is what
 * several independent public integrations send.
 * https://business.kwai.com/
 */
import { amount, JSON_HEADERS, post, toJson } from './json.ts'
import { defineAdPlatform, insufficient } from './platform.ts'
import { readAdStatus } from './verdict.ts'

export const kwai = defineAdPlatform({
  type: 'kwai',
  title: 'Kwai Event API',
  docs: 'https://business.kwai.com/',
  verified: 'community',
  notes:
    'No public vendor page: compare with the account manager before relying on it. The click id is that of the macro on the click URL: name the sub id that carries it in click_id_from. Repeats are not told apart there: after a lost answer a conversion is not repeated. There is no way to take a conversion back.',
  host: 'https://www.adsnebula.com',
  settings: {
    pixel_id: { title: 'Pixel id', pattern: '^[0-9]+$', example: '284000000000000' },
    access_token: { title: 'Access token', secret: true, example: 'KWTOKEN' },
  },
  events: {
    lead: 'EVENT_FORM_SUBMIT',
    registration: 'EVENT_COMPLETE_REGISTRATION',
    sale: 'EVENT_PURCHASE',
    ftd: 'EVENT_PURCHASE',
    rebill: 'EVENT_PURCHASE',
  },
  eventNames: /^EVENT_[A-Z_]+$/,
  identity: ['click_id'],
  clickId: 'click_id',
  test: 'yes',
  policy: { retry_after_ambiguous: false },
  prepare: settings => ({ token: settings.access_token, pixel: settings.pixel_id }),
  request: (event, { token, pixel }, base) => {
    if (!event.clickId) return insufficient('the click id, by click_id_from')
    return post(`${base}/log/common/api`, JSON_HEADERS, {
      access_token: token,
      clickid: event.clickId,
      event_name: event.name,
      is_attributed: 1,
      mmpcode: 'PL',
      pixelId: pixel,
      pixelSdkVersion: '9.9.9',
      properties: toJson({
        currency: event.currency,
        value: amount(event.value),
        content_id: event.order,
      }),
      testFlag: false,
      trackFlag: event.isTest,
      third_party: 'postern',
    })
  },
  verdict: readAdStatus,
  examples: [
    {
      title: 'a sale of a click',
      conversion: { click_id: 'CCpgibAfprkEjNPzPmzLV8yQ' },
      request: {
        method: 'POST',
        url: 'https://www.adsnebula.com/log/common/api',
        body: '{"access_token":"KWTOKEN","clickid":"CCpgibAfprkEjNPzPmzLV8yQ","event_name":"EVENT_PURCHASE","is_attributed":1,"mmpcode":"PL","pixelId":"284000000000000","pixelSdkVersion":"9.9.9","properties":"{\\"currency\\":\\"USD\\",\\"value\\":12.5,\\"content_id\\":\\"tx-1\\"}","testFlag":false,"trackFlag":false,"third_party":"postern"}',
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
