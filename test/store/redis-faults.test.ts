/** The Redis store while its server is away, full, hung, read-only or dropping connections. */
import t, { type Test } from 'tap'
import { createRedisStore, type RedisStoreOptions } from '../../src/store/redis.ts'
import { StoreError, unaccounted, type AcceptEntry, type Store } from '../../src/store/store.ts'
import { startRedisProxy } from '../support/redis-proxy.ts'
import { startRedis, until, type RedisServer } from '../support/redis-server.ts'
import { balanced } from './conformance.ts'
import { claim, delivered, entry, fromJournal, fromQueue, retry } from './entries.ts'

async function open(t: Test, redis: RedisServer, options: RedisStoreOptions = {}) {
  const errors: StoreError[] = []
  const onError = (error: StoreError) => errors.push(error)
  const store = createRedisStore({ url: redis.url, leaseMs: 60_000, onError, ...options })
  t.teardown(() => store.close())
  await store.open()
  return { store, errors }
}

const failsBy = (...reasons: string[]) => ({
  name: 'StoreError',
  reason: new RegExp(`^(${reasons.join('|')})$`),
})

async function rejects(t: Test, promise: Promise<unknown>, ...reasons: string[]): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  t.match(error, failsBy(...reasons))
}

/** Accepts new conversions until one is confirmed. */
async function untilAccepts(store: Store): Promise<void> {
  let attempt = 0
  await until(async () => {
    try {
      await store.accept([entry(store, `probe${attempt++}`, { to: [] })])
      return true
    } catch (error) {
      return `an accept succeeds: ${String(error)}`
    }
  })
}

t.test('outlives a kill -9 of Redis', async t => {
  const redis = await startRedis(t, { args: ['--appendonly', 'yes', '--appendfsync', 'always'] })
  const { store, errors } = await open(t, redis)
  const before = entry(store, 'before', { to: ['x', 'q+0'] })
  await store.accept([before])
  await redis.kill('SIGKILL')
  await rejects(t, store.accept([entry(store, 'away')]), 'connection')
  await rejects(t, store.settle([fromJournal(before.record, [delivered('x')])]), 'connection')
  await rejects(t, store.ledgers(), 'connection')
  await store.note([])
  t.ok(errors.length > 0, 'the loss is told')
  await redis.restart()
  await untilAccepts(store)
  t.match(await store.accept([entry(store, 'before')]), [{ verdict: 'duplicate' }])
  await store.settle([fromJournal(before.record, [delivered('x')])])
  t.match(await claim(store, ['q']), [{ record: before.record }])
  await balanced(t, store)
})

t.test('answers in time while Redis hangs, and works on afterwards', async t => {
  const redis = await startRedis(t)
  const { store } = await open(t, redis, { commandTimeoutMs: 300 })
  await store.accept([entry(store, 'a')])
  await redis.kill('SIGSTOP')
  const waiting = Array.from({ length: 40 }, (_, turn) =>
    store.accept(Array.from({ length: 16 }, (_, i) => entry(store, `hang${turn}-${i}`))),
  )
  const outcomes = await Promise.allSettled(waiting)
  const reasons = outcomes.map(outcome =>
    outcome.status === 'rejected' && outcome.reason instanceof StoreError
      ? outcome.reason.reason
      : outcome.status,
  )
  t.same([...new Set(reasons)], ['timeout'])
  await redis.kill('SIGCONT')
  await untilAccepts(store)
  // What was sent before the hang may have been written after it, and can be found.
  const found = await store.read(await store.journal())
  await store.settle(found.map(({ record }) => fromJournal(record, [delivered('x')])))
  const [ledger] = await store.ledgers()
  t.match(ledger, { delivered: found.length, pending: { journal: 0, queued: 0 } })
  await balanced(t, store)
})

t.test('gives a call that comes again the answer it had, whatever came between', async t => {
  const redis = await startRedis(t)
  const proxy = await startRedisProxy(t, redis.port)
  const { store } = await open(t, redis, { url: proxy.url, commandTimeoutMs: 30_000 })
  const { store: other } = await open(t, redis)
  // Redis has the script from here on, so that the answer that is lost is one.
  await store.accept([entry(store, 'first', { to: [] })])
  const to = ['q+0']
  const batch = [
    entry(store, 'a', { status: 'pending', to }),
    entry(store, 'a', { status: 'declined', to }),
    entry(store, 'a', { status: 'approved', to }),
    // Decided after the next one it would be an update.
    entry(store, 'a', { status: 'approved', to }),
    entry(store, 'a', { status: 'declined', to }),
    entry(store, 'new', { to: ['x'] }),
  ]
  const deliver = (i: number) =>
    until(async () => {
      const [claimed] = await claim(other, ['q'])
      if (!claimed) return `entry ${i} is due`
      t.equal(claimed.record, batch[i]?.record, 'in order')
      await other.settle([fromQueue(claimed.record, delivered('q'))])
      return true
    })
  const lost = new Promise<() => void>(resolve => {
    proxy.reply = () => {
      proxy.reply = () => true
      const goOn = proxy.hold()
      proxy.cut()
      resolve(goOn)
      return false
    }
  })
  const accepted = store.accept(batch)
  const goOn = await lost
  // Redis has it, and the gateway waits for its answer. Another one delivers what it can.
  await until(async () => {
    const [ledger] = (await other.ledgers()).filter(({ destination }) => destination === 'x')
    return ledger?.enqueued === 1 || 'Redis has run it'
  })
  await deliver(0)
  await deliver(1)
  const later = entry(other, 'new', { status: 'reversed', to: ['x'] })
  t.match(await other.accept([later]), [{ verdict: 'update', memory: [] }])
  goOn()
  t.match(await accepted, [
    { verdict: 'new', memory: [] },
    { verdict: 'update', memory: [] },
    { verdict: 'update', memory: [] },
    { verdict: 'duplicate', memory: [] },
    { verdict: 'update', memory: [] },
    { verdict: 'new', memory: ['x'] },
  ])
  const ledgers = await other.ledgers()
  t.match(
    ledgers.find(({ destination }) => destination === 'q'),
    { enqueued: 4, delivered: 2, pending: { queued: 2 } },
  )
  t.match(
    ledgers.find(({ destination }) => destination === 'x'),
    { enqueued: 2, pending: { journal: 1, queued: 1 } },
  )
  await deliver(2)
  await deliver(4)
  await balanced(t, other)
})

t.test('says that a replica is read-only', async t => {
  const redis = await startRedis(t)
  const { store } = await open(t, redis)
  await store.accept([entry(store, 'a')])
  // A master that is not there: the data stays.
  await redis.admin.replicaof('127.0.0.1', '1')
  await rejects(t, store.accept([entry(store, 'b')]), 'readonly')
  await rejects(t, store.heartbeat(), 'readonly')
  await rejects(t, createRedisStore({ url: redis.url }).open(), 'readonly')
  await redis.admin.replicaof('NO', 'ONE')
  t.match(await store.accept([entry(store, 'b')]), [{ verdict: 'new' }])
  await balanced(t, store)
})

t.test('says that Redis is loading', async t => {
  // Takes 3 ms to load a key, and answers in between.
  const slowly = '--key-load-delay 3000 --loading-process-events-interval-bytes 1024'
  const redis = await startRedis(t, { args: slowly.split(' ') })
  const { store } = await open(t, redis)
  await store.accept(Array.from({ length: 400 }, (_, i) => entry(store, `k${i}`)))
  await redis.admin.save()
  await redis.kill('SIGKILL')
  await redis.restart()
  const reasons = new Set<string>()
  await until(async () => {
    try {
      await store.accept([entry(store, `more${reasons.size}`)])
      return true
    } catch (error) {
      reasons.add(error instanceof StoreError ? error.reason : String(error))
      return 'it is loaded'
    }
  })
  t.ok(reasons.has('loading'), 'while it loads', { reasons: [...reasons] })
})

t.test('drains while Redis is full', async t => {
  const redis = await startRedis(t, { args: ['--maxmemory', '6mb'] })
  const { store } = await open(t, redis)
  const body = 'x'.repeat(2000)
  const accepted: AcceptEntry[] = []
  let refusal: unknown
  for (let turn = 0; refusal === undefined && turn < 1000; turn++) {
    const batch = Array.from({ length: 20 }, (_, i) => ({
      ...entry(store, `k${turn}-${i}`, { to: ['x', 'y', 'q+0'] }),
      body,
    }))
    try {
      await store.accept(batch)
      accepted.push(...batch)
    } catch (error) {
      refusal = error
    }
  }
  t.match(refusal, failsBy('full'))
  t.ok(accepted.length > 0)
  t.equal(await store.heartbeat(), 'held', 'the lease can be kept')
  const taken = await claim(store, ['q'], 50)
  t.equal(taken.length, 50, 'work can be claimed')
  await store.settle([
    ...taken.map(({ record }) => fromQueue(record, delivered('q'))),
    // A record that shrinks and a retry: both have to write.
    ...accepted.map(({ record }) => fromJournal(record, [retry('x', 0)], ['y'])),
  ])
  await store.settle(accepted.map(({ record }) => fromJournal(record, [delivered('y')])))
  for (let left = 1; left > 0;) {
    const more = await claim(store, ['q', 'x'], 100)
    await store.settle(more.map(d => fromQueue(d.record, delivered(d.destination))))
    left = more.length
  }
  await balanced(t, store)
  const inJournal = new Set(await store.journal())
  for (const ledger of await store.ledgers()) {
    t.equal(ledger.pending.queued, 0, `${ledger.destination} is drained`)
  }
  t.ok(inJournal.size < 320, 'only what was refused in another partition may be left')
  await untilAccepts(store)
})

t.test('loses and doubles nothing in a storm of dropped connections', async t => {
  const redis = await startRedis(t)
  const { store } = await open(t, redis)
  const COUNT = 4000
  const answered = new Set<string>()
  const inDoubt = new Set<string>()
  const wrong: string[] = []
  let isOver = false
  let kills = 0

  async function storm(): Promise<void> {
    while (!isOver) {
      kills += Number(await redis.admin.call('client', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'))
      await new Promise(resolve => setTimeout(resolve, 15))
    }
  }

  /** A network that repeats until it gets its answer, and the delivery of what was accepted. */
  async function postback(conversion: string): Promise<void> {
    for (;;) {
      const sent = entry(store, conversion)
      try {
        const [result] = await store.accept([sent])
        if (result?.verdict === 'duplicate' && !inDoubt.has(conversion)) wrong.push(conversion)
        answered.add(conversion)
        if (result?.verdict === 'new') await settle(sent.record)
        return
      } catch (error) {
        if (!(error instanceof StoreError)) throw error
        inDoubt.add(conversion)
      }
    }
  }

  async function settle(record: string): Promise<void> {
    for (;;) {
      try {
        return await store.settle([fromJournal(record, [delivered('x')])])
      } catch (error) {
        if (!(error instanceof StoreError)) throw error
      }
    }
  }

  const storming = storm()
  let next = 0
  const sender = async () => {
    while (next < COUNT) await postback(`k${next++}`)
  }
  await Promise.all(Array.from({ length: 64 }, sender))
  isOver = true
  await storming
  t.ok(kills > 5, 'connections were dropped', { kills })
  t.equal(answered.size, COUNT)
  t.same(wrong, [], 'a write that is sent again is known as its own')
  const stranded = await store.journal()
  t.ok(stranded.length <= inDoubt.size, 'only what has no answer is left', {
    stranded: stranded.length,
    inDoubt: inDoubt.size,
  })
  await store.settle(stranded.map(record => fromJournal(record, [delivered('x')])))
  const [ledger] = await store.ledgers()
  t.match(ledger, { enqueued: COUNT, delivered: COUNT, pending: { journal: 0, queued: 0 } })
  t.equal(ledger && unaccounted(ledger), 0)
})
