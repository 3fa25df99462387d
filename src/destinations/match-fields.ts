/** By what a rule of an ad platform or traffic source recognizes a click or a person. */
import { TEXT_FIELDS, type TextField } from '../model/conversion.ts'
import type { DestinationRule } from '../rules/destination-schema.ts'

const ADVERTISING: ReadonlySet<DestinationRule['kind']> = new Set(['ad-platform', 'traffic-source'])
const FIELDS: ReadonlySet<string> = new Set(TEXT_FIELDS)
/** Required of a conversion, but nobody is recognized by them. */
const OTHER: ReadonlySet<string> = new Set(['transaction_id', 'event', 'payout', 'currency'])

/** Of the fields it cannot do without; undefined where it is neither, or needs none. */
export function matchFields({
  kind,
  required = [],
}: DestinationRule): readonly TextField[] | undefined {
  if (!ADVERTISING.has(kind)) return undefined
  const fields = required.filter((name): name is TextField => FIELDS.has(name) && !OTHER.has(name))
  return fields.length > 0 ? fields : undefined
}
