/**
 * The `proxy` section compiled. In: a checked configuration. Out: what the proxy runs by, and the
 * tracker as a destination of each mode that is in use. Undefined without a `proxy` section.
 */
import type { LoadedConfig } from './config/load.ts'
import { checkDestinationUrl } from './deliver/egress.ts'
import { policyOf } from './destinations/policy.ts'
import type { DeliveryPolicy, Destination } from './model/delivery.ts'
import { compilePlaces, type ProxyMode } from './proxy/places.ts'
import type { ProxyRules } from './proxy/ports.ts'
import type { ShadowSpec } from './proxy/shadow.ts'
import { createTracker, TRACKER_OF } from './proxy/tracker.ts'
import type { RuleFault } from './rules/rule-fault.ts'

export interface FrontRules {
  readonly proxy: ProxyRules
  readonly trackers: readonly Destination[]
  readonly shadow: { readonly spec: ShadowSpec; readonly policy: DeliveryPolicy } | undefined
}

/** An operator's own upstream lives where the operator says; metadata addresses are still refused. */
export const UPSTREAM_NETWORKS = [
  '127.0.0.0/8',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '::1/128',
  'fc00::/7',
]

/** Upstreams that no delivery could be made to, whatever is allowed. */
export function upstreamFaults({ value: { proxy } }: LoadedConfig): readonly RuleFault[] {
  if (!proxy) return []
  const upstreams = [
    [['proxy', 'upstream'], proxy.upstream],
    ...(proxy.shadow ? [[['proxy', 'shadow', 'upstream'], proxy.shadow.upstream] as const] : []),
  ] as const
  return upstreams.flatMap(([path, url]) => {
    const checked = checkDestinationUrl(url, UPSTREAM_NETWORKS)
    return checked.ok ? [] : [{ path, message: checked.error.message }]
  })
}

export function compileFront({ value: config, secrets }: LoadedConfig): FrontRules | undefined {
  const { proxy } = config
  if (!proxy) return undefined
  const { delivery, shadow } = proxy
  const origin = new URL(proxy.upstream).origin
  const networks = Object.keys(config.networks)
  const modeOf = (network: string): ProxyMode =>
    Object.hasOwn(proxy.networks, network)
      ? (proxy.networks[network]?.mode ?? proxy.mode)
      : proxy.mode
  const policy = policyOf({ ...delivery, allow_private: UPSTREAM_NETWORKS }, {})
  const trackers = (['gate', 'tap'] as const).map(mode =>
    createTracker({ id: TRACKER_OF[mode], origin, policy, secrets }),
  )
  return {
    trackers,
    proxy: {
      origin,
      preserveHost: proxy.preserve_host,
      connections: proxy.connections,
      timeoutMs: proxy.timeout_ms,
      postbackTimeoutMs: policy.timeoutMs,
      bodyBytes: proxy.body_bytes,
      storesWhenDown: proxy.store_when_down,
      places: compilePlaces(proxy.postbacks, modeOf, networks),
      modeOf,
      isKnown: network => Object.hasOwn(config.networks, network),
    },
    shadow: shadow && {
      spec: { ...shadow, origin: new URL(shadow.upstream).origin },
      policy: policyOf(
        {
          timeout_ms: shadow.timeout_ms,
          concurrency: shadow.in_flight,
          allow_private: UPSTREAM_NETWORKS,
        },
        {},
      ),
    },
  }
}
