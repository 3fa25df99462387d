/**
 * What all ad platforms have in common. In: a platform's own part. Out: a destination type with the
 * settings that every one of them has (events, value, ids, consent, test mode, age), which hands the
 * platform a conversion that it may be told of.
 *
 * Guarantees before a platform's own code sees it: the event has a name there, it is not too old,
 * the person has not declined, and a reversal only where the platform can take one back.
 */
import { isNegative } from '../../base/decimal.ts'
import { fail, ok, type Result } from '../../base/result.ts'
import type { Conversion, TextField } from '../../model/conversion.ts'
import type { Confirm, DeliveryRequest, RequestFault, TokenGrant } from '../../model/delivery.ts'
import { conversionFields } from '../../rules/fields.ts'
import { compileTemplate } from '../../rules/template.ts'
import {
  defineDestination,
  type DestinationDefinition,
  type DestinationType,
  type RequestContext,
  type SettingFault,
  type SettingValues,
} from '../define.ts'
import { parseTarget } from '../origin.ts'
import type { SettingDeclarations } from '../settings.ts'
import { readConsent, withoutPerson, type Consent } from './consent.ts'
import { compileEvents, SKIPPED, type NameEvent } from './events.ts'
import { commonSettings, type CommonSettings } from './settings.ts'

/** A conversion as a platform is told of it. */
export interface AdEvent {
  /** Without anything personal where the person has declined. */
  readonly conversion: Conversion
  /** The platform's name for it. */
  readonly name: string
  /** The same on every attempt and in every process; platforms drop repeats by it. */
  readonly id: string
  /** The order or transaction id. */
  readonly order: string
  /** When it happened, epoch ms; never in the future. */
  readonly at: number
  /** The platform's click id. */
  readonly clickId: string | undefined
  /** Decimal text, never negative, and never without its currency. */
  readonly value: string | undefined
  readonly currency: string | undefined
  readonly url: string | undefined
  readonly consent: Consent
  readonly isReversal: boolean
  readonly isTest: boolean
  /** Of this attempt, epoch ms. */
  readonly now: number
}

type Described = 'type' | 'title' | 'docs' | 'verified' | 'apiVersion' | 'notes' | 'verdict' | 'policy' | 'examples' // prettier-ignore

export interface AdPlatform<S extends SettingDeclarations, P> extends Pick<
  DestinationDefinition<S, P>,
  Described
> {
  /** `https://host`, replaceable by the setting `base_url`. */
  readonly host: string
  readonly settings: S
  /** Event of ours → name there. */
  readonly events: Readonly<Record<string, string>>
  /** What a name in the operator's map may look like; any where it is left out. */
  readonly eventNames?: RegExp
  /** Fields by which it recognizes a person or a click. */
  readonly identity: readonly TextField[]
  /** The field with its click id, where there is one; `click_id_from`: only the configuration knows. */
  readonly clickId?: TextField | 'click_id_from'
  /** What is older would be refused. */
  readonly maxAgeHours?: number
  /** `yes`, or the setting that test mode needs. */
  readonly test?: string
  /** Where a reversal can be told to it: how, and whether these settings say so; always by default. */
  readonly reversals?: {
    readonly how: string
    readonly isOn?: (settings: SettingValues<S>) => boolean
  }
  /** Load-time work: paths, headers, keys. */
  prepare(
    settings: SettingValues<S>,
    fault: (setting: keyof S & string, message: string) => void,
  ): P
  grant?(prepared: P, settings: SettingValues<S>): TokenGrant | undefined
  /** From the click to when it may first be told, ms; told where the time of the click is known. */
  clickRestMs?(prepared: P): number
  /** Where it judges later what it took in; never asked about tests. */
  confirm?(prepared: P, base: string): Confirm | undefined
  /** `base`: `https://host`, without a slash at its end. */
  request(event: AdEvent, prepared: P, base: string): Result<DeliveryRequest, RequestFault>
}

interface Prepared<P> {
  readonly own: P
  readonly base: string
  readonly origins: readonly string[]
  readonly grant: TokenGrant | undefined
  readonly confirm: Confirm | undefined
  readonly name: NameEvent
  readonly takesReversals: boolean
  readonly missingForTest: string | undefined
  readonly read: (conversion: Conversion, context: RequestContext, name: string) => AdEvent
  readonly maxAgeMs: number
}

const HOUR_MS = 3_600_000

export function defineAdPlatform<const S extends SettingDeclarations, P>(
  platform: AdPlatform<S, P>,
): DestinationType {
  const {
    host,
    settings,
    events,
    eventNames,
    clickId,
    maxAgeHours,
    test,
    reversals,
    prepare,
    grant,
    clickRestMs,
    confirm,
    request,
    ...described
  } = platform
  return defineDestination<S & CommonSettings, Prepared<P>>({
    ...described,
    ad: { clickId, test, reversals: reversals?.how, maxAgeHours },
    settings: {
      ...settings,
      ...commonSettings({ host, maxAgeHours, hasTest: test !== undefined }),
    },
    // A declined conversion was never a conversion there, or cannot be told from a reversed one.
    statuses: ['pending', 'hold', 'approved', 'reversed'],
    defaultStatuses: ['approved', 'reversed'],
    prepare: values => {
      const faults: SettingFault[] = []
      const fault = (setting: string, message: string) => void faults.push({ setting, message })
      const target = parseTarget(values.base_url)
      if (!target.ok) fault('base_url', `the URL ${target.error}`)
      const name = compileEvents(events, values.events, word => eventNames?.test(word) ?? true)
      if (!name.ok) fault('events', name.error)
      const clickField = clickId === 'click_id_from' ? undefined : clickId
      const read = compileRead(values, clickField, fault)
      const base = target.ok ? target.value.origin + target.value.rest.replace(/\/+$/, '') : host
      const own = prepare(values, fault)
      const tokens = faults.length === 0 ? grant?.(own, values) : undefined
      if (!target.ok || !name.ok || !read || faults.length > 0) return fail(faults)
      const needed = test === undefined || test === 'yes' ? undefined : test
      const isMissing = needed !== undefined && !(values as Record<string, string>)[needed]
      const isAlwaysTest = values.test_mode === 'yes'
      if (isAlwaysTest && isMissing)
        return fail([{ setting: needed, message: 'is needed by test_mode' }])
      return ok({
        own,
        base,
        origins: [target.value.origin, ...(tokens ? [originOf(tokens.url)] : [])],
        grant: tokens,
        confirm: isAlwaysTest ? undefined : confirm?.(own, base),
        name: name.value,
        takesReversals: reversals !== undefined && (reversals.isOn?.(values) ?? true),
        missingForTest: isMissing ? needed : undefined,
        read,
        maxAgeMs: values.max_age_hours === '' ? Infinity : Number(values.max_age_hours) * HOUR_MS,
      })
    },
    origins: prepared => prepared.origins,
    grant: prepared => prepared.grant,
    confirm: prepared => prepared.confirm,
    ...(clickRestMs
      ? { restMs: (conversion, { own }) => restOf(conversion, clickRestMs(own)) }
      : {}),
    ...(test === undefined
      ? {}
      : {
          test: ({ missingForTest: missing }: Prepared<P>) =>
            missing === undefined ? {} : { missing },
        }),
    wants: ({ event }, { name }) => name(event) !== SKIPPED,
    request: (conversion, prepared, context) => {
      const isReversal = conversion.status === 'reversed'
      if (isReversal && !prepared.takesReversals) {
        return refuse('reversal_unsupported', `${platform.title} takes no conversion back`)
      }
      const name = prepared.name(conversion.event)
      if (name === undefined) return refuse('template_error', unnamed(conversion.event))
      if (context.isTest && (test === undefined || prepared.missingForTest !== undefined)) {
        return refuse('template_error', `no test mode: ${prepared.missingForTest ?? 'it has none'}`)
      }
      const event = prepared.read(conversion, context, name)
      if (context.now - event.at > prepared.maxAgeMs) {
        return refuse('expired', `older than ${prepared.maxAgeMs / HOUR_MS} hours`)
      }
      return request(event, prepared.own, prepared.base)
    },
  })
}

/** A reversal rests an hour longer, so that it never goes before what it takes back. */
function restOf(
  { click_time: click, received_at: now, status }: Conversion,
  restMs: number,
): number {
  if (click === undefined || restMs === 0) return 0
  const until = click + restMs + (status === 'reversed' ? HOUR_MS : 0)
  // A click of the future is a fault of the network's clock.
  return Math.min(Math.max(0, until - now), restMs + HOUR_MS)
}

export function refuse(
  reason: RequestFault['reason'],
  detail: string,
): { readonly ok: false; readonly error: RequestFault } {
  return fail({ reason, detail })
}

/** The conversion has nothing by which the platform could recognize a person or a click. */
export function insufficient(needs: string): { readonly ok: false; readonly error: RequestFault } {
  return refuse('insufficient_identity', `needs ${needs}`)
}

function unnamed(event: string | undefined): string {
  // The event's text is the network's input, and is not repeated.
  const hint = 'name it in the setting `events`, such as sale=NAME or *=NAME, or skip it with -'
  return event === undefined ? `the conversion has no event; ${hint}` : `an unmapped event; ${hint}`
}

type CommonValues = SettingValues<CommonSettings>

function compileRead(
  values: CommonValues,
  clickField: TextField | undefined,
  fault: (setting: string, message: string) => void,
): Prepared<unknown>['read'] | undefined {
  const template = (setting: 'event_id' | 'order_id' | 'consent') => {
    const compiled = compileTemplate(values[setting], conversionFields)
    if (!compiled.ok) fault(setting, compiled.error.message)
    return compiled.ok ? compiled.value.render : undefined
  }
  const idOf = template('event_id')
  const orderOf = template('order_id')
  const consentOf = template('consent')
  if (!idOf || !orderOf || !consentOf) return undefined
  const isAlwaysTest = values.test_mode === 'yes'
  return (whole, context, name) => {
    const consent = readConsent(consentOf(whole))
    const conversion = consent === 'denied' ? withoutPerson(whole) : whole
    const isSale = values.value === 'sale_amount'
    const value = values.value === 'none' ? undefined : isSale ? whole.sale_amount : whole.payout
    const currency = (isSale ? whole.sale_currency : undefined) ?? whole.currency
    const hasValue = value !== undefined && currency !== undefined && !isNegative(value)
    return {
      conversion,
      name,
      id: idOf(whole) || whole.id,
      order: orderOf(whole) || whole.id,
      // A clock that runs ahead must not make the platform refuse a conversion of the future.
      at: Math.min(whole.occurred_at ?? whole.received_at, context.now),
      clickId: context.ownClickId ?? (clickField && conversion[clickField]),
      value: hasValue ? value : undefined,
      currency: hasValue ? currency : undefined,
      url: conversion.landing_url ?? (values.page_url || undefined),
      consent,
      isReversal: whole.status === 'reversed',
      isTest: isAlwaysTest || context.isTest === true,
      now: context.now,
    }
  }
}

function originOf(url: string): string {
  const target = parseTarget(url)
  return target.ok ? target.value.origin : url
}
