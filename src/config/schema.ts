/** The shape of postern.yaml. Every option here is enforced somewhere; unknown keys are faults. */
import { Type, type Static } from 'typebox'
import { STATUSES } from '../model/status.ts'
import { matcher } from '../rules/schema.ts'
import { choice, DECIMAL_PATTERN, mapOf, NAME_PATTERN, record } from '../rules/shape.ts'
import { destination } from './schema-destination.ts'
import { proxy } from './schema-proxy.ts'
import { tracing } from './schema-tracing.ts'

const optional = Type.Optional
const text = (description: string) => Type.String({ minLength: 1, maxLength: 2000, description })
const milliseconds = (description: string, minimum = 1) => Type.Integer({ minimum, description })
const cidrs = (description: string) => Type.Array(Type.String({ minLength: 2 }), { description })
const rate = (description: string) =>
  Type.Integer({
    minimum: 0,
    maximum: 1000000,
    description: `${description} Default 0: no limit`,
  })
const listen = Type.String({
  pattern: '^(\\[[0-9a-fA-F:.]+\\]|[^:]+):\\d{1,5}$',
  description: '`host:port`',
})

const tls = record(
  {
    cert: text('PEM file of the certificate with its chain'),
    key: text('PEM file of its private key'),
  },
  'HTTPS instead of HTTP; the files are read again when they change',
)

const server = record({
  listen: optional(listen),
  tls: optional(tls),
  allowed_hosts: optional(
    Type.Array(
      Type.String({
        pattern: '^([A-Za-z0-9._-]{1,253}|\\[[0-9A-Fa-f:.]+\\])$',
        description: 'A name such as `postbacks.example.com`, or an IPv6 address in brackets',
      }),
      {
        minItems: 1,
        description: 'Names in the Host header, without port, that are served; default any',
      },
    ),
  ),
  public_base_url: optional(
    Type.String({
      pattern: '^https?://',
      description: 'How networks reach us; signatures over the full URL need it',
    }),
  ),
  trusted_proxies: optional(
    cidrs('Peers whose X-Forwarded-For is believed; a list of CIDRs, never a number or `true`'),
  ),
  limits: optional(
    record({
      url_bytes: optional(
        Type.Integer({ minimum: 256, maximum: 65536, description: 'Default 8192' }),
      ),
      body_bytes: optional(
        Type.Integer({ minimum: 256, maximum: 10485760, description: 'Default 65536' }),
      ),
      params: optional(Type.Integer({ minimum: 1, maximum: 2000, description: 'Default 100' })),
      value_chars: optional(
        Type.Integer({ minimum: 16, maximum: 65536, description: 'Default 4096' }),
      ),
      json_depth: optional(Type.Integer({ minimum: 1, maximum: 100, description: 'Default 20' })),
      in_flight: optional(
        Type.Integer({
          minimum: 1,
          description: 'Postbacks at once; above it 503 overloaded. Default 10000',
        }),
      ),
      header_bytes: optional(
        Type.Integer({
          minimum: 1024,
          maximum: 65536,
          description: 'All headers together, besides the URL. Default 8192',
        }),
      ),
      header_timeout_ms: optional(milliseconds('Default 10000', 100)),
      request_timeout_ms: optional(milliseconds('Default 10000', 100)),
      connections: optional(
        Type.Integer({
          minimum: 1,
          description: 'Open at once, in each worker; further ones are closed. Default 10000',
        }),
      ),
      address_rate_per_second: optional(
        rate(
          'Requests of one client address (IPv6: of one /64); above it 429. Of all gateways on one Redis together, else of each worker.',
        ),
      ),
      network_rate_per_second: optional(
        rate(
          'Postbacks of one network; above it 429. Of all gateways on one Redis together, else of each worker.',
        ),
      ),
    }),
  ),
})

const admin = record({
  listen: optional(listen),
  tls: optional(tls),
  token: optional(
    text(
      'Bearer token that /metrics asks for; without one everybody who reaches the listener may read',
    ),
  ),
  collect_interval_ms: optional(
    milliseconds('How often metrics look at the shared state of the store; default 5000', 50),
  ),
})

const log = record({
  level: optional(choice(['debug', 'info', 'warn', 'error'] as const, 'Default info')),
  format: optional(
    choice(['json', 'pretty'] as const, 'Default json; pretty is for people at a terminal'),
  ),
})

const privacy = record({
  client_addresses: optional(
    choice(
      ['truncated', 'off'] as const,
      'In log lines: the network part only (/24, /48), or none. Default truncated',
    ),
  ),
  views: optional(
    choice(
      ['masked', 'full'] as const,
      'Personal data of a conversion where commands show it. Default masked',
    ),
  ),
})

const store = record({
  type: optional(
    choice(['lmdb', 'redis', 'memory'] as const, 'Default lmdb; memory forgets everything'),
  ),
  path: optional(text('Folder of the LMDB store; default ./data')),
  redis: optional(
    record({
      url: optional(text('`redis://…` or `rediss://…`')),
      sentinels: optional(
        Type.Array(listen, { minItems: 1, description: 'Sentinels, with `master`' }),
      ),
      master: optional(text('Name of the Sentinel master')),
      cluster: optional(
        Type.Array(listen, { minItems: 1, description: 'Some nodes of a Redis Cluster' }),
      ),
      username: optional(text('User')),
      password: optional(text('Password, as `${ENV}`')),
      prefix: optional(
        Type.String({
          pattern: '^[A-Za-z0-9_.:-]{1,40}$',
          description: 'Of every key; default postern',
        }),
      ),
      partitions: optional(
        Type.Integer({
          minimum: 1,
          maximum: 256,
          description: 'Fixed for the life of the data; default 16',
        }),
      ),
      wait_replicas: optional(
        Type.Integer({
          minimum: 1,
          maximum: 5,
          description: 'Replicas that must confirm before a network is answered 2xx',
        }),
      ),
      wait_timeout_ms: optional(milliseconds('Default 500')),
      command_timeout_ms: optional(milliseconds('Default 1500', 50)),
    }),
  ),
  lease_ms: optional(
    milliseconds(
      'How long work of a dead process waits before another takes it over; default 10000',
      1000,
    ),
  ),
  allow_unsafe: optional(
    Type.Boolean({ description: 'Start although a safety check says that data can be lost' }),
  ),
  decisions: optional(
    Type.Integer({
      minimum: 0,
      maximum: 10000000,
      description: 'Newest postbacks kept in the decision log; default 100000, 0 for none',
    }),
  ),
  dead_letter_days: optional(
    Type.Integer({ minimum: 1, maximum: 3650, description: 'Default 30' }),
  ),
})

export const secretList = Type.Array(text('`${ENV}` or `${file:/run/secrets/name}`'), {
  minItems: 1,
  maxItems: 10,
  description: 'Any of these is valid, so a secret can be rotated',
})

const network = record({
  rule: optional(
    Type.String({ pattern: NAME_PATTERN, description: 'Rule file; default: its own name' }),
  ),
  enabled: optional(Type.Boolean({ description: 'Default true' })),
  accept_unverified: optional(
    Type.Boolean({ description: 'Use a rule whose facts nobody has verified' }),
  ),
  secrets: optional(secretList),
  tokens: optional(secretList),
  ips: optional(cidrs('Replaces the addresses of the rule’s `ip` check')),
  settings: optional(mapOf(Type.String(), 'Setting of the rule → value', NAME_PATTERN)),
  fields: optional(
    mapOf(
      Type.Array(Type.String({ minLength: 1 }), { minItems: 1 }),
      'Replaces where a field comes from',
    ),
  ),
  currency: optional(
    Type.String({ pattern: '^[A-Z]{3}$', description: 'Replaces the rule’s default' }),
  ),
  status_map: optional(
    mapOf(
      choice([...STATUSES, 'test', 'informational'] as const, 'Status'),
      'Added to the rule’s map',
    ),
  ),
  window_days: optional(
    Type.Integer({ minimum: 1, maximum: 366, description: 'Replaces the rule’s dedupe window' }),
  ),
  on_amount_change: optional(choice(['ignore', 'update', 'add'] as const, 'Replaces the rule’s')),
  max_silence_hours: optional(
    Type.Number({
      exclusiveMinimum: 0,
      maximum: 8760,
      description: 'Silence of this network that is worth an alert; default none',
    }),
  ),
  require_https: optional(
    Type.Boolean({
      description:
        'Refuse what did not come over HTTPS: ours, or that of a trusted proxy (X-Forwarded-Proto)',
    }),
  ),
  rate_per_second: optional(
    Type.Integer({
      minimum: 0,
      maximum: 1000000,
      description: 'Instead of server.limits.network_rate_per_second; 0 for no limit',
    }),
  ),
  answer_rejected_with: optional(
    Type.Integer({ minimum: 200, maximum: 499, description: 'HTTP status of every rejection' }),
  ),
})
export type NetworkConfig = Static<typeof network>

const route = record({
  from: optional(
    Type.Array(Type.String({ pattern: NAME_PATTERN }), {
      minItems: 1,
      description: 'Networks; default all',
    }),
  ),
  to: Type.Array(Type.String({ pattern: NAME_PATTERN }), {
    minItems: 1,
    description: 'Destinations',
  }),
  when: optional(matcher),
  statuses: optional(
    Type.Array(choice(STATUSES, 'Status'), { minItems: 1, description: 'Default all' }),
  ),
  events: optional(Type.Array(text('Event'), { minItems: 1, description: 'Default all' })),
  sample_percent: optional(
    Type.Number({
      exclusiveMinimum: 0,
      maximum: 100,
      description: 'Deterministic by conversion: retries, updates and replicas agree',
    }),
  ),
  payout_percent: optional(
    Type.String({
      pattern: DECIMAL_PATTERN,
      description: 'Share of the payout that is sent on, such as "80"',
    }),
  ),
  delay_seconds: optional(
    Type.Integer({ minimum: 1, maximum: 2592000, description: 'Wait before the first attempt' }),
  ),
})
export type RouteConfig = Static<typeof route>

const demo = record({
  listen: optional(listen),
})

export const configSchema = record(
  {
    server: optional(server),
    admin: optional(admin),
    log: optional(log),
    tracing: optional(tracing),
    privacy: optional(privacy),
    workers: optional(
      Type.Integer({
        minimum: 1,
        maximum: 64,
        description: 'Processes on this machine; default 1',
      }),
    ),
    store: optional(store),
    rules: optional(
      Type.Array(text('Folder'), {
        description: 'Own rule folders, laid over the catalogue; later ones win',
      }),
    ),
    networks: mapOf(network, 'Name in the URL → network', NAME_PATTERN),
    destinations: mapOf(destination, 'Name → destination', NAME_PATTERN),
    rates: optional(
      mapOf(
        Type.String({
          pattern: '^(?!0+(\\.0+)?$)\\d{1,10}(\\.\\d{1,12})?$',
          description: 'How much one unit of the first is in the second, such as "1.0825"',
        }),
        '`EUR/USD` → rate, for destinations that convert; yours to keep up to date',
        '^[A-Z]{3}/[A-Z]{3}$',
      ),
    ),
    routes: Type.Array(route, {
      description: 'A conversion goes to every destination of every route it matches, once each',
    }),
    proxy: optional(proxy),
    demo: optional({
      ...demo,
      description:
        'A stand-in tracker on this machine for the first ten minutes; it prints what it gets',
    }),
  },
  'postern.yaml',
)
export type Config = Static<typeof configSchema>
