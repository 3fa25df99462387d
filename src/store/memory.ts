/**
 * The store in memory: the executable specification of the port, what dry runs use, and
 * `store.type: memory`. Forgets everything when the process ends.
 */
import { createHash } from 'node:crypto'
import { systemClock, type Clock } from '../base/clock.ts'
import { randomText } from '../base/id.ts'
import { createEmbeddedStore } from './embedded/store.ts'
import type { Backend, Tables } from './embedded/tables.ts'
import { createMemoryTables } from './memory/tables.ts'
import type { Store } from './store.ts'

/** What several stores of one process may share, as processes share a folder or a Redis. */
export interface MemoryState {
  readonly tables: Tables
  readonly hashKey: Buffer
  /** Store time at which the monotonic clock was 0; set by the first who opens. */
  epoch?: number
}

export function createMemoryState(): MemoryState {
  return {
    tables: createMemoryTables(),
    hashKey: createHash('sha256').update(randomText(64)).digest(),
  }
}

export interface MemoryStoreOptions {
  readonly leaseMs?: number
  /** Newest decisions kept; 0 for none. */
  readonly decisions?: number
  readonly clock?: Clock
  readonly shared?: MemoryState
}

export function createMemoryStore(options: MemoryStoreOptions = {}): Store {
  const shared = options.shared ?? createMemoryState()
  const { tables, hashKey } = shared
  const backend: Backend = {
    open: async clock => {
      shared.epoch ??= clock.now() - clock.monotonic()
      return { hashKey, epoch: shared.epoch }
    },
    close: async () => {},
    write: async work => work(tables),
    read: work => work(tables),
    safety: async () => [
      {
        check: 'durable',
        ok: false,
        fatal: false,
        detail: 'store.type is memory: every restart loses conversions and deliveries; use lmdb',
      },
    ],
    size: async () => undefined,
  }
  return createEmbeddedStore({
    type: 'memory',
    backend,
    clock: options.clock ?? systemClock,
    leaseMs: options.leaseMs ?? 10_000,
    decisions: options.decisions ?? 10_000,
  })
}
