/** The conformance harness on a real Redis: its time is waited for. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Store } from '../../src/store/store.ts'
import { randomPrefix } from '../support/redis-server.ts'
import type { Harness } from './harness.ts'

export interface HarnessStoreOptions {
  readonly prefix: string
  readonly leaseMs: number
  readonly decisions: number
}

/** `drop` frees what lies under a prefix. */
export function redisHarness(
  name: string,
  create: (options: HarnessStoreOptions) => Store,
  drop: (prefix: string) => Promise<void>,
  { leaseMs, delayMs } = { leaseMs: 1000, delayMs: 200 },
): Harness {
  const decisions = 50
  return {
    name,
    isExact: false,
    leaseMs,
    decisions,
    delayMs,
    windowMs: 600,
    forgottenAfterMs: 700,
    create: async () => {
      const prefix = randomPrefix()
      const stores: Store[] = []
      return {
        open: async () => {
          const store = create({ prefix, leaseMs, decisions })
          await store.open()
          stores.push(store)
          return store
        },
        // Its connection lives on, its heartbeat does not.
        crash: async () => undefined,
        // A timer may fire a moment early by the clock of another process.
        advance: ms => sleep(ms + 2),
        end: async () => {
          await Promise.all(stores.map(store => store.close()))
          await drop(prefix)
        },
      }
    },
  }
}
