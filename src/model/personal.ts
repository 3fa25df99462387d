/** What of a conversion speaks of a person, and how it is shown where that is nobody's business. */
import { MASK, maskSecrets } from '../base/redact.ts'
import { paramKey } from './postback.ts'
import type { Conversion, TextField } from './conversion.ts'

export const PERSONAL_FIELDS: readonly TextField[] = [
  'user_id', 'ip', 'user_agent', 'email', 'phone', 'first_name', 'last_name', 'city', 'region',
  'zip', 'gaid', 'idfa', 'idfv', 'android_id', 'fbc', 'fbp',
] // prettier-ignore

/** Further parameters are whatever a network sends; these names say enough. */
const PERSONAL_NAME =
  /mail|phone|mobile|msisdn|^ip$|ipaddress|userip|clientip|useragent|^ua$|name$|birth|^dob$|address|street|zip|postal|gaid|idfa|idfv|androidid|deviceid/

type Shown = Pick<Conversion, 'q'> & { readonly [field in TextField]?: string }

/** The same with every personal value replaced by the mask. */
export function maskPersonal<T extends Shown>(conversion: T): T {
  const masked: Record<string, unknown> = { ...conversion }
  for (const field of PERSONAL_FIELDS) if (conversion[field]) masked[field] = MASK
  masked['q'] = Object.fromEntries(
    Object.entries(conversion.q).map(([name, value]) => [name, isPersonal(name) ? MASK : value]),
  )
  return masked as T
}

/** Shorter ones would mask half of any text, and identify nobody. */
const LEAST_CHARS = 4

/** `text` (a request, say) without the personal values of `conversion`, in any usual encoding. */
export function maskPersonalIn(text: string, conversion: Shown): string {
  const values = [
    ...PERSONAL_FIELDS.map(field => conversion[field] ?? ''),
    ...Object.entries(conversion.q).flatMap(([name, value]) => (isPersonal(name) ? value : [])),
  ].filter(value => value.length >= LEAST_CHARS)
  const forms = values.flatMap(value => [
    value,
    encodeURIComponent(value).replaceAll('%20', '+'),
    JSON.stringify(value).slice(1, -1),
  ])
  return maskSecrets(
    text,
    forms.toSorted((a, b) => b.length - a.length),
  )
}

function isPersonal(name: string): boolean {
  return PERSONAL_NAME.test(paramKey(name))
}
