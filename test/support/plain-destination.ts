/** A destination without rules: calls one URL with the conversion's transaction id. */
import { ok } from '../../src/base/result.ts'
import { verdictOfStatus } from '../../src/model/answer.ts'
import type { DeliveryPolicy, Destination } from '../../src/model/delivery.ts'

export const PLAIN_POLICY: DeliveryPolicy = {
  timeoutMs: 10_000,
  concurrency: 8,
  ratePerSecond: undefined,
  memory: 1_000,
  scheduleMs: [1],
  budgetMs: 3_600_000,
  retryAfterAmbiguous: true,
  allowPrivate: ['127.0.0.0/8'],
}

/** `GET <url>/<transaction id>?status=…&attempt=…`; verdict by status alone. */
export function plainDestination(
  id: string,
  url: string,
  policy: Partial<DeliveryPolicy> = {},
  overrides: Partial<Destination> = {},
): Destination {
  return {
    id,
    rule: 'plain',
    wants: () => true,
    request: ({ conversion }, { attempt }) =>
      ok({
        method: 'GET',
        url: `${url}/${conversion.transaction_id ?? ''}?status=${conversion.status}&attempt=${attempt}`,
        headers: {},
        body: undefined,
      }),
    verdict: (response, now) => {
      const after = response.headers['retry-after']
      return verdictOfStatus(response.status, Array.isArray(after) ? after[0] : after, now)
    },
    policy: { ...PLAIN_POLICY, ...policy },
    secrets: [],
    ...overrides,
  }
}
