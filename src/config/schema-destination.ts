/** The shape of one of `destinations` in postern.yaml. */
import { Type, type Static } from 'typebox'
import { STATUSES } from '../model/status.ts'
import { choice, mapOf, NAME_PATTERN, optional, record, text } from '../rules/shape.ts'
import { deliverySettings } from './schema-delivery.ts'

export const destination = record({
  rule: optional(
    Type.String({
      pattern: NAME_PATTERN,
      description: 'Rule file or built-in type; default: its own name',
    }),
  ),
  settings: optional(mapOf(Type.String(), 'Setting of the rule → value', NAME_PATTERN)),
  click_id_from: optional(
    text(
      'Field that carries this destination’s click id, or a template such as `{sub1|split:_:1}`',
    ),
  ),
  statuses: optional(Type.Array(choice(STATUSES, 'Status'), { minItems: 1 })),
  events: optional(Type.Array(text('Event'), { minItems: 1 })),
  accept_unverified: optional(
    Type.Boolean({ description: 'Use a rule whose facts nobody has verified' }),
  ),
  ...deliverySettings,
  allow_private: optional(
    Type.Array(Type.String({ minLength: 2 }), { description: 'Private networks it may live in' }),
  ),
  other_currency: optional(
    choice(
      ['drop', 'refuse', 'convert'] as const,
      'A payout in a currency it does not take: send no amount, dead letter, or convert by `rates`; default: the rule’s',
    ),
  ),
  omit: optional(
    Type.Array(text('Query parameter, form field or top-level JSON key'), {
      minItems: 1,
      description: 'What its rule would send and this destination must not be told',
    }),
  ),
})
export type DestinationConfig = Static<typeof destination>
