import t from 'tap'
import { createMemoryState, createMemoryStore } from '../../src/store/memory.ts'
import { createSettableClock, createTestClock } from './clock.ts'
import { conformance } from './conformance.ts'
import { claim, entry } from './entries.ts'
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

t.test('a wall clock that is set moves nothing', async t => {
  const machine = createSettableClock()
  const store = createMemoryStore({ clock: machine })
  await store.open()
  await store.accept([entry(store, 'a', { to: ['q+1000'] })])
  machine.set(-7_200_000)
  machine.pass(1000)
  t.equal((await claim(store, ['q'])).length, 1, 'in its time, 2 h back')
  machine.set(3_600_000)
  t.same(await claim(store, ['q']), [], 'a claim holds, 1 h ahead')
  t.equal(await store.heartbeat(), 'held')
})

t.test('warns that it forgets', async t => {
  const store = createMemoryStore()
  t.throws(() => store.hashKey, { name: 'StoreError', reason: 'closed' })
  await store.open()
  t.match(await store.safety(), [{ check: 'durable', ok: false, fatal: false }])
  await t.rejects(store.open(), { name: 'StoreError', reason: 'closed' })
})
