/**
 * The shape of the rule file of a destination: the single source for validation, types, the editor
 * schema and the reference page.
 */
import { Type, type Static } from 'typebox'
import { STATUSES, type Status } from '../model/status.ts'
import { matcher } from './schema.ts'
import {
  choice,
  docs,
  evidence,
  mapOf,
  NAME_PATTERN,
  optional,
  record,
  setting,
  text,
} from './shape.ts'

/** Any JSON; strings are templates, and a string that is exactly one macro keeps its type. */
export type JsonTemplate =
  | string
  | number
  | boolean
  | null
  | readonly JsonTemplate[]
  | { readonly [key: string]: JsonTemplate }

const pairs = (description: string) => mapOf(Type.String(), description)
const request = record({
  method: choice(['GET', 'POST', 'PUT'] as const, 'Method'),
  url: text('`https://…`; the host is literal or a `{settings.NAME}`, never from a postback'),
  query: optional(pairs('Name → template; dropped where its macros are empty')),
  headers: optional(pairs('Header → template')),
  form: optional(pairs('Form field → template')),
  json: optional(
    Type.Unsafe<JsonTemplate>({
      type: 'object',
      description: 'JSON body; a key whose macro is empty is dropped',
    }),
  ),
  body: optional(text('Body template, with `content_type`')),
  content_type: optional(text('Of `body`')),
  auth: optional(
    record({
      basic: record(
        {
          user: text('Template over settings'),
          password: Type.String({ maxLength: 2000, description: 'Template over settings' }),
        },
        'HTTP Basic (RFC 7617)',
      ),
    }),
  ),
})
export type RequestTemplate = Static<typeof request>

const signature = record(
  {
    algorithm: choice(['md5', 'sha1', 'sha256', 'sha512'] as const, 'Hash'),
    hmac: optional(
      Type.Boolean({ description: 'Keyed by `key`; otherwise a plain hash of `over`' }),
    ),
    key: optional(text('Key of the HMAC: a template over settings')),
    over: text('What is signed: a template, values as they are'),
    url_encoded: optional(
      Type.Boolean({ description: 'Values of `over` percent-encoded, as in the query' }),
    ),
    encoding: choice(['hex', 'base64', 'base64url'] as const, 'Of the signature'),
  },
  'Computed at every attempt',
)
export type SignatureTemplate = Static<typeof signature>

const responseTest = record(
  {
    status: optional(
      Type.Array(Type.String({ pattern: '^[1-5](\\d\\d|xx)$' }), {
        minItems: 1,
        description: '`200`, `2xx`',
      }),
    ),
    header: optional(mapOf(Type.String(), 'Header → text it contains, any case')),
    body_contains: optional(
      Type.Array(Type.String({ minLength: 1 }), {
        minItems: 1,
        description: 'Any of these, any case',
      }),
    ),
    body_equals: optional(
      Type.Array(Type.String(), { minItems: 1, description: 'Any of these, trimmed' }),
    ),
    body_matches: optional(text('RE2 pattern')),
    json: optional(
      mapOf(Type.Array(Type.String(), { minItems: 1 }), 'Path `a.b[0]` → any of these values'),
    ),
  },
  'Every test given must hold',
)
export type ResponseTest = Static<typeof responseTest>
const responseTests = (description: string) =>
  optional(Type.Array(responseTest, { minItems: 1, description }))

const destinationExample = record({
  title: text('What it shows'),
  conversion: mapOf(
    Type.String(),
    'Field → value; the rest is filled in with a plain approved sale',
  ),
  settings: optional(pairs('Setting → value')),
  request: optional(
    record({
      method: choice(['GET', 'POST', 'PUT'] as const, 'Method'),
      url: text('Exact URL'),
      headers: optional(pairs('Exactly these, besides those every request has')),
      body: optional(Type.String()),
    }),
  ),
  dead: optional(text('Dead letter reason instead of a request')),
  responses: optional(
    Type.Array(
      record({
        status: Type.Integer({ minimum: 100, maximum: 599 }),
        headers: optional(pairs('Header → value')),
        body: optional(Type.String()),
        verdict: choice(
          ['delivered', 'duplicate', 'retry', 'park', 'dead'] as const,
          'What it means',
        ),
      }),
      { minItems: 1 },
    ),
  ),
})
export type DestinationExample = Static<typeof destinationExample>

export const destinationRule = record(
  {
    name: text('As it calls itself'),
    kind: choice(
      [
        'tracker',
        'affiliate-platform',
        'traffic-source',
        'mmp',
        'ad-platform',
        'rewards',
        'analytics',
        'webhook',
      ] as const,
      'What it is',
    ),
    verified: evidence,
    docs,
    notes: optional(text('Oddities worth knowing')),
    click_macro: optional(text('What to put on the click URL, so that its click id comes back')),
    settings: optional(mapOf(setting, 'Values the operator sets', NAME_PATTERN)),
    statuses: optional(
      Type.Array(choice(STATUSES, 'Status'), {
        minItems: 1,
        description: 'Statuses it takes; default all',
      }),
    ),
    reversals: optional(
      choice(
        ['unsupported'] as const,
        'It cannot take a conversion back: a reversal of one ends as a dead letter reversal_unsupported instead of being left out',
      ),
    ),
    required: optional(
      Type.Array(Type.String(), { description: 'Fields without which nothing is sent' }),
    ),
    must: optional({
      ...matcher,
      description:
        'What must hold of a conversion, such as that one of several ids came; else dead letter insufficient_identity',
    }),
    money: optional(
      record({
        currency: optional(
          Type.String({ pattern: '^[A-Z]{3}$', description: 'The only one it takes' }),
        ),
        currencies: optional(
          Type.Array(Type.String({ pattern: '^[A-Z]{3}$' }), {
            minItems: 2,
            description: 'Those it takes, where there are several; instead of `currency`',
          }),
        ),
        on_other: optional(
          choice(
            ['drop', 'refuse', 'convert'] as const,
            'Another currency: send no amount, dead letter, or convert by the configuration’s `rates`; default `refuse`',
          ),
        ),
        digits: optional(
          Type.Integer({
            minimum: 0,
            maximum: 18,
            description: 'Fraction digits of `{payout}`; 0 for an integer',
          }),
        ),
      }),
    ),
    signatures: optional(mapOf(signature, 'Name → what `{signature.NAME}` is', NAME_PATTERN)),
    request,
    requests_by_status: optional(
      Type.Unsafe<Partial<Record<Status, RequestTemplate>>>(
        mapOf(
          request,
          'Status → the request for it instead of `request`, such as one that changes a conversion',
          `^(${STATUSES.join('|')})$`,
        ),
      ),
    ),
    answer: optional(
      record(
        {
          success: responseTests('Delivered; default any 2xx'),
          duplicate: responseTests('Already known: delivered'),
          permanent: responseTests('Will never be taken: dead letter'),
          auth: responseTests('The account is refused: the destination is parked, nothing is lost'),
          retry: responseTests('Try again, though the status looks final'),
        },
        'Read in the order duplicate, permanent, auth, retry, success; what none takes goes by status',
      ),
    ),
    retry_after_ambiguous: optional(
      Type.Boolean({
        description: 'False where a repeat after a lost answer could count twice; default true',
      }),
    ),
    timeout_ms: optional(
      Type.Integer({ minimum: 100, maximum: 60000, description: 'Default 10000' }),
    ),
    concurrency: optional(Type.Integer({ minimum: 1, maximum: 256, description: 'Default 32' })),
    rate_per_second: optional(Type.Integer({ minimum: 1, maximum: 100000 })),
    examples: Type.Array(destinationExample, { minItems: 1 }),
  },
  'How a tracker, traffic source, backend or webhook is spoken to',
)
export type DestinationRule = Static<typeof destinationRule>
