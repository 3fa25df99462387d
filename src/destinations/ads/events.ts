/**
 * Which of the platform's events a conversion is. In: the platform's map and the operator's, which
 * goes first. Out: the platform's name for an event of ours.
 */
import { fail, ok, type Result } from '../../base/result.ts'

/** What networks call the events that every platform has. */
const SYNONYMS: Readonly<Record<string, string>> = {
  purchase: 'sale',
  order: 'sale',
  signup: 'registration',
  sign_up: 'registration',
  reg: 'registration',
  register: 'registration',
  first_deposit: 'ftd',
  deposit: 'ftd',
  start_trial: 'trial',
  subscription: 'subscribe',
}

/** `-` in the operator's map: this event is never sent. */
export const SKIPPED = '-'

/** The platform's name, `SKIPPED`, or undefined where nothing names this event. */
export type NameEvent = (event: string | undefined) => string | undefined

/** `overrides`: `sale=Purchase,lead=Lead,*=Other,ping=-`; `*` is every other event, and none. */
export function compileEvents(
  defaults: Readonly<Record<string, string>>,
  overrides: string,
  isName: (name: string) => boolean,
): Result<NameEvent, string> {
  const own = new Map<string, string>()
  for (const pair of overrides === '' ? [] : overrides.split(',')) {
    const [event, name] = pair.split('=').map(part => part.trim())
    if (!event || !name || pair.indexOf('=') !== pair.lastIndexOf('=')) {
      return fail('is written sale=NAME,lead=NAME,*=NAME')
    }
    if (name !== SKIPPED && !isName(name)) {
      return fail(`has a name for "${event}" that the platform does not take`)
    }
    own.set(event.toLowerCase(), name)
  }
  const known = new Map(Object.entries(defaults))
  return ok(event => {
    const word = event?.toLowerCase() ?? ''
    const general = Object.hasOwn(SYNONYMS, word) ? (SYNONYMS[word] ?? word) : word
    return (
      own.get(word) ?? own.get(general) ?? known.get(word) ?? known.get(general) ?? own.get('*')
    )
  })
}
