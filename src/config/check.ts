/**
 * What only the whole configuration with its rules can tell. In: the resolved configuration, its
 * text before references, the catalogue. Out: faults and warnings at their places.
 */
import type { Catalogue } from '../rules/catalogue.ts'
import type { SourceDocument } from '../rules/document.ts'
import type { Fault, Path } from '../rules/faults.ts'
import { nearest } from '../rules/similar.ts'
import type { DestinationRule } from '../rules/destination-schema.ts'
import { checkNetwork } from './check-network.ts'
import { checkProxy } from './check-proxy.ts'
import { checkCidrs, checkServer } from './check-server.ts'
import type { Findings } from './findings.ts'
import type { Config } from './schema.ts'
import { checkSettings, type SettingDeclarations } from './settings.ts'

/** What the configuration has to know of a destination type that is code. */
export type BuiltinDestination = Pick<DestinationRule, 'settings' | 'verified'>
export type Builtins = ReadonlyMap<string, BuiltinDestination>

export interface CheckInput {
  readonly document: SourceDocument
  readonly config: Config
  readonly catalogue: Catalogue
  readonly builtins: Builtins
}

export function checkConfig(input: CheckInput): { faults: Fault[]; warnings: Fault[] } {
  const { document, config, catalogue, builtins } = input
  // The schema has held for the text before references, too.
  const written = document.value as Config
  const faults: Fault[] = []
  const warnings: Fault[] = []
  const to: Findings = {
    document,
    fault: (path, message, hint) => void faults.push(document.fault(path, message, hint)),
    warn: (path, message, hint) => void warnings.push(document.fault(path, message, hint)),
    add: found => void faults.push(...found),
  }
  checkServer(config, to)
  checkProxy(config, to)
  for (const [name, network] of Object.entries(config.networks)) {
    const path = ['networks', name]
    const id = network.rule ?? name
    const rule = catalogue.networks.get(id)?.value
    if (!rule) {
      unknownRule(path, id, network.rule !== undefined, catalogue.ids.networks, to)
      continue
    }
    if (rule.verified === 'unverified') unverified(path, id, network.accept_unverified, to)
    checkNetwork(name, rule, config, written.networks[name], to)
  }
  for (const [name, destination] of Object.entries(config.destinations)) {
    const path = ['destinations', name]
    const id = destination.rule ?? name
    checkCidrs(destination.allow_private, [...path, 'allow_private'], to)
    const rule = catalogue.destinations.get(id)?.value ?? builtins.get(id)
    if (!rule) {
      const known = [...catalogue.ids.destinations, ...builtins.keys()]
      unknownRule(path, id, destination.rule !== undefined, known, to)
      continue
    }
    if (rule.verified === 'unverified') unverified(path, id, destination.accept_unverified, to)
    const before = written.destinations[name]?.settings
    to.add(checkSettings(document, path, rule.settings ?? {}, before, destination.settings))
  }
  checkRoutes(config, to)
  return { faults, warnings }
}

/** Settings that the rule of a destination declares; none where it has none. */
export function destinationSettings(
  config: Config,
  name: string,
  catalogue: Catalogue,
  builtins: Builtins,
): SettingDeclarations {
  const id = config.destinations[name]?.rule ?? name
  return (catalogue.destinations.get(id)?.value ?? builtins.get(id))?.settings ?? {}
}

function checkRoutes(config: Config, to: Findings): void {
  const networks = Object.keys(config.networks)
  const destinations = Object.keys(config.destinations)
  const fed = new Set<string>()
  const reached = new Set<string>()
  for (const [index, route] of config.routes.entries()) {
    const exists = (kind: 'network' | 'destination', known: string[], part: 'from' | 'to') => {
      for (const [at, name] of (route[part] ?? []).entries()) {
        if (known.includes(name)) continue
        const guess = nearest(name, known)
        const message = `no such ${kind}${guess ? `, did you mean \`${guess}\`?` : ''}`
        const hint = known.length > 0 ? `${kind}s here: ${known.join(', ')}` : undefined
        to.fault(['routes', index, part, at], message, hint)
      }
    }
    exists('network', networks, 'from')
    exists('destination', destinations, 'to')
    for (const name of route.from ?? networks) fed.add(name)
    for (const name of route.to) reached.add(name)
  }
  for (const name of networks) {
    if (fed.has(name) || config.proxy) continue
    to.warn(['networks', name], `no route takes \`${name}\`: its conversions are delivered nowhere`)
  }
  for (const name of destinations) {
    if (reached.has(name)) continue
    to.warn(['destinations', name], `no route leads to \`${name}\`: it gets nothing`)
  }
}

function unknownRule(
  path: Path,
  id: string,
  isNamed: boolean,
  known: readonly string[],
  to: Findings,
): void {
  const guess = nearest(id, known)
  const message = `no rule file of this name${guess ? `, did you mean \`${guess}\`?` : ''}`
  const hint = 'name one with `rule:`, or write your own rule and name its folder in `rules:`'
  if (isNamed) to.fault([...path, 'rule'], message, hint)
  else to.add([to.document.keyFault(path, message, hint)])
}

function unverified(path: Path, id: string, isAccepted: boolean | undefined, to: Findings): void {
  if (isAccepted) return
  const message = `nobody has verified the facts of rule \`${id}\``
  const hint = 'compare it with the documentation, then set `accept_unverified: true`'
  to.add([to.document.keyFault(path, message, hint)])
}
