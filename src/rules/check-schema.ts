/**
 * The checks of `verify:`: every way in which a network proves that a postback is its own. One
 * check is one key with a closed record; what a check cannot say is not a network's recipe yet.
 */
import { Type, type Static } from 'typebox'
import { choice, mapOf, optional, record, source, text } from './shape.ts'

const algorithm = choice(['md5', 'sha1', 'sha256', 'sha512'] as const, 'Hash')
const encoding = choice(['hex', 'base64', 'base64url'] as const, 'Of the signature')
const truncate = Type.Integer({
  minimum: 8,
  maximum: 128,
  description: 'Only so many hex digits of the signature are sent, an even number',
})
const hmac = Type.Boolean({ description: 'Keyed by each secret in turn; otherwise a plain hash' })
const SECRET_TEXT = '`{secret}`, `{settings.NAME}` and literal text'

const signature = record(
  {
    algorithm,
    hmac: optional(
      Type.Boolean({ description: 'Keyed by `key`; otherwise a plain hash of `over`' }),
    ),
    key: optional(text('HMAC key template; default `{secret}`')),
    over: text(
      'What is signed: `{NAME}` a parameter as decoded, `{raw.NAME}` as sent, `{header.NAME}`, `{secret}` each secret in turn, `{settings.NAME}`, `{body}`; with filters such as `{value|trunc}`',
    ),
    rounds: optional(
      Type.Integer({
        minimum: 2,
        maximum: 4,
        description: 'The raw digest is hashed again, so many times in all',
      }),
    ),
    from: source,
    encoding,
    truncate: optional(truncate),
    formats: optional(
      mapOf(
        text('RE2 pattern'),
        'Parameter → what its value must match, against digits shifted between parts',
      ),
    ),
  },
  'Hash or HMAC over a text made of single values',
)

const urlSignature = record(
  {
    algorithm,
    hmac: optional(hmac),
    covers: choice(
      ['url', 'query'] as const,
      'The full URL as the network called it (needs `server.public_base_url`), or its query alone',
    ),
    append: optional(text(`Put behind it, for a plain hash: ${SECRET_TEXT}`)),
    from: source,
    encoding,
  },
  'Over the URL byte for byte as sent, without the parameter that carries the signature',
)

const bodySignature = record(
  {
    algorithm,
    from: source,
    encoding,
    prefix: optional(text('Literal text in front of the signature, such as `sha256=`')),
  },
  'HMAC over the raw body, keyed by each secret in turn',
)

const pairsSignature = record(
  {
    algorithm,
    hmac: optional(hmac),
    source: choice(['query', 'form'] as const, 'Which pairs; those of the other are not signed'),
    order: choice(
      ['name', 'position_text', 'listed'] as const,
      '`name`: by name, byte order; `position_text`: by place after skipping, the places sorted as text (0, 1, 10, 11, 2); `listed`: as in `names`',
    ),
    names: optional(
      Type.Array(text('Parameter'), {
        minItems: 1,
        maxItems: 100,
        description: 'For `listed`: what takes part, in this order, if it was sent',
      }),
    ),
    exclude: optional(
      Type.Array(text('Parameter'), { description: 'Besides the one that carries the signature' }),
    ),
    skip: optional(
      choice(
        ['empty', 'falsy'] as const,
        'Values that take no part: the empty ones, or `0` as well (what PHP calls false)',
      ),
    ),
    skip_empty: optional(
      Type.Array(text('Parameter'), { description: 'Of these only, an empty value takes no part' }),
    ),
    skip_lists: optional(
      Type.Boolean({ description: 'Names with brackets, such as `tags[]`, take no part' }),
    ),
    pair: text('One pair: `{key}`, `{value}`, `{secret}`, `{settings.NAME}` and literal text'),
    join: optional(Type.String({ maxLength: 20, description: 'Between pairs; default nothing' })),
    append: optional(text(`Behind the last pair: ${SECRET_TEXT}`)),
    encode: optional(
      choice(
        ['php', 'rfc3986'] as const,
        'Names and values are encoded: as PHP’s http_build_query does, or with `%20` for a space; default as decoded',
      ),
    ),
    from: source,
    encoding,
    truncate: optional(truncate),
  },
  'Hash or HMAC over all pairs of the query or form, put in an order',
)

const timestampedSignature = record(
  {
    from: source,
    within_seconds: Type.Integer({
      minimum: 1,
      maximum: 86400,
      description: 'How far its time may be from now',
    }),
    scheme: optional(text('Name of a signature in the header; default `v1`')),
  },
  'Stripe style: `t=TIME,v1=HEX,v1=HEX` where any signature is the HMAC-SHA256 of `TIME.BODY`',
)

const ecdsaSignature = record(
  {
    keys_url: Type.String({
      pattern: '^https://',
      description: 'Where the network publishes its public keys: `{keys: [{keyId, pem}]}`',
    }),
    from: text('Parameter that carries the signature; last but one in the query'),
    key_id: text('Parameter that names the key; last in the query'),
    encoding: choice(['base64', 'base64url'] as const, 'Of the signature, which is DER'),
  },
  'ECDSA P-256 with SHA-256 over the query as sent, up to the signature',
)

const envelope = record(
  {
    cipher: choice(['aes_256_cbc'] as const, 'AES-256-CBC with PKCS #7 padding'),
    key: choice(
      ['sha1_hex_32'] as const,
      'The first 32 characters of the lower-case hex SHA-1 of the secret',
    ),
    data: text('Parameter or top-level JSON name of the base64 ciphertext'),
    iv: text('The same of the base64 initialization vector'),
  },
  'The body is encrypted JSON; once opened it is all that the postback says',
)

const equals = record(
  {
    from: source,
    value: text('`{settings.NAME}` and literal text'),
  },
  'A value must be the configured one, such as the account that a postback is for',
)

const freshness = record({
  from: source,
  format: choice(['unix_s', 'unix_ms', 'iso', 'auto'] as const, 'Of the timestamp'),
  within_seconds: Type.Integer({ minimum: 1, maximum: 86400 }),
})

const anyCheck = record({
  token: optional(source),
  ip: optional(
    Type.Array(Type.String(), {
      description: 'Addresses and CIDRs; empty: the operator sets `ips`',
    }),
  ),
  signature: optional(signature),
  url_signature: optional(urlSignature),
  body_signature: optional(bodySignature),
  pairs_signature: optional(pairsSignature),
  timestamped_signature: optional(timestampedSignature),
  ecdsa_signature: optional(ecdsaSignature),
  envelope: optional(envelope),
  equals: optional(equals),
  freshness: optional(freshness),
})

/** Exactly one key: which check it is. */
export const check = Type.Unsafe<Static<typeof anyCheck>>({
  ...anyCheck,
  minProperties: 1,
  maxProperties: 1,
})
export type Check = Static<typeof check>
export type SignatureCheck = Static<typeof signature>
export type UrlSignatureCheck = Static<typeof urlSignature>
export type BodySignatureCheck = Static<typeof bodySignature>
export type PairsSignatureCheck = Static<typeof pairsSignature>
export type TimestampedSignatureCheck = Static<typeof timestampedSignature>
export type EcdsaSignatureCheck = Static<typeof ecdsaSignature>
export type EnvelopeCheck = Static<typeof envelope>
export type EqualsCheck = Static<typeof equals>
