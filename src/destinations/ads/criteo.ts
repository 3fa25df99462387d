/**
 * Criteo Events API (server to server).
 * https://guides.criteotilt.com/events-api/
 */
import { IDENTITY } from './identity.ts'
import { amount, JSON_HEADERS, post } from './json.ts'
import { defineAdPlatform, insufficient } from './platform.ts'
import { readAdStatus } from './verdict.ts'

const API_VERSION = 's2s_v0'
const person = IDENTITY.criteo

export const criteo = defineAdPlatform({
  type: 'criteo',
  title: 'Criteo Events API',
  docs: 'https://guides.criteotilt.com/events-api/',
  verified: 'community',
  apiVersion: API_VERSION,
  notes:
    'Only transactions. The item is the offer, at the value of the conversion. Criteo deduplicates by transaction id only as far as it says nothing else: after a lost answer a conversion is not repeated. There is no test mode and no way to take a conversion back.',
  host: 'https://widget.criteo.com',
  settings: {
    account: { title: 'Partner id', example: 'PARTNER_ID' },
    mapping_key: { title: 'Caller id', example: 'CALLER_ID' },
    api_version: { title: 'API version', default: API_VERSION, pattern: '^s2s_v[0-9]+$' },
    site_type: {
      title: 'd desktop, m mobile, t tablet, aos or ios app',
      default: 'd',
      pattern: '^(d|m|t|aos|ios)$',
    },
  },
  events: { sale: 'trackTransaction', ftd: 'trackTransaction', rebill: 'trackTransaction' },
  identity: ['email', 'user_id', 'ip', 'user_agent'],
  policy: { retry_after_ambiguous: false },
  prepare: settings => ({
    path: `/m/event?version=${settings.api_version}`,
    account: settings.account,
    caller: settings.mapping_key,
    siteType: settings.site_type,
  }),
  request: (event, { path, account, caller, siteType }, base) => {
    const { conversion: c, order } = event
    const email = person.email(c.email)
    if (!email && !c.user_id) return insufficient('email or user_id')
    return post(base + path, JSON_HEADERS, {
      version: 'postern_1.0.0',
      site_type: siteType,
      account,
      id: { mapping_key: caller, mapped_user_id: c.user_id, email: { sha256: email } },
      events: [
        {
          event: event.name,
          timestamp: new Date(event.at).toISOString(),
          id: order,
          item: [{ id: c.offer_id ?? order, price: amount(event.value), quantity: 1 }],
        },
      ],
      full_url: event.url,
      ip: c.ip,
      useragent: c.user_agent,
    })
  },
  verdict: readAdStatus,
  examples: [
    {
      title: 'a sale of a person',
      conversion: { user_id: 'user_42', offer_id: 'offer-77' },
      request: {
        method: 'POST',
        url: 'https://widget.criteo.com/m/event?version=s2s_v0',
        body: '{"version":"postern_1.0.0","site_type":"d","account":"PARTNER_ID","id":{"mapping_key":"CALLER_ID","mapped_user_id":"user_42"},"events":[{"event":"trackTransaction","timestamp":"2026-01-01T00:00:00.000Z","id":"tx-1","item":[{"id":"offer-77","price":12.5,"quantity":1}]}]}',
      },
      responses: [
        { status: 200, verdict: 'delivered' },
        { status: 400, verdict: 'dead' },
        { status: 503, verdict: 'retry' },
      ],
    },
  ],
})
