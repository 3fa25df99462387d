/**
 * Every macro a destination's templates may use: the fields of the conversion, what belongs to the
 * delivery and the attempt, and `settings.NAME`. Text that is itself an unexpanded macro sets the
 * fault `macro_unreplaced` when it is read.
 */
import { createHash } from 'node:crypto'
import type { Conversion } from '../model/conversion.ts'
import type { RequestFault } from '../model/delivery.ts'
import { conversionFields, MACRO_ALIASES } from '../rules/fields.ts'
import type { Macro, Macros } from '../rules/template.ts'
import type { MoneyPolicy } from './money.ts'
import { compilePayout } from './payout.ts'
import { holdsUnreplaced, isUnreplaced } from './placeholder.ts'
import type { RequestSource } from './source.ts'

export type ReadField = (conversion: Conversion) => string | undefined

export interface MacroOptions {
  readonly destination: string
  readonly settings: ReadonlyMap<string, string>
  readonly money: MoneyPolicy
  /** Where this destination's click id is carried, when not in `click_id`. */
  readonly clickId: ReadField | undefined
}

/** Ids: a macro anywhere inside one makes it worthless. */
export const IDS = ['click_id', 'transaction_id', 'user_id'] as const
const ID_NAMES: ReadonlySet<string> = new Set(IDS)
/** Made by us, or checked against a closed list on the way in. */
const OURS = new Set(['conversion_id', 'network', 'status', 'currency', 'sale_currency'])

const text = (get: Macro<RequestSource>['get']): Macro<RequestSource> => ({ get, kind: 'text' })
const number = (get: Macro<RequestSource>['get']): Macro<RequestSource> => ({ get, kind: 'number' })

const OF_ATTEMPT: readonly (readonly [string, Macro<RequestSource>])[] = [
  ['delivery_id', text(s => s.context.deliveryId)],
  ['event_id', text(s => s.record.id)],
  ['attempt', number(s => String(s.context.attempt))],
  ['timestamp', number(s => String(Math.floor(s.context.now / 1000)))],
  ['timestamp_ms', number(s => String(s.context.now))],
  ['iso_time', text(s => new Date(s.context.now).toISOString())],
  ['random', number(cacheBuster)],
]

export function destinationMacros(options: MacroOptions): Macros<RequestSource> {
  const payout = compilePayout(options.destination, options.money)
  const own = new Map<string, Macro<RequestSource>>([
    ...OF_ATTEMPT,
    ['payout', number(payout.units)],
    ['payout_cents', number(payout.cents)],
  ])
  if (options.clickId) own.set('click_id', checked('click_id', options.clickId))
  const settings = settingMacros<RequestSource>(options.settings)
  return {
    names: [...conversionFields.names, ...own.keys(), ...settings.names],
    resolve: name => {
      const lower = name.toLowerCase()
      const canonical = Object.hasOwn(MACRO_ALIASES, lower) ? MACRO_ALIASES[lower] : lower
      return own.get(canonical ?? '') ?? settings.resolve(name) ?? conversionMacro(name, canonical)
    },
  }
}

/** Only `settings.NAME`: for the parts of a request that no postback may touch. */
export function settingMacros<Source>(settings: ReadonlyMap<string, string>): Macros<Source> {
  return {
    names: [...settings.keys()].map(name => `settings.${name}`),
    resolve: name => {
      const value = name.startsWith('settings.') ? settings.get(name.slice(9)) : undefined
      return value === undefined ? undefined : { get: () => value, kind: 'text' }
    },
  }
}

function conversionMacro(name: string, canonical = name): Macro<RequestSource> | undefined {
  const macro = conversionFields.resolve(name)
  if (!macro) return undefined
  const read = macro.get
  if (macro.kind === 'text' && !OURS.has(canonical)) return checked(canonical, read)
  return { get: source => read(source.conversion), kind: macro.kind }
}

function checked(name: string, read: ReadField): Macro<RequestSource> {
  const isBad = ID_NAMES.has(name) ? holdsUnreplaced : isUnreplaced
  return text(source => {
    const value = read(source.conversion)
    if (value !== undefined && isBad(value)) {
      source.fault ??= unreplacedFault(name)
    }
    return value
  })
}

export function unreplacedFault(name: string): RequestFault {
  return { reason: 'macro_unreplaced', detail: `${name} holds a macro that nobody replaced` }
}

/** A cache buster of up to 15 digits; from the attempt and not from chance, so requests stay pure. */
function cacheBuster({ context }: RequestSource): string {
  const digest = createHash('sha256').update(`${context.deliveryId}:${context.attempt}`).digest()
  return String(digest.readUIntBE(0, 6))
}
