import t from 'tap'
import { createMemoryState, createMemoryStore } from '../../src/store/memory.ts'
import { createTestClock } from './clock.ts'
import { conformance } from './conformance.ts'
import { modelTest } from './model.ts'
import type { Harness } from './harness.ts'

const DAY = 86_400_000

const memory: Harness = {
  name: 'memory',
  isExact: true,
  leaseMs: 10_000,
  delayMs: 1000,
  windowMs: DAY,
  forgottenAfterMs: DAY,
  decisions: 50,
  create: async () => {
    const clock = createTestClock()
    const shared = createMemoryState()
    const { leaseMs, decisions } = memory
    return {
      open: async () => {
        const store = createMemoryStore({ clock, shared, leaseMs, decisions })
        await store.open()
        return store
      },
      crash: async () => {},
      advance: async ms => clock.advance(ms),
      end: async () => {},
    }
  },
}

conformance(t, memory)
modelTest(t, memory, 300)

t.test('warns that it forgets', async t => {
  const store = createMemoryStore()
  t.throws(() => store.hashKey, { name: 'StoreError', reason: 'closed' })
  await store.open()
  t.match(await store.safety(), [{ check: 'durable', ok: false, fatal: false }])
  await t.rejects(store.open(), { name: 'StoreError', reason: 'closed' })
})
