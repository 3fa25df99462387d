/** The shape of `tracing` in postern.yaml. */
import { Type, type Static } from 'typebox'
import { mapOf, record } from '../rules/shape.ts'

export const tracing = record(
  {
    endpoint: Type.String({
      pattern: '^https?://',
      description: 'Where spans are posted, whole: `http://collector:4318/v1/traces`',
    }),
    sample: Type.Optional(
      Type.Number({
        exclusiveMinimum: 0,
        maximum: 1,
        description: 'Share of postbacks that are traced, with all their deliveries. Default 0.01',
      }),
    ),
    headers: Type.Optional(
      mapOf(
        Type.String({
          minLength: 1,
          maxLength: 2000,
          description: '`${ENV}` or `${file:/run/secrets/name}`',
        }),
        'Header sent with the spans → its value',
        '^[A-Za-z0-9-]{1,64}$',
      ),
    ),
  },
  'OpenTelemetry spans of postbacks and attempts, over OTLP/HTTP; without it there are none',
)
export type TracingConfig = Static<typeof tracing>
