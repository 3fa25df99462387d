/**
 * Configured destinations. In: what postern.yaml says of one, with the rule or type it names. Out:
 * a `Destination` that is ready to build requests, or everything that is wrong with it.
 */
import { fail, ok, type Result } from '../base/result.ts'
import type { Conversion } from '../model/conversion.ts'
import type { DeliveryRecord, Destination } from '../model/delivery.ts'
import { STATUSES } from '../model/status.ts'
import { conversionFields } from '../rules/fields.ts'
import type { DestinationRule } from '../rules/destination-schema.ts'
import { nearest } from '../rules/similar.ts'
import { compileTemplate } from '../rules/template.ts'
import { AD_PLATFORMS } from './ads/platforms.ts'
import type { DestinationType } from './define.ts'
import { configFault, type DestinationFault } from './fault.ts'
import { IDS, unreplacedFault, type ReadField } from './macros.ts'
import type { DestinationOptions } from './options.ts'
import { resolveMoney, type Rates } from './money.ts'
import { sharedPayout } from './payout.ts'
import { holdsUnreplaced } from './placeholder.ts'
import { policyOf } from './policy.ts'
import { resolveSettings } from './settings.ts'
import { matchFields } from './match-fields.ts'
import { compileRule, type CompiledDestination } from './template.ts'
import { rewardsWebhook } from './rewards-webhook.ts'
import { webhook } from './webhook.ts'
import { without } from './without.ts'

/** Destinations in code, by type. Everything else is a rule file. */
export const DESTINATION_TYPES: readonly DestinationType[] = [
  ...AD_PLATFORMS,
  rewardsWebhook,
  webhook,
].toSorted((a, b) => (a.type < b.type ? -1 : 1))

export interface ConfiguredDestination extends Destination {
  /** `scheme://host[:port]` of every place it sends to, for the egress check at load. */
  readonly origins: readonly string[]
}

export function createDestination(
  id: string,
  options: DestinationOptions,
  source: DestinationRule | DestinationType,
  rates: Rates = {},
): Result<ConfiguredDestination, DestinationFault[]> {
  const faults: DestinationFault[] = []
  const clickId = compileClickId(options.click_id_from, faults)
  const isWanted = compileWanted(source, options, faults)
  const settings = resolveSettings(source.settings ?? {}, options.settings ?? {})
  if (!settings.ok) return fail([...faults, ...settings.error])
  const { values, secrets } = settings.value
  const declared = isType(source) ? undefined : source.money
  const money = resolveMoney(declared, options.other_currency, rates, faults)
  const compiled = isType(source)
    ? openType(source, id, values, clickId)
    : compileRule(without(options.omit ?? [], source, faults), {
        destination: id,
        settings: values,
        money,
        clickId,
      })
  if (isType(source) && options.omit) {
    faults.push(configFault(['omit'], 'this destination is not made from a rule file', 'remove it'))
  }
  if (!compiled.ok) return fail([...faults, ...compiled.error])
  if (faults.length > 0) return fail(faults)
  const { wants } = compiled.value
  const identity = isType(source) ? source.identity : matchFields(source)
  return ok({
    ...compiled.value,
    ...(identity ? { identity } : {}),
    id,
    rule: isType(source) ? source.type : (options.rule ?? id),
    wants: conversion => isWanted(conversion) && wants(conversion),
    policy: policyOf(options, isType(source) ? (source.policy ?? {}) : source),
    secrets: [...secrets, ...compiled.value.secrets].toSorted((a, b) => b.length - a.length),
  })
}

function isType(source: DestinationRule | DestinationType): source is DestinationType {
  return 'type' in source
}

function openType(
  type: DestinationType,
  id: string,
  settings: ReadonlyMap<string, string>,
  clickId: ReadField | undefined,
): Result<CompiledDestination, DestinationFault[]> {
  const opened = type.open(settings)
  if (!opened.ok) {
    return fail(
      opened.error.map(({ setting, message }) =>
        configFault(['settings', setting], `setting "${setting}" ${message}`),
      ),
    )
  }
  const { request } = opened.value
  return ok({
    ...opened.value,
    secrets: [],
    verdict: type.verdict,
    request: (record, context) => {
      const conversion = conversionFor(id, record, clickId)
      const unreplaced = IDS.find(field => holdsUnreplaced(conversion[field] ?? ''))
      if (unreplaced) return fail(unreplacedFault(unreplaced))
      const own = clickId ? { ownClickId: conversion.click_id } : {}
      return request(conversion, { ...context, ...own, recordId: record.id })
    },
  })
}

/** The conversion as this destination may see it: its own click id, its share of the payout. */
function conversionFor(
  id: string,
  record: DeliveryRecord,
  clickId: ReadField | undefined,
): Conversion {
  const { conversion } = record
  const payout = sharedPayout(record, id)
  if (!clickId && payout === conversion.payout) return conversion
  const { click_id, payout: _whole, ...rest } = conversion
  const own = clickId ? clickId(conversion) : click_id
  return {
    ...rest,
    ...(own === undefined ? {} : { click_id: own }),
    ...(payout === undefined ? {} : { payout }),
  }
}

function compileClickId(
  from: string | undefined,
  faults: DestinationFault[],
): ReadField | undefined {
  if (from === undefined) return undefined
  const path = ['click_id_from']
  if (!from.includes('{')) {
    const field = conversionFields.resolve(from)
    if (field) return field.get
    const meant = nearest(from, conversionFields.names)
    const message = `unknown field "${from}"${meant ? `, did you mean "${meant}"?` : ''}`
    faults.push(configFault(path, message, 'a field such as sub2, or {sub1|split:_:1}'))
    return undefined
  }
  const template = compileTemplate(from, conversionFields)
  if (template.ok) return template.value.render
  faults.push(configFault(path, template.error.message))
  return undefined
}

/** Statuses the rule takes and the configuration lets through, and the configuration's events. */
function compileWanted(
  source: DestinationRule | DestinationType,
  { statuses, events }: DestinationOptions,
  faults: DestinationFault[],
): Destination['wants'] {
  const isTold = !isType(source) && source.reversals === 'unsupported'
  const taken = [...(source.statuses ?? STATUSES), ...(isTold ? (['reversed'] as const) : [])]
  const preset = isType(source) ? source.defaultStatuses : undefined
  const asked = statuses ?? preset ?? STATUSES
  const wanted = new Set(taken.filter(status => asked.includes(status)))
  if (wanted.size === 0) {
    const message = `nothing would be sent: this destination takes ${taken.join(', ')} only`
    faults.push(configFault(['statuses'], message))
  }
  if (!events) return ({ status }) => wanted.has(status)
  const names = new Set(events)
  return ({ status, event }) => wanted.has(status) && event !== undefined && names.has(event)
}
