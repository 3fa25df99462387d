/**
 * The shape of rule files: the single source for validation, types, editor schemas and the
 * reference page. Options are snake_case nouns with their unit; unknown keys are faults.
 */
import { Type, type Static } from 'typebox'
import { INPUT_FIELDS, TIME_FIELDS, MONEY_FIELDS } from '../model/conversion.ts'
import { STATUSES } from '../model/status.ts'
import { REASON_CODES, type Reason } from '../reasons.ts'
import { check } from './check-schema.ts'
import {
  choice,
  DECIMAL_PATTERN,
  docs,
  evidence,
  mapOf,
  NAME_PATTERN,
  optional,
  record,
  setting,
  source,
  text,
} from './shape.ts'

// --- the matching language ------------------------------------------------------------------

const condition = record(
  {
    equals: optional(Type.String()),
    in: optional(Type.Array(Type.String(), { minItems: 1, maxItems: 500 })),
    gt: optional(Type.String({ pattern: DECIMAL_PATTERN })),
    gte: optional(Type.String({ pattern: DECIMAL_PATTERN })),
    lt: optional(Type.String({ pattern: DECIMAL_PATTERN })),
    lte: optional(Type.String({ pattern: DECIMAL_PATTERN })),
    starts_with: optional(Type.String({ minLength: 1 })),
    matches: optional(
      Type.String({ minLength: 1, maxLength: 500, description: 'RE2 pattern, linear time' }),
    ),
    exists: optional(Type.Boolean()),
  },
  'Every test given must hold; gt, gte, lt and lte compare as decimals',
)
export type Condition = Static<typeof condition>

/** Field → condition, all of which must hold, with `all`, `any` and `not` beside them. */
export interface Matcher {
  readonly all?: readonly Matcher[]
  readonly any?: readonly Matcher[]
  readonly not?: Matcher
  readonly [field: string]: Condition | Matcher | readonly Matcher[] | undefined
}

export const matcher = Type.Unsafe<Matcher>({
  $ref: '#/$defs/matcher',
})
/** Goes into the `$defs` of every schema that uses `matcher`. */
export const matcherDefinition = {
  type: 'object',
  minProperties: 1,
  description:
    'Field name → test; all must hold. Fields: those of a conversion, `network`, or `q.NAME`',
  properties: {
    all: { type: 'array', minItems: 1, items: { $ref: '#/$defs/matcher' } },
    any: { type: 'array', minItems: 1, items: { $ref: '#/$defs/matcher' } },
    not: { $ref: '#/$defs/matcher' },
  },
  additionalProperties: condition,
}

// --- networks -------------------------------------------------------------------------------

const status = record({
  from: optional(
    Type.Array(source, { minItems: 1, description: 'Default: the `status` field’s sources' }),
  ),
  join: optional(
    Type.String({ description: 'Joins all sources of `from` with this text before mapping' }),
  ),
  map: optional(
    mapOf(
      choice([...STATUSES, 'test', 'informational'] as const, 'Status it means'),
      'The network’s word (any case) → status',
    ),
  ),
  words: optional(
    choice(
      ['common', 'none'] as const,
      '`common` (default) also knows words that mean one thing everywhere',
    ),
  ),
  default: optional(choice(STATUSES, 'Where no status comes')),
  unknown: optional(
    choice(['reject', 'ignore', ...STATUSES] as const, 'Default `reject`: status_unknown'),
  ),
})

const event = record({
  map: optional(mapOf(text('Event name'), 'The network’s word (any case) → event')),
  default: optional(text('Where no event comes')),
})

const money = record({
  currency: optional(
    Type.String({ pattern: '^[A-Z]{3}$', description: 'Where none is sent; default USD' }),
  ),
  places: optional(
    mapOf(
      Type.Integer({ minimum: 1, maximum: 18 }),
      'Fields sent as an integer of small units: 2 for cents, 8 for satoshi',
      `^(${MONEY_FIELDS.join('|')})$`,
    ),
  ),
  decimal_comma: optional(Type.Boolean({ description: 'Accept `12,34`' })),
  symbols: optional(
    Type.Boolean({ description: 'Strip currency signs, spaces and thousands commas' }),
  ),
  negative: optional(
    choice(
      ['refuse', 'reversed'] as const,
      '`refuse` (default): amount_invalid unless the status is reversed; `reversed`: a negative amount means reversed',
    ),
  ),
  max: optional(
    Type.String({ pattern: DECIMAL_PATTERN, description: 'Payout above this is amount_invalid' }),
  ),
  multi: optional(
    choice(
      ['first', 'sum'] as const,
      'Amounts come with commas between them, some of them empty: take the first, or their sum',
    ),
  ),
  words: optional(
    mapOf(
      Type.String({ pattern: DECIMAL_PATTERN }),
      'Word sent in place of an amount (any case) → amount, such as `FREE: "0"`',
    ),
  ),
})

const time = record({
  format: choice(
    ['unix_s', 'unix_ms', 'iso', 'datetime', 'auto'] as const,
    '`datetime` is `YYYY-MM-DD HH:MM:SS` in `zone`; `auto` takes any of the others',
  ),
  zone: optional(text('IANA name or `+08:00`; default UTC')),
})

export const DEDUPE_PARTS = [...INPUT_FIELDS, 'status_raw', 'received_day'] as const
const dedupeKey = (description: string) =>
  Type.Array(choice(DEDUPE_PARTS, 'Field'), { minItems: 1, maxItems: 8, description })

const dedupe = record({
  key: optional(dedupeKey('Default [transaction_id, event]. The first part must not be empty')),
  fallback: optional(
    dedupeKey(
      'Where the first part of `key` is empty; default [click_id, event] if `key` is not set',
    ),
  ),
  never: optional(
    Type.Array(text('Value'), { description: 'Constant fake ids that identify nothing' }),
  ),
  window_days: optional(Type.Integer({ minimum: 1, maximum: 366, description: 'Default 30' })),
  on_amount_change: optional(
    choice(['ignore', 'update', 'add'] as const, 'Same status, other amount; default `ignore`'),
  ),
  allow: optional(
    Type.Array(
      Type.Unsafe<`${(typeof STATUSES)[number]}>${(typeof STATUSES)[number]}`>({
        type: 'string',
        pattern: `^(${STATUSES.join('|')})>(${STATUSES.join('|')})$`,
      }),
      { description: 'Steps back this network makes on purpose, such as `reversed>approved`' },
    ),
  ),
})

const answer = record({
  status: optional(Type.Integer({ minimum: 200, maximum: 599 })),
  body: optional(Type.String({ maxLength: 2000 })),
})
const reply = record({
  content_type: optional(text('Default text/plain; charset=utf-8')),
  accepted: optional(answer),
  duplicate: optional(answer),
  ignored: optional(answer),
  rejected: optional(answer),
  deferred: optional(record({ body: optional(Type.String({ maxLength: 2000 })) }, 'Always 503')),
  reasons: optional(
    Type.Unsafe<Partial<Record<Reason, Static<typeof answer>>>>(
      mapOf(answer, 'Reason → answer, before its outcome’s', `^(${REASON_CODES.join('|')})$`),
    ),
  ),
  probe: optional(
    Type.Boolean({ description: 'HEAD and an empty GET are answered 200 and stored nowhere' }),
  ),
})

const networkExample = record({
  title: text('What it shows'),
  request: record({
    method: choice(['GET', 'POST'] as const, 'Method'),
    target: text('Path and query; `/in/NETWORK/…`'),
    headers: optional(mapOf(Type.String(), 'Header → value')),
    body: optional(Type.String()),
  }),
  client: optional(text('Client address; default 203.0.113.10')),
  now: optional(text('ISO time of arrival; default 2026-01-01T00:00:00Z')),
  secrets: optional(Type.Array(Type.String())),
  tokens: optional(Type.Array(Type.String())),
  settings: optional(mapOf(Type.String(), 'Setting → value')),
  keys: optional(mapOf(text('PEM'), 'Key id → public key, for `ecdsa_signature`')),
  outcome: choice(['accepted', 'duplicate', 'ignored', 'rejected'] as const, 'Outcome'),
  reason: optional(choice(REASON_CODES as [Reason, ...Reason[]], 'Reason code')),
  conversion: optional(mapOf(Type.String(), 'Exactly the fields it comes to, times in ISO')),
})
export type NetworkExample = Static<typeof networkExample>

export const networkRule = record(
  {
    name: text('As the network calls itself'),
    kind: choice(
      [
        'affiliate-platform',
        'cpa-network',
        'offerwall',
        'survey-wall',
        'rewarded-ads',
        'marketplace',
        'mmp',
        'tracker',
        'igaming',
        'generic',
      ] as const,
      'What it is',
    ),
    verified: evidence,
    // Left out where the network shows its guide to partners only.
    docs: optional(docs),
    notes: optional(text('Retry behaviour and oddities worth knowing')),
    paste: optional(text('Query to paste at the network, in its macros')),
    settings: optional(mapOf(setting, 'Further values the operator sets', NAME_PATTERN)),
    body: optional(
      record({
        json_field: optional(text('Form field that holds a JSON document')),
        query_field: optional(text('Parameter that holds a query string')),
      }),
    ),
    aliases: optional(
      choice(
        ['none', 'common'] as const,
        '`common`: fields not named here are found under their usual names',
      ),
    ),
    fields: optional(
      mapOf(
        Type.Array(source, { minItems: 1, maxItems: 40 }),
        'Field → where it comes from, first non-empty wins',
        `^(${INPUT_FIELDS.join('|')})$`,
      ),
    ),
    discard: optional(
      Type.Array(text('Parameter'), {
        maxItems: 100,
        description: 'Parameters that are not kept as `{q.NAME}`, such as a buyer’s address',
      }),
    ),
    required: optional(
      Type.Array(choice(INPUT_FIELDS, 'Field'), { description: 'Missing: param_missing' }),
    ),
    status: optional(status),
    event: optional(event),
    money: optional(money),
    time: optional(mapOf(time, 'Field → format', `^(${TIME_FIELDS.join('|')})$`)),
    ignore: optional(
      record(
        { test: optional(matcher), informational: optional(matcher) },
        'Recorded and answered, not forwarded',
      ),
    ),
    verify: Type.Array(check, {
      description: 'All must pass. `[]` trusts everyone and is warned about',
    }),
    dedupe: optional(dedupe),
    reply: optional(reply),
    examples: Type.Array(networkExample, { minItems: 1 }),
  },
  'How a network speaks',
)
export type NetworkRule = Static<typeof networkRule>
