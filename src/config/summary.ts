/** The effective configuration for people: what runs, with `set` or `not set` for secrets. */
import { stringify } from 'yaml'
import { maskSecrets } from '../base/redact.ts'
import type { ListenAddress } from '../rules/address.ts'
import type { EffectiveConfig, EffectiveDestination, EffectiveNetwork } from './effective.ts'

/** YAML in the words of postern.yaml; `secrets` are masked wherever else they may stand. */
export function effectiveSummary(config: EffectiveConfig, secrets: readonly string[]): string {
  const { server, admin, store, tracing, networks, destinations, demo } = config
  const shown = {
    ...config,
    server: { ...server, listen: listenText(server.listen) },
    admin: { ...admin, listen: listenText(admin.listen), token: isSet(admin.token) },
    tracing: tracing && {
      ...tracing,
      headers: Object.fromEntries(Object.keys(tracing.headers).map(name => [name, 'set'])),
    },
    store: {
      ...store,
      redis: store.redis && {
        ...store.redis,
        password: isSet(store.redis.password),
        // With a password in it the whole URL is a secret; without, an address.
        ...(store.redis.url === undefined ? {} : { url: withoutPassword(store.redis.url) }),
      },
    },
    networks: mapEntries(networks, network => ({
      ...withSettings(network),
      secrets: count(network.secrets),
      tokens: count(network.tokens),
    })),
    destinations: mapEntries(destinations, withSettings),
    demo: demo && { listen: listenText(demo.listen) },
  }
  return stringify(maskIn(shown, secrets), { lineWidth: 0, aliasDuplicateObjects: false })
}

function withSettings(owner: EffectiveNetwork | EffectiveDestination): object {
  const { secret_settings, ...shown } = owner
  const secret = secret_settings.map(name => [name, isSet(owner.settings[name])])
  return { ...shown, settings: { ...owner.settings, ...Object.fromEntries(secret) } }
}

function isSet(secret: string | undefined): string {
  return secret === undefined ? 'not set' : 'set'
}

function count(secrets: readonly string[]): string {
  return secrets.length === 0 ? 'not set' : `set (${secrets.length})`
}

function listenText({ host, port }: ListenAddress): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

function withoutPassword(url: string): string {
  return url.replace(/\/\/[^/?#]*@/, '//***@')
}

function mapEntries<T>(map: Readonly<Record<string, T>>, to: (value: T) => object): object {
  return Object.fromEntries(Object.entries(map).map(([name, value]) => [name, to(value)]))
}

function maskIn(value: unknown, secrets: readonly string[]): unknown {
  if (typeof value === 'string') return maskSecrets(value, secrets)
  if (Array.isArray(value)) return value.map(entry => maskIn(entry, secrets))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, entry]) => entry !== undefined)
      .map(([key, entry]) => [key, maskIn(entry, secrets)]),
  )
}
