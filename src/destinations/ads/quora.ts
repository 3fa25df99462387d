/**
 * Quora Conversions API.
 * https://www.quora.com/ads/conversion_api_documentation
 *
 * It reads e-mail addresses as plain text, so none is sent unless the operator says so.
 */
import { JsonNumber } from '../../model/postback.ts'
import { IDENTITY } from './identity.ts'
import { amount, post } from './json.ts'
import { defineAdPlatform, insufficient } from './platform.ts'
import { at, bodyOf, dropped, readAdStatus, readSpoken, type ReadAnswer } from './verdict.ts'

const API_VERSION = 'v0'
const person = IDENTITY.quora

const readAnswer: ReadAnswer = (response, now) => {
  const errored = Number(at(bodyOf(response), 'events_errored') ?? 0)
  return response.status === 200 && errored > 0 ? dropped(response) : readAdStatus(response, now)
}

export const quora = defineAdPlatform({
  type: 'quora',
  title: 'Quora Conversions API',
  docs: 'https://www.quora.com/ads/conversion_api_documentation',
  apiVersion: API_VERSION,
  notes:
    'The click id (qclid) is required. Personal data goes in plain text there: an e-mail address is sent only with send_email: yes. There is no test mode and no way to take a conversion back.',
  host: 'https://api.quora.com',
  settings: {
    account_id: {
      title: 'Ad account id',
      pattern: '^[1-9][0-9]{0,17}$',
      example: '527745581653587',
    },
    access_token: { title: 'Conversion API token', secret: true, example: 'QTOKEN' },
    send_email: { title: 'yes: send e-mail addresses, unhashed', default: '', pattern: '^yes$' },
    api_version: { title: 'API version', default: API_VERSION, pattern: '^v[0-9]+$' },
  },
  events: {
    lead: 'GenerateLead',
    registration: 'CompleteRegistration',
    sale: 'Purchase',
    ftd: 'Purchase',
    rebill: 'Purchase',
    install: 'AppInstall',
  },
  identity: ['qclid', 'email', 'ip', 'country', 'user_agent'],
  clickId: 'qclid',
  prepare: settings => ({
    path: `/ads/${settings.api_version}/conversion`,
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${settings.access_token}`,
    },
    account: new JsonNumber(settings.account_id),
    hasEmail: settings.send_email === 'yes',
  }),
  request: (event, { path, headers, account, hasEmail }, base) => {
    const { conversion: c, clickId } = event
    if (!clickId) return insufficient('qclid')
    return post(base + path, headers, {
      account_id: account,
      conversion: {
        event_name: event.name,
        timestamp: event.at * 1000,
        click_id: clickId,
        value: amount(event.value),
        event_id: event.id,
      },
      user: {
        email: hasEmail ? person.email(c.email) : undefined,
        ip: c.ip,
        country: person.country(c.country),
      },
      device: { user_agent: c.user_agent },
    })
  },
  verdict: readSpoken(readAnswer),
  examples: [
    {
      title: 'a sale of a click',
      conversion: { qclid: '0%7C212106239366182%7C0' },
      request: {
        method: 'POST',
        url: 'https://api.quora.com/ads/v0/conversion',
        headers: { authorization: 'Bearer QTOKEN' },
        body: '{"account_id":527745581653587,"conversion":{"event_name":"Purchase","timestamp":1767225600000000,"click_id":"0%7C212106239366182%7C0","value":12.5,"event_id":"00112233445566778899aabbccddeeff-sale"}}',
      },
      responses: [
        { status: 200, body: '{"events_errored":0}', verdict: 'delivered' },
        { status: 200, body: '{"events_errored":1}', verdict: 'dead' },
        { status: 401, verdict: 'park' },
        { status: 503, verdict: 'retry' },
      ],
    },
  ],
})
