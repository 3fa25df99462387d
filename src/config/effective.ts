/**
 * The configuration as it runs: every default filled in, settings completed from their rules.
 * In: a checked configuration. Out: plain frozen data in the words of postern.yaml.
 */
import { parseListen, type ListenAddress } from '../rules/address.ts'
import { DEFAULTS, deepFreeze } from './defaults.ts'
import type { ProxyConfig } from './schema-proxy.ts'
import type { DestinationConfig } from './schema-destination.ts'
import type { TracingConfig } from './schema-tracing.ts'
import type { Config, NetworkConfig, RouteConfig } from './schema.ts'
import type { SettingDeclarations } from './settings.ts'

type Given<T> = { readonly [K in keyof T]-?: Exclude<T[K], undefined> }
type ServerConfig = NonNullable<Config['server']>
type StoreConfig = NonNullable<Config['store']>
type RedisConfig = NonNullable<StoreConfig['redis']>

export interface EffectiveNetwork extends Omit<NetworkConfig, 'rule' | 'secrets' | 'tokens'> {
  /** Id in the catalogue. */
  readonly rule: string
  readonly enabled: boolean
  readonly require_https: boolean
  readonly rate_per_second: number
  readonly secrets: readonly string[]
  readonly tokens: readonly string[]
  readonly settings: Readonly<Record<string, string>>
  /** Names of the settings that are never shown. */
  readonly secret_settings: readonly string[]
}

/**
 * Timeouts, retries and limits stay unset where the configuration sets none: the rule or the type
 * may know better than the default, and decides first.
 */
export interface EffectiveDestination extends Omit<DestinationConfig, 'rule'> {
  /** Id in the catalogue, or a built-in type. */
  readonly rule: string
  readonly settings: Readonly<Record<string, string>>
  readonly secret_settings: readonly string[]
  readonly memory: number
  readonly allow_private: string[]
}

export type EffectiveRedis = RedisConfig &
  Given<Pick<RedisConfig, 'prefix' | 'partitions' | 'wait_timeout_ms' | 'command_timeout_ms'>>

export type ProxyMode = NonNullable<ProxyConfig['mode']>
type ShadowConfig = NonNullable<ProxyConfig['shadow']>

export interface EffectiveProxy extends Given<
  Omit<ProxyConfig, 'networks' | 'delivery' | 'shadow'>
> {
  /** Networks whose mode is not that of the others. */
  readonly networks: Readonly<Record<string, { readonly mode: ProxyMode }>>
  readonly delivery: Pick<EffectiveDestination, 'memory' | 'retry_schedule_ms' | 'budget_hours'> &
    NonNullable<ProxyConfig['delivery']>
  readonly shadow: Given<ShadowConfig> | undefined
}

export interface EffectiveConfig {
  readonly server: {
    readonly listen: ListenAddress
    readonly public_base_url: string | undefined
    readonly trusted_proxies: readonly string[]
    /** Undefined: HTTP. */
    readonly tls: TlsPaths | undefined
    /** Empty: any. */
    readonly allowed_hosts: readonly string[]
    readonly limits: Given<NonNullable<ServerConfig['limits']>>
  }
  readonly admin: {
    readonly listen: ListenAddress
    readonly tls: TlsPaths | undefined
    readonly token: string | undefined
    readonly collect_interval_ms: number
  }
  readonly log: Given<NonNullable<Config['log']>>
  readonly privacy: Given<NonNullable<Config['privacy']>>
  /** Undefined: nothing is traced. */
  readonly tracing: Given<TracingConfig> | undefined
  readonly workers: number
  readonly store: Given<Omit<StoreConfig, 'redis'>> & {
    /** Set where `type` is redis. */
    readonly redis: EffectiveRedis | undefined
  }
  /** Own rule folders, absolute. */
  readonly rules: readonly string[]
  readonly networks: Readonly<Record<string, EffectiveNetwork>>
  readonly destinations: Readonly<Record<string, EffectiveDestination>>
  /** `EUR/USD` → rate. */
  readonly rates: Readonly<Record<string, string>>
  readonly routes: readonly RouteConfig[]
  /** Set where this gateway stands in front of a tracker. */
  readonly proxy: EffectiveProxy | undefined
  /** Set where the configuration asks for the stand-in tracker. */
  readonly demo: { readonly listen: ListenAddress } | undefined
}

export type TlsPaths = NonNullable<ServerConfig['tls']>

export interface EffectiveParts {
  readonly rules: readonly string[]
  networkSettings(name: string): SettingDeclarations
  destinationSettings(name: string): SettingDeclarations
}

export function toEffective(config: Config, parts: EffectiveParts): EffectiveConfig {
  const { server, admin, log, privacy, tracing, store, demo } = config
  const type = store?.type ?? DEFAULTS.store.type
  const limits = { ...DEFAULTS.server.limits, ...server?.limits }
  return deepFreeze({
    server: {
      listen: address(server?.listen ?? DEFAULTS.server.listen),
      public_base_url: server?.public_base_url?.replace(/\/+$/, ''),
      trusted_proxies: server?.trusted_proxies ?? [...DEFAULTS.server.trusted_proxies],
      tls: server?.tls,
      allowed_hosts: server?.allowed_hosts ?? [],
      limits,
    },
    admin: {
      ...DEFAULTS.admin,
      ...admin,
      listen: address(admin?.listen ?? DEFAULTS.admin.listen),
      tls: admin?.tls,
      token: admin?.token,
    },
    log: { ...DEFAULTS.log, ...log },
    privacy: { ...DEFAULTS.privacy, ...privacy },
    tracing: tracing && { headers: {}, ...DEFAULTS.tracing, ...tracing },
    workers: config.workers ?? DEFAULTS.workers,
    store: {
      ...DEFAULTS.store,
      ...store,
      redis: type === 'redis' ? { ...DEFAULTS.store.redis, ...store?.redis } : undefined,
    },
    rules: parts.rules,
    networks: mapValues(config.networks, (network, name) => ({
      ...DEFAULTS.network,
      rate_per_second: limits.network_rate_per_second,
      ...network,
      rule: network.rule ?? name,
      secrets: network.secrets ?? [],
      tokens: network.tokens ?? [],
      ...settingsOf(network.settings, parts.networkSettings(name)),
    })),
    destinations: mapValues(config.destinations, (destination, name) => ({
      accept_unverified: DEFAULTS.destination.accept_unverified,
      memory: DEFAULTS.destination.memory,
      allow_private: [],
      ...destination,
      rule: destination.rule ?? name,
      ...settingsOf(destination.settings, parts.destinationSettings(name)),
    })),
    rates: config.rates ?? {},
    routes: config.routes,
    proxy: config.proxy && proxyOf(config.proxy),
    demo: demo && { listen: address(demo.listen ?? DEFAULTS.demo.listen) },
  })
}

function proxyOf(proxy: ProxyConfig): EffectiveProxy {
  const { networks = {}, delivery, shadow, postbacks = [], ...given } = proxy
  const { shadow: shadowDefaults, ...defaults } = DEFAULTS.proxy
  const mode = given.mode ?? defaults.mode
  const { memory } = DEFAULTS.destination
  return {
    ...defaults,
    ...given,
    postbacks,
    networks: mapValues(networks, network => ({ mode: network.mode ?? mode })),
    delivery: { memory, ...delivery },
    shadow: shadow && { body_without: [], ...shadowDefaults, ...shadow },
  }
}

function settingsOf(
  given: Readonly<Record<string, string>> | undefined,
  declared: SettingDeclarations,
): { settings: Record<string, string>; secret_settings: string[] } {
  const settings = Object.create(null) as Record<string, string>
  for (const [name, setting] of Object.entries(declared)) {
    const value = given?.[name] ?? setting.default
    if (value !== undefined) settings[name] = value
  }
  const secret_settings = Object.keys(declared).filter(name => declared[name]?.secret)
  return { settings, secret_settings }
}

/** Without a prototype: a network may be called `constructor`. */
function mapValues<T, U>(
  map: Readonly<Record<string, T>>,
  to: (value: T, key: string) => U,
): Record<string, U> {
  const mapped = Object.create(null) as Record<string, U>
  for (const [key, value] of Object.entries(map)) mapped[key] = to(value, key)
  return mapped
}

function address(text: string): ListenAddress {
  const parsed = parseListen(text)
  if (!parsed) throw new Error('a listen address was not checked before')
  return parsed
}
