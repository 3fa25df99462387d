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

export function redisHarness(
  name: string,
  create: (options: HarnessStoreOptions) => Store,
): Harness {
  const leaseMs = 1000
  const decisions = 50
  return {
    name,
    leaseMs,
    decisions,
    delayMs: 200,
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
        advance: ms => sleep(ms),
        end: async () => {
          await Promise.all(stores.map(store => store.close()))
        },
      }
    },
  }
}
