/** Cross checks of `server`, `admin`, `demo` and `store`: what one option's schema cannot see. */
import { CIDR_WORDS, cidrProblem, parseListen } from '../rules/address.ts'
import type { Path } from '../rules/faults.ts'
import type { Findings } from './findings.ts'
import { DEFAULTS } from './defaults.ts'
import type { Config } from './schema.ts'

export function checkServer(config: Config, to: Findings): void {
  checkListen(config, to)
  checkCidrs(config.server?.trusted_proxies, ['server', 'trusted_proxies'], to)
  const base = config.server?.public_base_url
  if (base !== undefined && !isBaseUrl(base)) {
    const message = '`public_base_url` is not a plain URL of this gateway'
    to.fault(['server', 'public_base_url'], message, 'such as https://in.example.com')
  }
  checkTracing(config, to)
  checkStore(config, to)
}

function checkTracing({ tracing }: Config, to: Findings): void {
  if (!tracing) return
  if (!isEndpoint(tracing.endpoint)) {
    const hint = 'such as http://collector:4318/v1/traces; credentials go into `headers`'
    to.fault(['tracing', 'endpoint'], '`endpoint` is not a plain URL with a path', hint)
  }
  for (const [name, value] of Object.entries(tracing.headers ?? {})) {
    // What Node would refuse with each batch is refused here once. The value is a secret.
    if (/^[\u0020-\u007e]+$/.test(value)) continue
    to.fault(['tracing', 'headers', name], 'not one line of printable ASCII')
  }
}

/** A whole-Internet range is a warning, anything invalid a fault. */
export function checkCidrs(cidrs: readonly string[] | undefined, path: Path, to: Findings): void {
  for (const [index, cidr] of (cidrs ?? []).entries()) {
    const problem = cidrProblem(cidr)
    if (problem === 'everyone') to.warn([...path, index], CIDR_WORDS[problem])
    else if (problem) to.fault([...path, index], CIDR_WORDS[problem])
  }
}

function checkListen(config: Config, to: Findings): void {
  const taken: { name: string; host: string; port: number }[] = []
  const add = (name: 'server' | 'admin' | 'demo', text: string | undefined) => {
    const parsed = parseListen(text ?? DEFAULTS[name].listen)
    const path = [name, 'listen']
    if (!parsed) {
      to.fault(
        path,
        'not an address to listen on',
        '`host:port`, such as 0.0.0.0:8080 or [::]:8080',
      )
      return
    }
    // Port 0 is a free port of the system's choice, a different one each time.
    const clash = taken.find(
      other =>
        other.port === parsed.port &&
        parsed.port !== 0 &&
        (other.host === parsed.host || isWildcard(other.host) || isWildcard(parsed.host)),
    )
    if (clash) {
      const message = `\`${name}.listen\` is the address of \`${clash.name}.listen\``
      to.fault(path, message, 'give each its own port')
    }
    taken.push({ name, ...parsed })
  }
  add('server', config.server?.listen)
  add('admin', config.admin?.listen)
  if (config.demo) add('demo', config.demo.listen)
}

function checkStore(config: Config, to: Findings): void {
  const store = config.store
  const type = store?.type ?? DEFAULTS.store.type
  if (type === 'memory' && (config.workers ?? 1) > 1) {
    const message = 'several workers cannot share the memory store: each would count for itself'
    to.fault(['workers'], message, 'use lmdb or redis')
  }
  const redis = store?.redis
  if (type !== 'redis') {
    if (redis) to.warn(['store', 'redis'], `not used: \`store.type\` is ${type}`)
    return
  }
  const hint = 'one of: `url`, `sentinels` with `master`, or `cluster`'
  if (!redis) {
    to.fault(['store'], 'missing key `redis`: where the store is', hint)
    return
  }
  const ways = (['url', 'sentinels', 'cluster'] as const).filter(way => redis[way] !== undefined)
  if (ways.length !== 1) {
    const message =
      ways.length === 0 ? 'no address given' : `${ways.join(' and ')} exclude each other`
    to.fault(['store', 'redis', ...ways.slice(1, 2)], message, hint)
  }
  if (redis.sentinels && redis.master === undefined) {
    to.fault(['store', 'redis'], 'missing key `master`: the name of the Sentinel master')
  }
  if (redis.master !== undefined && !redis.sentinels) {
    to.fault(['store', 'redis', 'master'], '`master` goes with `sentinels`', hint)
  }
  if (redis.url !== undefined && !isRedisUrl(redis.url)) {
    const message = '`url` is not a Redis URL'
    to.fault(['store', 'redis', 'url'], message, '`redis://host:6379` or `rediss://host:6379`')
  }
  for (const part of ['sentinels', 'cluster'] as const) {
    for (const [index, text] of (redis[part] ?? []).entries()) {
      if (!parseListen(text)) to.fault(['store', 'redis', part, index], 'not `host:port`')
    }
  }
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

function isRedisUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const url = new URL(text)
  return /^rediss?:$/.test(url.protocol) && url.hostname !== ''
}

function isEndpoint(text: string): boolean {
  return isBaseUrl(text) && new URL(text).pathname.length > 1
}

function isBaseUrl(text: string): boolean {
  if (!URL.canParse(text)) return false
  const url = new URL(text)
  if (!/^https?:$/.test(url.protocol)) return false
  return url.search === '' && url.hash === '' && url.username === '' && url.password === ''
}
