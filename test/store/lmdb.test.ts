import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { createLmdbStore } from '../../src/store/lmdb.ts'
import type { Store } from '../../src/store/store.ts'
import { createTestClock } from './clock.ts'
import { conformance } from './conformance.ts'
import type { Harness } from './harness.ts'

const DAY = 86_400_000

const lmdb: Harness = {
  name: 'lmdb',
  leaseMs: 10_000,
  delayMs: 1000,
  windowMs: DAY,
  // Whole days are dropped.
  forgottenAfterMs: 2 * DAY,
  decisions: 50,
  create: async () => {
    const clock = createTestClock()
    const path = await mkdtemp(join(tmpdir(), 'postern-lmdb-'))
    const { leaseMs, decisions } = lmdb
    const stores: Store[] = []
    return {
      open: async () => {
        const store = createLmdbStore({ path, clock, leaseMs, decisions })
        await store.open()
        stores.push(store)
        return store
      },
      crash: async () => {},
      advance: async ms => clock.advance(ms),
      end: async () => {
        for (const store of stores) await store.close()
        await rm(path, { recursive: true, force: true })
      },
    }
  },
}

conformance(t, lmdb)
