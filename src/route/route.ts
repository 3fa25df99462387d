/**
 * Which destinations get a conversion. In: a conversion. Out: each destination once, in the order
 * of the routes; where several routes lead to the same one, the first that matches decides its
 * delay and share; a destination may ask for a longer delay. Destinations that do not take the status
 * or event are left out. Pure; compiled
 * at load into one list per network, so a conversion meets only the routes of its own network.
 */
import { compareDecimals, parseDecimal } from '../base/decimal.ts'
import { fail, ok, type Result } from '../base/result.ts'
import type { Conversion } from '../model/conversion.ts'
import type { Destination, RoutedDelivery } from '../model/delivery.ts'
import type { Status } from '../model/status.ts'
import { conversionFields } from '../rules/fields.ts'
import { compileMatcher, type Match } from '../rules/match.ts'
import type { RuleFault } from '../rules/rule-fault.ts'
import type { Matcher } from '../rules/schema.ts'
import { nearest } from '../rules/similar.ts'
import { compileSample } from './sample.ts'

/** One of `routes` in the configuration. */
export interface RouteSpec {
  readonly from?: readonly string[]
  readonly to: readonly string[]
  readonly when?: Matcher
  readonly statuses?: readonly Status[]
  /** Matched in any case. */
  readonly events?: readonly string[]
  readonly sample_percent?: number
  readonly payout_percent?: string
  readonly delay_seconds?: number
}

export interface RouteTargets {
  readonly networks: readonly string[]
  readonly destinations: readonly Pick<Destination, 'id' | 'wants' | 'restMs'>[]
}

/** Why a route does not apply to a conversion. */
export type RouteMiss = 'from' | 'statuses' | 'events' | 'when' | 'sample'

export interface RouteExplanation {
  /** Place in the configuration, from 0. */
  readonly route: number
  /** The first test that failed; undefined where the route applies. */
  readonly miss: RouteMiss | undefined
  readonly to: readonly {
    readonly destination: string
    /** `earlier`: a route above leads there already; `unwanted`: it does not take this status or event. */
    readonly decision: 'delivered' | 'earlier' | 'unwanted' | 'unmatched'
  }[]
}

export interface Router {
  route(conversion: Conversion): readonly RoutedDelivery[]
  /** What `route` decides, and why, for every route. */
  explain(conversion: Conversion): readonly RouteExplanation[]
}

type Target = RouteTargets['destinations'][number]

interface CompiledRoute {
  readonly from: ReadonlySet<string>
  readonly tests: readonly { readonly miss: RouteMiss; readonly holds: Match<Conversion> }[]
  readonly deliveries: readonly { readonly delivery: RoutedDelivery; readonly target: Target }[]
}

/** Paths of faults start with `routes`. */
export function compileRoutes(
  specs: readonly RouteSpec[],
  { networks, destinations }: RouteTargets,
): Result<Router, readonly RuleFault[]> {
  const faults: RuleFault[] = []
  const targets = new Map(destinations.map(target => [target.id, target]))
  const twins = new Map<string, number>()
  const routes = specs.map((spec, index) => {
    const path = ['routes', index]
    spec.from?.forEach((name, i) => {
      if (!networks.includes(name)) {
        faults.push(unknownName('network', name, networks, [...path, 'from', i]))
      }
    })
    spec.to.forEach((name, i) => {
      if (!targets.has(name)) {
        faults.push(unknownName('destination', name, targets.keys(), [...path, 'to', i]))
      }
    })
    // Not the index: a route put in above must not change what the others have sampled.
    const kin = JSON.stringify([spec.from ?? [], spec.to])
    const twin = twins.get(kin) ?? 0
    twins.set(kin, twin + 1)
    return {
      from: new Set(spec.from ?? networks),
      tests: compileTests(spec, `${kin}#${twin}`, path, faults),
      deliveries: compileDeliveries(spec, targets, path, faults),
    }
  })
  if (faults.length > 0) return fail(faults)

  const byNetwork = new Map(
    networks.map(network => [network, routes.filter(route => route.from.has(network))]),
  )
  return ok({
    route: conversion => follow(byNetwork.get(conversion.network) ?? [], conversion),
    explain: conversion => explain(routes, conversion),
  })
}

function follow(
  routes: readonly CompiledRoute[],
  conversion: Conversion,
): readonly RoutedDelivery[] {
  const routed: RoutedDelivery[] = []
  for (const { tests, deliveries } of routes) {
    if (!tests.every(test => test.holds(conversion))) continue
    for (const { delivery, target } of deliveries) {
      if (includes(routed, delivery.destination) || !target.wants(conversion)) continue
      routed.push(rested(delivery, target.restMs?.(conversion)))
    }
  }
  return routed
}

function rested(delivery: RoutedDelivery, restMs = 0): RoutedDelivery {
  return restMs > delivery.delayMs ? { ...delivery, delayMs: restMs } : delivery
}

function explain(
  routes: readonly CompiledRoute[],
  conversion: Conversion,
): readonly RouteExplanation[] {
  const routed: RoutedDelivery[] = []
  return routes.map(({ from, tests, deliveries }, route) => {
    const miss = from.has(conversion.network)
      ? tests.find(test => !test.holds(conversion))?.miss
      : 'from'
    const to = deliveries.map(({ delivery, target }) => {
      const { destination } = delivery
      if (miss) return { destination, decision: 'unmatched' } as const
      if (includes(routed, destination)) return { destination, decision: 'earlier' } as const
      if (!target.wants(conversion)) return { destination, decision: 'unwanted' } as const
      routed.push(delivery)
      return { destination, decision: 'delivered' } as const
    })
    return { route, miss, to }
  })
}

function includes(routed: readonly RoutedDelivery[], destination: string): boolean {
  return routed.some(delivery => delivery.destination === destination)
}

/** Cheapest first; a test that is not asked for is not there. */
function compileTests(
  spec: RouteSpec,
  seed: string,
  path: readonly (string | number)[],
  faults: RuleFault[],
): CompiledRoute['tests'] {
  const tests: { miss: RouteMiss; holds: Match<Conversion> }[] = []
  if (spec.statuses) {
    const statuses = new Set<string>(spec.statuses)
    tests.push({ miss: 'statuses', holds: ({ status }) => statuses.has(status) })
  }
  if (spec.events) {
    const events = new Set(spec.events.map(event => event.toLowerCase()))
    tests.push({ miss: 'events', holds: ({ event }) => events.has(event?.toLowerCase() ?? '') })
  }
  if (spec.sample_percent !== undefined && spec.sample_percent < 100) {
    const isSampled = compileSample(spec.sample_percent, seed)
    tests.push({ miss: 'sample', holds: ({ id }) => isSampled(id) })
  }
  if (spec.when) {
    const match = compileMatcher(spec.when, conversionFields, [...path, 'when'])
    if (match.ok) tests.push({ miss: 'when', holds: match.value })
    else faults.push(...match.error)
  }
  return tests
}

function compileDeliveries(
  spec: RouteSpec,
  targets: ReadonlyMap<string, Target>,
  path: readonly (string | number)[],
  faults: RuleFault[],
): CompiledRoute['deliveries'] {
  const percent = parseDecimal(spec.payout_percent ?? '100')
  if (
    percent === undefined ||
    compareDecimals(percent, '0') < 0 ||
    compareDecimals(percent, '100') > 0
  ) {
    faults.push({ path: [...path, 'payout_percent'], message: 'a share is from 0 to 100 percent' })
    return []
  }
  const delayMs = (spec.delay_seconds ?? 0) * 1000
  const share = compareDecimals(percent, '100') === 0 ? undefined : percent
  return spec.to.flatMap(destination => {
    const target = targets.get(destination)
    return target ? [{ delivery: { destination, delayMs, share }, target }] : []
  })
}

function unknownName(
  what: 'network' | 'destination',
  name: string,
  known: Iterable<string>,
  path: RuleFault['path'],
): RuleFault {
  const meant = nearest(name, known)
  return {
    path,
    message: `unknown ${what} "${name}"${meant ? `, did you mean "${meant}"?` : ''}`,
    hint: `give it a section under \`${what}s\``,
  }
}
