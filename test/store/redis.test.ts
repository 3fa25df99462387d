/** The Redis store on one healthy server. */
import t, { type Test } from 'tap'
import { createRedisStore, type RedisStoreOptions } from '../../src/store/redis.ts'
import { dropPrefix, randomPrefix, redisForTest, startRedis } from '../support/redis-server.ts'
import { balanced, conformance } from './conformance.ts'
import { claim, delivered, entry, fromJournal } from './entries.ts'
import { modelTest } from './model.ts'
import { redisHarness } from './redis-harness.ts'

const { url, admin } = await redisForTest(t)

conformance(
  t,
  redisHarness(
    'redis',
    options => createRedisStore({ url, ...options }),
    prefix => dropPrefix(admin, prefix),
  ),
)

modelTest(
  t,
  redisHarness(
    'redis',
    options => createRedisStore({ url, ...options, partitions: 3 }),
    prefix => dropPrefix(admin, prefix),
    { leaseMs: 600, delayMs: 60 },
  ),
  25,
  100,
)

async function open(t: Test, options: RedisStoreOptions = {}) {
  const { prefix = randomPrefix() } = options
  const store = createRedisStore({ url, ...options, prefix })
  t.teardown(async () => {
    await store.close()
    await dropPrefix(admin, prefix)
  })
  await store.open()
  return { store, prefix }
}

t.test('refuses data that was laid out otherwise', async t => {
  const { prefix } = await open(t, { partitions: 16 })
  const refused = (options: RedisStoreOptions) =>
    t.rejects(createRedisStore({ url, prefix, ...options }).open(), {
      name: 'StoreError',
      reason: 'layout',
      message: /16 partitions.*configuration says 8.*set store\.redis\.partitions to 16/,
    })
  await refused({ partitions: 8 })
  await admin.hset(`${prefix}:{meta}`, 'layout', '0')
  await t.rejects(createRedisStore({ url, prefix }).open(), {
    name: 'StoreError',
    reason: 'layout',
    message: /layout 0, this version reads 1/,
  })
})

t.test('refuses keys of another application', async t => {
  const prefix = randomPrefix()
  t.teardown(() => dropPrefix(admin, prefix))
  await admin.set(`${prefix}:{meta}`, 'not ours')
  await t.rejects(createRedisStore({ url, prefix }).open(), {
    name: 'StoreError',
    reason: 'layout',
  })
})

t.test('says what it needs', async t => {
  await t.rejects(createRedisStore({}).open(), { message: /one of url, sentinels or cluster/ })
  await t.rejects(createRedisStore({ sentinels: ['127.0.0.1:1'] }).open(), {
    message: /needs store\.redis\.master/,
  })
  const wrong = createRedisStore({ url, password: 'hunter2', username: 'nobody' })
  const error = await wrong.open().catch((error: Error) => error)
  t.match(error, { name: 'StoreError', reason: 'connection' })
  t.notMatch(JSON.stringify(error) + String(error), /hunter2/)
})

t.test('loads its scripts again', async t => {
  const { store } = await open(t)
  const entries = Array.from({ length: 40 }, (_, i) => entry(store, `k${i}`))
  await store.accept(entries.slice(0, 20))
  await admin.script('FLUSH')
  t.ok((await store.accept(entries.slice(20))).every(({ verdict }) => verdict === 'new'))
  await admin.script('FLUSH')
  await store.settle(entries.map(({ record }) => fromJournal(record, [delivered('x')])))
  await admin.script('FLUSH')
  t.match(await store.ledgers(), [{ enqueued: 40, delivered: 40, pending: { journal: 0 } }])
})

t.test('spreads keys over partitions and finds them again', async t => {
  const { store, prefix } = await open(t, { partitions: 4 })
  const entries = Array.from({ length: 100 }, (_, i) => entry(store, `k${i}`, { to: ['x', 'q+0'] }))
  await store.accept(entries)
  const journals = await Promise.all(
    [0, 1, 2, 3].map(p => admin.hlen(`${prefix}:{${p}}:j:${store.owner}`)),
  )
  t.ok(
    journals.every(size => size > 10),
    'evenly',
    { journals },
  )
  t.equal((await store.journal()).length, 100)
  const taken = await claim(store, ['q'], 30)
  t.equal(taken.length, 30, 'a claim over all partitions keeps its limit')
  const ids = entries.map(({ record }) => record)
  t.same((await store.read(ids)).map(row => row.record).sort(), [...ids].sort())
  await balanced(t, store)
})

t.test('buckets of rates are shared, and gone when they are full', async t => {
  const { store, prefix } = await open(t, { partitions: 3 })
  const other = createRedisStore({ url, prefix, partitions: 3 })
  await other.open()
  t.teardown(() => other.close())
  const use = (name: string, taken: number) => ({ name, perSecond: 10, taken })
  const names = Array.from({ length: 20 }, (_, i) => `net-${i}`)
  const started = performance.now()
  const left = await store.shareRates?.(names.map((name, i) => use(name, i % 5)))
  t.same(left, names.map((_, i) => 10 - (i % 5)), 'each its own, in order') // prettier-ignore
  const [after = NaN] = (await other.shareRates?.([use('net-4', 6)])) ?? []
  const filled = (performance.now() - started) / 100
  t.ok(after <= filled, `what the other took is missing: ${after}, filled ${filled}`)
  const [deep = NaN] = (await store.shareRates?.([use('net-4', 10_000)])) ?? []
  t.equal(deep, -10, 'a debt of one second and no more')
  const keys = await admin.keys(`${prefix}:{*}:r:*`)
  t.equal(keys.length, 20)
  t.notOk(keys.some(key => key.includes('net-')), 'names are hashed') // prettier-ignore
  for (const key of keys) t.ok((await admin.pttl(key)) <= 2000, 'and soon gone')
})

t.test('finds nothing under a mistyped record id', async t => {
  const { store } = await open(t)
  for (const record of ['', 'nonsense', 'no-such-zz']) {
    const id = { record, destination: 'x' }
    t.equal(await store.deadLetter(id), undefined)
    t.equal(await store.replay([id]), 0)
    t.equal(await store.discard([id]), 0)
    t.same(await store.read([record]), [])
  }
})

t.test('sends and keeps little', async t => {
  const { store, prefix } = await open(t)
  const batch = (name: string) =>
    Array.from({ length: 400 }, (_, i) => {
      const sent = entry(store, `${name}${i}`, { to: ['x', 'y'] })
      return { ...sent, body: `{"record":"${sent.record}"}`.padEnd(190, '.') }
    })
  const received = async () =>
    Number(/total_net_input_bytes:(\d+)/.exec(await admin.info('stats'))?.[1])
  // The first call of a connection may carry the text of the script.
  await store.accept(batch('first'))
  const entries = batch('k')
  const before = await received()
  await store.accept(entries)
  const bytes = ((await received()) - before) / entries.length
  t.ok(bytes <= 350, 'bytes sent for a postback with a body of 190', { bytes })
  const memory = await admin.memory('USAGE', `${prefix}:{0}:s:${keyIn(0, entries)}`)
  t.ok(Number(memory) <= 200, 'bytes kept for a dedupe key', { memory })
})

function keyIn(partition: number, entries: readonly { key: string }[]): string {
  return (
    entries.find(({ key }) => Number.parseInt(key.slice(0, 4), 16) % 16 === partition)?.key ?? ''
  )
}

t.test('tells whether this Redis can lose data', async t => {
  const safe = await startRedis(t, { args: ['--appendonly', 'yes', '--appendfsync', 'always'] })
  const { store } = await open(t, { url: safe.url })
  const checks = async () =>
    Object.fromEntries((await store.safety()).map(({ check, ...rest }) => [check, rest]))
  const good = await checks()
  t.ok(
    Object.values(good).every(({ ok }) => ok),
    'all is well',
    { good },
  )
  await safe.admin.config('SET', 'maxmemory-policy', 'volatile-lru')
  await safe.admin.config('SET', 'appendfsync', 'everysec')
  t.match(await checks(), {
    redis_version: { ok: true },
    maxmemory_policy_noeviction: { ok: false, fatal: true, detail: /volatile-lru.*noeviction/ },
    append_only_file: { ok: true },
    append_fsync_always: { ok: false, fatal: false, detail: /about 2 seconds/ },
  })
  await safe.admin.config('SET', 'appendonly', 'no')
  t.match(await checks(), { append_only_file: { ok: false, fatal: false } })

  await safe.admin.acl('SETUSER', 'managed', 'on', '>pw', '~*', '+@all', '-config', '-info')
  const managed = await open(t, { url: safe.url, username: 'managed', password: 'pw' })
  for (const { ok, fatal, detail } of await managed.store.safety()) {
    t.match({ ok, fatal, detail }, { ok: false, fatal: false, detail: /cannot tell/ })
  }
})
