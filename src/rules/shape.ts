/**
 * What schemas are made of: closed records, closed lists, maps, and the forms that rule files and
 * configuration share.
 */
import { Type, type Static, type TSchema } from 'typebox'

/** One of a closed list. Written as `enum`, so a fault can name what was meant. */
export function choice<const T extends readonly string[]>(values: T, description: string) {
  return Type.Unsafe<T[number]>({ type: 'string', enum: [...values], description })
}

/** An object that refuses unknown keys. */
export function record<T extends Record<string, TSchema>>(properties: T, description?: string) {
  return Type.Object(properties, {
    additionalProperties: false,
    ...(description === undefined ? {} : { description }),
  })
}

/** A map with free keys of one form. */
export function mapOf<T extends TSchema>(value: T, description: string, key = '^.{1,200}$') {
  return Type.Unsafe<Record<string, Static<T>>>({
    type: 'object',
    propertyNames: { pattern: key },
    additionalProperties: value,
    description,
  })
}

export const text = (description: string) =>
  Type.String({ minLength: 1, maxLength: 2000, description })
export const optional = Type.Optional

export const NAME_PATTERN = '^[a-z0-9][a-z0-9_-]{0,63}$'
/** What a source may be put through, in the order written: `txid|strip_prefix:r-|trim`. */
export const SOURCE_PATTERN =
  '^(literal:.*|(path:(token|event)|header:[A-Za-z0-9-]+|json:[^|]+|join:[^|]+|[^:|]{1,100})(\\|[^|]+)*)$'
export const DECIMAL_PATTERN = '^-?\\d{1,20}(\\.\\d{1,18})?$'

export const source = Type.String({
  pattern: SOURCE_PATTERN,
  description:
    'Where a value comes from: a parameter name (matched without case and separators), ' +
    '`header:NAME`, `path:token`, `path:event`, `json:a.b[0].c`, `json:items[kind=sale].id`, ' +
    '`join:A,B` (values one after the other) or `literal:TEXT`; all but the last may carry filters: ' +
    '`txid|strip_prefix:r-`',
})

export const evidence = choice(
  ['vendor', 'community', 'unverified'] as const,
  'How far the facts are proven: the vendor’s own documentation, independent public code, or neither',
)
export const docs = Type.String({
  pattern: '^https?://',
  description: 'The page the facts come from',
})

export const setting = record(
  {
    title: text('What to enter, in the words of the other side’s panel'),
    secret: optional(Type.Boolean({ description: 'Never shown; must be `${ENV}` or `${file:…}`' })),
    default: optional(
      Type.String({
        maxLength: 2000,
        description:
          'Used where the configuration sets none; without it the setting is required, and with an empty one it may be left out',
      }),
    ),
    example: optional(text('A value of the right form')),
    pattern: optional(text('What the value must match')),
  },
  'A value that the operator sets in postern.yaml',
)
