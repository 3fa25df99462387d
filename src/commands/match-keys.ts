/**
 * By what each ad platform and traffic source could recognize the conversions of each network that
 * is routed to it. In: the rule set. Out: one row per pair, so that an operator sees before the first
 * conversion what has to be passed on in the click URL.
 */
import type { EffectiveNetwork } from '../config/effective.ts'
import type { Destination } from '../model/delivery.ts'
import type { NetworkRuntime, RuleSet } from '../ruleset.ts'

export interface MatchKeys {
  readonly destination: string
  readonly network: string
  /** Fields that the network's rule or the configuration names. */
  readonly supplied: readonly string[]
  /** Fields that come if the network sends them under their usual names. */
  readonly possible: readonly string[]
  readonly missing: readonly string[]
}

export function matchKeys({ loaded, networks, destinations }: RuleSet): readonly MatchKeys[] {
  const { value: config } = loaded
  const rows: MatchKeys[] = []
  for (const destination of destinations.values()) {
    if (!destination.identity) continue
    for (const network of networks.values()) {
      const isRouted = config.routes.some(
        ({ from, to }) => to.includes(destination.id) && (from?.includes(network.id) ?? true),
      )
      if (!isRouted) continue
      const clickIdFrom = config.destinations[destination.id]?.click_id_from
      rows.push(compare(destination, network, config.networks[network.id], clickIdFrom))
    }
  }
  return rows
}

function compare(
  destination: Destination,
  { id, rule }: NetworkRuntime,
  configured: EffectiveNetwork | undefined,
  clickIdFrom: string | undefined,
): MatchKeys {
  const named = new Set([
    ...Object.keys(rule.value.fields ?? {}),
    ...Object.keys(configured?.fields ?? {}),
  ])
  const supplied: string[] = clickIdFrom === undefined ? [] : [`click id from ${clickIdFrom}`]
  const possible: string[] = []
  const missing: string[] = []
  for (const field of destination.identity ?? []) {
    if (field === 'click_id' && clickIdFrom !== undefined) continue
    if (named.has(field)) supplied.push(field)
    else if (rule.value.aliases === 'common') possible.push(field)
    else missing.push(field)
  }
  return { destination: destination.id, network: id, supplied, possible, missing }
}
