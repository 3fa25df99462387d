/**
 * Whether a person agreed to ads. In: what the postback says, by the operator's setting. Out:
 * granted, denied or not known. Nothing is ever taken for granted: where it is not known, no
 * platform is told anything of it.
 */
import type { Conversion, TextField } from '../../model/conversion.ts'

export type Consent = 'granted' | 'denied' | undefined

const GRANTED = /^(?:granted|grant|g|yes|y|true|1|on)$/i
const DENIED = /^(?:denied|deny|d|no|n|false|0|off)$/i

export function readConsent(text: string | undefined): Consent {
  const word = text?.trim() ?? ''
  if (GRANTED.test(word)) return 'granted'
  return DENIED.test(word) ? 'denied' : undefined
}

const PERSON: readonly TextField[] = [
  'user_id', 'ip', 'user_agent', 'email', 'phone', 'first_name', 'last_name', 'city', 'region', 'zip',
  'birth_date', 'gender', 'country', 'gaid', 'idfa', 'idfv', 'android_id', 'fbp', 'ttp', 'scid', 'rdt_uuid',
  'ga_client_id', 'ga_session_id',
] // prettier-ignore

/** What tells who it was goes; the click that led to the conversion stays. */
export function withoutPerson(conversion: Conversion): Conversion {
  const rest: Record<string, unknown> = { ...conversion }
  for (const field of PERSON) delete rest[field]
  return rest as Conversion
}
