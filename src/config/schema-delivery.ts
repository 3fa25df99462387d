/** How deliveries are tried, in the words of postern.yaml: of a destination, and of the proxy's tracker. */
import { Type } from 'typebox'

const optional = Type.Optional

export const deliverySettings = {
  timeout_ms: optional(Type.Integer({ minimum: 100, maximum: 60000 })),
  concurrency: optional(Type.Integer({ minimum: 1, maximum: 256 })),
  rate_per_second: optional(Type.Integer({ minimum: 1, maximum: 100000 })),
  memory: optional(
    Type.Integer({
      minimum: 1,
      maximum: 100000,
      description: 'Deliveries held in memory; default 1000',
    }),
  ),
  retry_schedule_ms: optional(
    Type.Array(Type.Integer({ minimum: 1, description: 'Wait' }), {
      minItems: 1,
      maxItems: 50,
      description: 'Full jitter is applied; the last repeats',
    }),
  ),
  budget_hours: optional(
    Type.Number({
      exclusiveMinimum: 0,
      maximum: 8760,
      description: 'From acceptance to dead letter; default 72',
    }),
  ),
}
