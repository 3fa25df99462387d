/** The Redis store on more than one server: Cluster, replicas that confirm, Sentinel. */
import t, { type Test } from 'tap'
import { partitionOf } from '../../src/base/id.ts'
import { createRedisStore } from '../../src/store/redis.ts'
import { StoreError, type Store } from '../../src/store/store.ts'
import {
  dropPrefix,
  startCluster,
  startRedis,
  until,
  type RedisServer,
} from '../support/redis-server.ts'
import { balanced, conformance } from './conformance.ts'
import { delivered, entry, fromJournal } from './entries.ts'
import { redisHarness } from './redis-harness.ts'

const nodes = await startCluster(t, 3)
const cluster = nodes.map(({ port }) => `127.0.0.1:${port}`)

conformance(
  t,
  redisHarness(
    'redis cluster',
    options => createRedisStore({ cluster, ...options }),
    async prefix => {
      await Promise.all(nodes.map(({ admin }) => dropPrefix(admin, prefix)))
    },
  ),
)

t.test('buckets of rates are shared across nodes', async t => {
  const prefix = `rates-${process.pid}`
  const stores = [createRedisStore({ cluster, prefix }), createRedisStore({ cluster, prefix })]
  for (const store of stores) await store.open()
  t.teardown(async () => {
    for (const store of stores) await store.close()
    await Promise.all(nodes.map(({ admin }) => dropPrefix(admin, prefix)))
  })
  const [one, other] = stores
  const uses = Array.from({ length: 60 }, (_, i) => ({ name: `n${i}`, perSecond: 1, taken: 1 }))
  const started = performance.now()
  const first = (await one?.shareRates?.(uses)) ?? []
  t.same(first, Array.from({ length: 60 }, () => 0)) // prettier-ignore
  const left = (await other?.shareRates?.(uses)) ?? []
  // They fill at one a second.
  const most = (performance.now() - started) / 1000 - 1
  t.ok(left.length === 60 && left.every(tokens => tokens <= most), 'the other knows')
})

async function failure(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise
    return undefined
  } catch (error) {
    return error
  }
}

/** The node that has the slot, and another. */
async function nodesOf(slot: number): Promise<{ from: RedisServer; to: RedisServer }> {
  const ranges = (await nodes[0]?.admin.cluster('SLOTS')) ?? []
  const port = ranges.find(([start, end]) => start <= slot && slot <= end)?.[2]?.[1]
  const from = nodes.find(node => node.port === port)
  const to = nodes.find(node => node.port !== port)
  if (!from || !to) throw new Error(`no node has slot ${slot}`)
  return { from, to }
}

t.test('decides nothing while its slot is half moved, and goes on after', async t => {
  const store = createRedisStore({ cluster, prefix: 'moving', commandTimeoutMs: 800 })
  t.teardown(() => store.close())
  await store.open()
  const entries = Array.from({ length: 200 }, (_, i) => entry(store, `k${i}`))
  await store.accept(entries)
  const slot = Number(await nodes[0]?.admin.cluster('KEYSLOT', 'moving:{0}:'))
  const { from, to } = await nodesOf(slot)
  const idOf = (node: RedisServer) => node.admin.cluster('MYID')
  await to.admin.call('cluster', 'SETSLOT', `${slot}`, 'IMPORTING', await idOf(from))
  await from.admin.call('cluster', 'SETSLOT', `${slot}`, 'MIGRATING', await idOf(to))
  const move = async (count: number) => {
    const keys = await from.admin.cluster('GETKEYSINSLOT', slot, count)
    if (keys.length > 0) {
      await from.admin.call('migrate', '127.0.0.1', `${to.port}`, '', '0', '5000', 'KEYS', ...keys)
    }
    return keys.length
  }
  t.equal(await move(3), 3)
  const moving = entries.filter(({ record }) => partitionOf(record) === 0)
  const settled = entries.filter(({ record }) => partitionOf(record) !== 0)
  t.ok(moving.length > 3)
  const again = (name: string) => entry(store, name)
  for (const { key } of moving.slice(0, 2)) {
    const sent = { ...again('any'), key, record: store.newRecord(key) }
    t.match(await failure(store.accept([sent])), { name: 'StoreError', reason: 'connection' })
  }
  const elsewhere = settled.map(({ key }) => ({
    ...again('any'),
    key,
    record: store.newRecord(key),
  }))
  t.ok(
    (await store.accept(elsewhere)).every(({ verdict }) => verdict === 'duplicate'),
    'other partitions work',
  )
  while ((await move(100)) > 0);
  for (const node of [to, from, ...nodes]) {
    await node.admin.call('cluster', 'SETSLOT', `${slot}`, 'NODE', await idOf(to))
  }
  const all = moving.map(({ key }) => ({ ...again('any'), key, record: store.newRecord(key) }))
  t.ok(
    (await store.accept(all)).every(({ verdict }) => verdict === 'duplicate'),
    'everything is known at the new place',
  )
  await store.settle(entries.map(({ record }) => fromJournal(record, [delivered('x')])))
  t.match(await store.ledgers(), [{ enqueued: 200, delivered: 200, pending: { journal: 0 } }])
})

t.test('works on after connections to the nodes were dropped', async t => {
  const store = createRedisStore({ cluster, prefix: 'dropped' })
  t.teardown(() => store.close())
  await store.open()
  for (let round = 0; round < 5; round++) {
    const entries = Array.from({ length: 100 }, (_, i) => entry(store, `k${round}-${i}`))
    const accepting = store.accept(entries)
    await Promise.all(
      nodes.map(({ admin }) => admin.call('client', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')),
    )
    const results = await accepting
    t.ok(results.every(({ verdict }) => verdict === 'new'))
    await store.settle(entries.map(({ record }) => fromJournal(record, [delivered('x')])))
  }
  t.match(await store.ledgers(), [{ enqueued: 500, delivered: 500, pending: { journal: 0 } }])
})

t.test('checks every master', async t => {
  const store = createRedisStore({ cluster, prefix: 'safety' })
  t.teardown(() => store.close())
  await store.open()
  const policy = async () =>
    (await store.safety()).find(({ check }) => check === 'maxmemory_policy_noeviction')
  t.match(await policy(), { ok: true })
  await nodes[2]?.admin.config('SET', 'maxmemory-policy', 'allkeys-lru')
  t.match(await policy(), { ok: false, fatal: true })
  await nodes[2]?.admin.config('SET', 'maxmemory-policy', 'noeviction')
})

t.test('waits for the replica of the right node, and follows a failover of it', async t => {
  const slot = Number(await nodes[0]?.admin.cluster('KEYSLOT', 'failing:{0}:'))
  const { from: master } = await nodesOf(slot)
  const args = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000']
  const replica = await startRedis(t, { args })
  await replica.admin.cluster('MEET', '127.0.0.1', master.port)
  const id = await master.admin.cluster('MYID')
  await until(async () =>
    replica.admin.cluster('REPLICATE', id).then(
      () => true,
      () => 'the new node knows the master',
    ),
  )
  await until(async () => {
    const info = await replica.admin.info('replication')
    return /master_link_status:up/.test(info) || 'the replica is linked'
  })
  const options = {
    cluster,
    prefix: 'failing',
    leaseMs: 60_000,
    waitReplicas: 1,
    waitTimeoutMs: 1000,
  }
  const store = createRedisStore({ ...options, partitions: 1 })
  t.teardown(() => store.close())
  await store.open()
  const entries = Array.from({ length: 20 }, (_, i) => entry(store, `k${i}`))
  t.ok((await store.accept(entries)).every(({ verdict }) => verdict === 'new'))
  await replica.admin.readonly()
  t.equal(await replica.admin.hlen(`failing:{0}:j:${store.owner}`), 20)

  const elsewhere = createRedisStore({ ...options, prefix: 'failing16', waitTimeoutMs: 100 })
  t.teardown(() => elsewhere.close())
  await elsewhere.open()
  const spread = Array.from({ length: 20 }, (_, i) => entry(elsewhere, `k${i}`))
  t.match(await failure(elsewhere.accept(spread)), { reason: 'replicas' }, 'others have none')

  await master.kill('SIGKILL')
  const patient = createRedisStore({ ...options, partitions: 1, waitReplicas: undefined })
  t.teardown(() => patient.close())
  await until(async () => {
    const error = await failure(store.settle([fromJournal(entries[0]?.record ?? '', [])]))
    return error === undefined || 'the replica takes over'
  })
  await patient.open()
  const again = entries.map(({ key }) => ({ ...entry(patient, 'any'), key }))
  t.ok((await patient.accept(again)).every(({ verdict }) => verdict === 'duplicate'))
  t.equal((await store.journal()).length, 20, 'nothing that was confirmed is lost')
})

async function startReplica(t: Test, master: RedisServer): Promise<RedisServer> {
  const replica = await startRedis(t, { args: ['--replicaof', `127.0.0.1 ${master.port}`] })
  await until(async () => {
    const info = await master.admin.info('replication')
    return /slave0:.*state=online/.test(info) || 'the replica is online'
  })
  return replica
}

const REPLICATES_AT_ONCE = { args: ['--repl-diskless-sync-delay', '0'] }

async function accepts(store: Store, conversion: string): Promise<true | string> {
  const error = await failure(store.accept([entry(store, conversion)]))
  if (error === undefined) return true
  if (error instanceof StoreError) return `an accept succeeds (${error.reason})`
  throw error
}

t.test('answers only what a replica has', async t => {
  const master = await startRedis(t, REPLICATES_AT_ONCE)
  const replica = await startReplica(t, master)
  const store = createRedisStore({
    url: master.url,
    waitReplicas: 1,
    waitTimeoutMs: 1000,
    leaseMs: 60_000,
  })
  t.teardown(() => store.close())
  await store.open()
  const entries = Array.from({ length: 50 }, (_, i) => entry(store, `k${i}`))
  t.ok((await store.accept(entries)).every(({ verdict }) => verdict === 'new'))
  const keys = await replica.admin.keys('postern:*:s:*')
  t.equal(keys.length, 50, 'all of it is on the replica')
  const check = async () =>
    (await store.safety()).find(({ check }) => check === 'replicas_connected')
  t.match(await check(), { ok: true, detail: 'replicas connected: 1' })

  await master.admin.script('FLUSH')
  t.equal(await accepts(store, 'flushed'), true, 'also when the script was not loaded')

  await replica.kill('SIGSTOP')
  const late = entry(store, 'late')
  t.match(await failure(store.accept([late])), {
    name: 'StoreError',
    reason: 'replicas',
    message: /0 of 1 replicas/,
  })
  t.ok((await store.journal()).includes(late.record), 'the write exists and can be found')
  const slow = store.accept([entry(store, 'slow')])
  await store.settle(entries.map(({ record }) => fromJournal(record, [delivered('x')])))
  t.equal(await store.heartbeat(), 'held', 'work goes on beside the wait')
  t.match(await failure(slow), { reason: 'replicas' })
  await replica.kill('SIGCONT')
  await until(() => accepts(store, 'again'))
  t.match(await store.accept([late]), [{ verdict: 'new', memory: ['x'] }], 'still its own')

  await replica.kill('SIGKILL')
  await until(async () => ((await check())?.ok === false ? true : 'the loss of the replica shows'))
  await balanced(t, store)
})

t.test('follows a failover by Sentinel', async t => {
  const master = await startRedis(t, REPLICATES_AT_ONCE)
  const replica = await startReplica(t, master)
  const sentinel = await startRedis(t, {
    args: ['--sentinel'],
    config: [
      `sentinel monitor main 127.0.0.1 ${master.port} 1`,
      'sentinel down-after-milliseconds main 500',
      'sentinel failover-timeout main 2000',
    ],
  })
  await until(async () => {
    const replicas = (await sentinel.admin.call('sentinel', 'replicas', 'main')) as unknown[]
    return replicas.length === 1 || 'the sentinel knows the replica'
  })
  const store = createRedisStore({
    sentinels: [`127.0.0.1:${sentinel.port}`],
    master: 'main',
    leaseMs: 60_000,
  })
  t.teardown(() => store.close())
  await store.open()
  const before = entry(store, 'before')
  await store.accept([before])
  await until(async () => {
    const owned = await replica.admin.hlen(
      `postern:{${partitionOf(before.record)}}:j:${store.owner}`,
    )
    return owned === 1 || 'the record is on the replica'
  })
  await master.kill('SIGKILL')
  t.match(await failure(store.accept([entry(store, 'away')])), { name: 'StoreError' })
  let probe = 0
  await until(() => accepts(store, `probe${probe++}`))
  t.match(await store.accept([entry(store, 'before')]), [{ verdict: 'duplicate' }])
  t.ok((await store.journal()).includes(before.record))
  await balanced(t, store)
})
