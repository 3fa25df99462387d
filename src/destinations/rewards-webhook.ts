/**
 * The built-in type `rewards-webhook`: a signed JSON POST that tells a rewards backend to credit a
 * user, or to take a credit back. Both name the same conversion, and the kind gives the direction:
 * amounts carry no sign, so no backend can read a chargeback as a credit by a sign alone.
 */
import { absolute } from '../base/decimal.ts'
import { fail, ok } from '../base/result.ts'
import { MONEY_FIELDS, type Conversion } from '../model/conversion.ts'
import { readByStatus } from './answer.ts'
import { defineDestination } from './define.ts'
import {
  conversionBody,
  prepareTarget,
  signedPost,
  SIGNED_POST_SETTINGS,
  SPECIFICATION,
} from './signed-post.ts'

const SETTINGS = {
  url: 'https://rewards.example.com/postern',
  secret: 'whsec_cG9zdGVybi10ZXN0LWtleS0wMDAwMDAwMDAwMDAwMDE=',
}

export const rewardsWebhook = defineDestination({
  type: 'rewards-webhook',
  title: 'Rewards backend, signed webhook (Standard Webhooks 1.0.0)',
  kind: 'rewards',
  docs: SPECIFICATION,
  apiVersion: '1.0.0',
  notes:
    'Book each conversion_id and kind once. The chargeback of a conversion has its conversion_id and is not sent before its credit was taken or given up; take one for an unknown credit as done. A conversion that was declined before it was approved was never credited, so it is not sent.',
  settings: SIGNED_POST_SETTINGS,
  statuses: ['approved', 'reversed'],
  prepare: prepareTarget,
  origins: ({ origin }) => [origin],
  request: (conversion, target, context) => {
    if (!conversion.user_id) {
      return fail({ reason: 'insufficient_identity', detail: 'user_id is empty: nobody to credit' })
    }
    const kind = conversion.status === 'reversed' ? 'chargeback' : 'credit'
    const body = conversionBody(`reward.${kind}`, unsigned(conversion), context, { kind })
    return ok(signedPost(target, body, context))
  },
  verdict: readByStatus,
  examples: [
    {
      title: 'a credit',
      conversion: { user_id: 'u-42', transaction_id: 'tx-1001', payout: '1.50', reward: '1500' },
      settings: SETTINGS,
      request: {
        method: 'POST',
        url: 'https://rewards.example.com/postern',
        headers: {
          'webhook-id': 'msg_example-1-0_demo',
          'webhook-timestamp': '1767225600',
          'webhook-signature': 'v1,mqPedh9n4qST7WGysdbqnqTBBCl+7kRRuM+9k2wGcKg=',
        },
        body: '{"type":"reward.credit","timestamp":"2026-01-01T00:00:00.000Z","data":{"kind":"credit","event_id":"example-1-0","conversion_id":"00112233445566778899aabbccddeeff","network":"example","status":"approved","status_raw":"approved","click_id":"click-1","transaction_id":"tx-1001","event":"sale","user_id":"u-42","payout":"1.50","reward":"1500","currency":"USD"}}',
      },
      responses: [
        { status: 200, verdict: 'delivered' },
        { status: 302, verdict: 'retry' },
        { status: 401, verdict: 'retry' },
        { status: 503, headers: { 'retry-after': '120' }, verdict: 'retry' },
      ],
    },
    {
      title: 'its chargeback: the same conversion_id, amounts without a sign',
      conversion: {
        user_id: 'u-42',
        transaction_id: 'tx-1001',
        payout: '-1.50',
        reward: '-1500',
        status: 'reversed',
        status_raw: '2',
      },
      settings: SETTINGS,
      request: {
        method: 'POST',
        url: 'https://rewards.example.com/postern',
        headers: {
          'webhook-id': 'msg_example-1-0_demo',
          'webhook-timestamp': '1767225600',
          'webhook-signature': 'v1,vz5BI8UuJulqRg8EHAt+4Yt7u1zgozIatX7rQoAMpeY=',
        },
        body: '{"type":"reward.chargeback","timestamp":"2026-01-01T00:00:00.000Z","data":{"kind":"chargeback","event_id":"example-1-0","conversion_id":"00112233445566778899aabbccddeeff","network":"example","status":"reversed","status_raw":"2","click_id":"click-1","transaction_id":"tx-1001","event":"sale","user_id":"u-42","payout":"1.50","reward":"1500","currency":"USD"}}',
      },
    },
    {
      title: 'nobody to credit',
      conversion: { user_id: '' },
      settings: SETTINGS,
      dead: 'insufficient_identity',
    },
  ],
})

function unsigned(conversion: Conversion): Conversion {
  const changed: Record<string, string> = {}
  for (const field of MONEY_FIELDS) {
    const amount = conversion[field]
    if (amount) changed[field] = absolute(amount)
  }
  return { ...conversion, ...changed }
}
