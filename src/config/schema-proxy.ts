/** The shape of `proxy` in postern.yaml. */
import { Type, type Static } from 'typebox'
import { choice, mapOf, NAME_PATTERN, record } from '../rules/shape.ts'
import { deliverySettings } from './schema-delivery.ts'

const optional = Type.Optional
const text = (description: string) => Type.String({ minLength: 1, maxLength: 2000, description })
const milliseconds = (description: string, minimum = 1) => Type.Integer({ minimum, description })

const originOf = (description: string) =>
  Type.String({ pattern: '^https?://[^/?#@]+/?$', description })
const mode = (of: string) =>
  choice(
    ['tap', 'gate'] as const,
    `${of}tap: the tracker answers and a copy is taken; gate: only verified, first-seen postbacks reach it`,
  )

const place = record(
  {
    path: Type.String({
      pattern: '^/[^?#\\s]*$',
      maxLength: 500,
      description:
        'Path at the tracker; `{network}`, `{token}` and `{event}` stand for whole segments',
    }),
    network: optional(Type.String({ pattern: NAME_PATTERN, description: 'Always this network' })),
    network_param: optional(text('Parameter that names the network')),
    network_map: optional(
      mapOf(
        Type.String({ pattern: NAME_PATTERN }),
        'What the path or parameter says → network; without it the name itself',
      ),
    ),
    has: optional(
      Type.Array(text('Parameter'), {
        minItems: 1,
        description: 'A postback only where all of these are sent, for a path that has other uses',
      }),
    ),
  },
  'Which requests are postbacks; the first that fits decides',
)
export type PlaceConfig = Static<typeof place>

const shadow = record(
  {
    upstream: originOf('The second tracker, `https://host[:port]`'),
    status: optional(
      choice(
        ['exact', 'class'] as const,
        'Which statuses agree: equal ones, or all of one hundred (2xx). Default class',
      ),
    ),
    body: optional(choice(['ignore', 'same'] as const, 'Default ignore')),
    body_without: optional(
      Type.Array(text('RE2 pattern'), {
        maxItems: 20,
        description: 'Taken out of both bodies before they are compared, such as ids and times',
      }),
    ),
    timeout_ms: optional(milliseconds('Default 10000', 100)),
    in_flight: optional(
      Type.Integer({
        minimum: 1,
        maximum: 1000,
        description: 'Copies under way at most; more are skipped and counted. Default 32',
      }),
    ),
  },
  'A second tracker that gets a copy of every postback the first one gets; its answers are only compared',
)

export const proxy = record(
  {
    upstream: originOf('The tracker behind this gateway, `https://host[:port]`'),
    preserve_host: optional(
      Type.Boolean({ description: 'The tracker sees the Host header as sent. Default true' }),
    ),
    connections: optional(
      Type.Integer({ minimum: 1, maximum: 4096, description: 'To the tracker; default 128' }),
    ),
    timeout_ms: optional(
      milliseconds('Wait for an answer, and between two parts of it. Default 30000', 100),
    ),
    request_timeout_ms: optional(
      milliseconds('From the first byte of a request to its last; default 300000', 1000),
    ),
    body_bytes: optional(
      Type.Integer({
        minimum: 1024,
        description: 'Largest body that is passed through; default 67108864',
      }),
    ),
    header_bytes: optional(
      Type.Integer({ minimum: 4096, maximum: 131072, description: 'Default 32768' }),
    ),
    postbacks: optional(Type.Array(place, { maxItems: 500 })),
    mode: optional(mode('Of every network; default tap. ')),
    networks: optional(
      mapOf(record({ mode: optional(mode('')) }), 'Network → what differs for it', NAME_PATTERN),
    ),
    store_when_down: optional(
      Type.Boolean({
        description:
          'tap: a postback that the tracker cannot take is stored, answered and delivered later. Default true',
      }),
    ),
    delivery: optional(
      record(
        deliverySettings,
        'How stored postbacks are delivered to the tracker; as for a destination',
      ),
    ),
    shadow: optional(shadow),
  },
  'In front of an existing tracker: everything that is not under /in/ goes there',
)
export type ProxyConfig = Static<typeof proxy>
