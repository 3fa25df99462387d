/** The built-in type `webhook`: a conversion of any status as a signed JSON POST. */
import { ok } from '../base/result.ts'
import { readByStatus } from './answer.ts'
import { defineDestination } from './define.ts'
import {
  conversionBody,
  prepareTarget,
  signedPost,
  SIGNED_POST_SETTINGS,
  SPECIFICATION,
} from './signed-post.ts'

export const webhook = defineDestination({
  type: 'webhook',
  title: 'Signed webhook (Standard Webhooks 1.0.0)',
  kind: 'webhook',
  docs: SPECIFICATION,
  apiVersion: '1.0.0',
  notes:
    'For systems of your own. A webhook-id is the same on every attempt: take each once. conversion_id is the same in every status of a conversion.',
  settings: SIGNED_POST_SETTINGS,
  prepare: prepareTarget,
  origins: ({ origin }) => [origin],
  request: (conversion, target, context) => {
    const body = conversionBody(`conversion.${conversion.status}`, conversion, context)
    return ok(signedPost(target, body, context))
  },
  verdict: readByStatus,
  examples: [
    {
      title: 'an approved conversion for a rewards backend, signed with the one secret',
      conversion: { user_id: 'u-42', transaction_id: 'tx-1001', payout: '1.50', reward: '1500' },
      settings: {
        url: 'https://rewards.example.com/postern',
        secret: 'whsec_cG9zdGVybi10ZXN0LWtleS0wMDAwMDAwMDAwMDAwMDE=',
      },
      request: {
        method: 'POST',
        url: 'https://rewards.example.com/postern',
        headers: {
          'webhook-id': 'msg_example-1-0_demo',
          'webhook-timestamp': '1767225600',
          'webhook-signature': 'v1,uv6/ZAKvmEaOjRAKZ7FXHiHR1xB1Yom92HXMk9C126s=',
        },
        body: '{"type":"conversion.approved","timestamp":"2026-01-01T00:00:00.000Z","data":{"event_id":"example-1-0","conversion_id":"00112233445566778899aabbccddeeff","network":"example","status":"approved","status_raw":"approved","click_id":"click-1","transaction_id":"tx-1001","event":"sale","user_id":"u-42","payout":"1.50","reward":"1500","currency":"USD"}}',
      },
      responses: [
        { status: 204, verdict: 'delivered' },
        { status: 302, verdict: 'retry' },
        { status: 410, verdict: 'retry' },
        { status: 503, headers: { 'retry-after': '120' }, verdict: 'retry' },
      ],
    },
  ],
})
