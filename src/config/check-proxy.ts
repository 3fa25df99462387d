/** Cross checks of `proxy`: names that exist, places that can be told apart, upstreams that work. */
import { isIP } from 'node:net'
import type { Path } from '../rules/faults.ts'
import { compilePattern } from '../rules/match.ts'
import { nearest } from '../rules/similar.ts'
import type { Findings } from './findings.ts'
import type { Config } from './schema.ts'
import type { PlaceConfig, ProxyConfig } from './schema-proxy.ts'

/** Destinations that a proxy makes by itself; a configured one may not have their names. */
export const PROXY_DESTINATIONS = ['proxy-upstream', 'proxy-upstream-tap'] as const

const PLACEHOLDER = /\{([^}]*)\}/g

export function checkProxy(config: Config, to: Findings): void {
  const { proxy } = config
  if (!proxy) return
  checkUpstream(proxy.upstream, ['proxy', 'upstream'], to)
  if (proxy.shadow) {
    checkUpstream(proxy.shadow.upstream, ['proxy', 'shadow', 'upstream'], to)
    checkShadow(proxy.shadow, to)
  }
  for (const name of PROXY_DESTINATIONS) {
    if (!Object.hasOwn(config.destinations, name)) continue
    const message = `\`${name}\` is the name of the tracker behind the proxy`
    to.fault(['destinations', name], message, 'give the destination another name')
  }
  const known = Object.keys(config.networks)
  for (const name of Object.keys(proxy.networks ?? {})) {
    checkNetworkName(name, known, ['proxy', 'networks', name], to)
  }
  for (const [index, place] of (proxy.postbacks ?? []).entries()) {
    checkPlace(place, known, ['proxy', 'postbacks', index], to)
  }
  if (!proxy.postbacks?.length) {
    to.warn(['proxy'], 'no `postbacks`: every request passes through and nothing is taken in here')
  }
}

function checkUpstream(url: string, path: Path, to: Findings): void {
  if (!URL.canParse(url)) {
    to.fault(path, 'not a URL', 'such as https://tracker.internal:8443')
    return
  }
  const { protocol, hostname } = new URL(url)
  if (protocol === 'https:' && isIP(hostname.replace(/^\[|\]$/g, '')) !== 0) {
    const message = 'an https upstream needs a name: its certificate is checked against it'
    to.fault(path, message, 'write the name of the tracker, and resolve it in DNS or /etc/hosts')
  }
}

function checkShadow(shadow: NonNullable<ProxyConfig['shadow']>, to: Findings): void {
  for (const [index, pattern] of (shadow.body_without ?? []).entries()) {
    if (compilePattern(pattern).ok) continue
    to.fault(['proxy', 'shadow', 'body_without', index], 'not a valid RE2 pattern')
  }
  if (shadow.body_without && shadow.body !== 'same') {
    const path = ['proxy', 'shadow', 'body_without']
    to.fault(path, 'bodies are not compared', 'add `body: same`, or remove `body_without`')
  }
}

function checkPlace(place: PlaceConfig, known: readonly string[], path: Path, to: Findings): void {
  const names = [...place.path.matchAll(PLACEHOLDER)].map(match => match[1] ?? '')
  for (const name of names) {
    if (name === 'network' || name === 'token' || name === 'event') continue
    const hint = '`{network}`, `{token}` or `{event}`'
    to.fault([...path, 'path'], `there is no placeholder \`{${name}}\``, hint)
  }
  const isWhole = place.path
    .split('/')
    .every(part => !part.includes('{') || /^\{[^{}]*\}$/.test(part))
  if (!isWhole || new Set(names).size < names.length) {
    to.fault([...path, 'path'], 'each placeholder stands for one whole segment, once')
  }
  if (/^\/in(?:\/|$)/i.test(place.path)) {
    to.fault([...path, 'path'], 'paths under /in/ are always taken in by this gateway itself')
  }
  const ways = [place.network, place.network_param, names.includes('network') || undefined]
  if (ways.filter(way => way !== undefined).length !== 1) {
    const message =
      'the network comes from exactly one of `network`, `network_param` and `{network}`'
    to.fault(path, message)
  }
  if (place.network !== undefined) {
    checkNetworkName(place.network, known, [...path, 'network'], to)
    if (place.network_map) to.fault([...path, 'network_map'], 'not used: `network` is fixed')
  }
  for (const [value, name] of Object.entries(place.network_map ?? {})) {
    checkNetworkName(name, known, [...path, 'network_map', value], to)
  }
}

function checkNetworkName(name: string, known: readonly string[], path: Path, to: Findings): void {
  if (known.includes(name)) return
  const guess = nearest(name, known)
  const message = `no such network${guess ? `, did you mean \`${guess}\`?` : ''}`
  to.fault(path, message, known.length > 0 ? `networks here: ${known.join(', ')}` : undefined)
}
