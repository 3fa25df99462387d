/** The store that the configuration names, and whether it is safe to start on it. */
import type { Clock } from './base/clock.ts'
import type { EffectiveConfig } from './config/effective.ts'
import { createLmdbStore } from './store/lmdb.ts'
import { createMemoryStore } from './store/memory.ts'
import { createRedisStore } from './store/redis.ts'
import type { SafetyCheck, Store, StoreError } from './store/store.ts'

export interface StoreCallbacks {
  readonly clock: Clock
  /** The store can never work again in this process: stop, and let the supervisor start anew. */
  readonly onFatal: (error: StoreError) => void
  readonly onError: (error: StoreError) => void
}

export function createStore(config: EffectiveConfig['store'], callbacks: StoreCallbacks): Store {
  const { clock, onFatal, onError } = callbacks
  const { lease_ms: leaseMs, decisions, redis } = config
  if (config.type === 'memory') return createMemoryStore({ clock, leaseMs, decisions })
  if (!redis) return createLmdbStore({ path: config.path, clock, leaseMs, decisions, onFatal })
  return createRedisStore({
    url: redis.url,
    sentinels: redis.sentinels,
    master: redis.master,
    cluster: redis.cluster,
    username: redis.username,
    password: redis.password,
    prefix: redis.prefix,
    partitions: redis.partitions,
    waitReplicas: redis.wait_replicas,
    waitTimeoutMs: redis.wait_timeout_ms,
    commandTimeoutMs: redis.command_timeout_ms,
    leaseMs,
    decisions,
    onError,
  })
}

/** The checks that forbid a start; empty where all is well or `allow_unsafe` is set. */
export function unsafe(
  checks: readonly SafetyCheck[],
  config: Pick<EffectiveConfig['store'], 'allow_unsafe'>,
): readonly SafetyCheck[] {
  return config.allow_unsafe ? [] : checks.filter(({ ok, fatal }) => !ok && fatal)
}
