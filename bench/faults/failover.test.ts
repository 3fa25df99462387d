/**
 * F6 and F7: the gateway and the master are cut off from the rest for 12 s, long enough for the
 * rest to make another master; then the cable is plugged in again. The trackers are away
 * throughout, so that what the store loses is lost: nothing was delivered from memory before.
 * Counted: postbacks answered 2xx that never arrive.
 */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { startGateway, temporaryFolder } from '../../test/support/gateway.ts'
import { install, target } from '../../test/support/installation.ts'
import { startSender } from '../../test/support/sender.ts'
import { ENV, wait } from '../../test/support/survive.ts'
import { until } from '../../test/support/until.ts'
import { createHosts, redisOn, type Hosts } from './hosts.ts'
import { record } from './record.ts'
import { runsOf } from './runs.ts'

const PARTITION_MS = 12_000
const DURABLE = [
  '--save',
  '',
  ...'--appendonly yes --appendfsync always --repl-diskless-sync-delay 0'.split(' '),
]
t.setTimeout(1_800_000)

interface Result {
  readonly acknowledged: number
  readonly lost: number
  readonly answers: ReadonlyMap<number, number>
}

/** What the test asks of the Redis servers. */
interface Watch {
  /** Another master has been made. */
  readonly hasMoved: () => Promise<boolean>
  /** The old one obeys it. */
  readonly hasYielded: () => Promise<boolean>
  readonly nodes: readonly Redis[]
}

const isMaster = async (node: Redis) => /role:master/.test(await node.info('replication'))

/** Journal and queue entries on all masters. */
async function pending(nodes: readonly Redis[]): Promise<number> {
  let count = 0
  for (const node of nodes) {
    if (!(await isMaster(node))) continue
    for (const key of await node.keys('postern:*:[jq]:*')) count += await node.hlen(key)
  }
  return count
}

async function cutOff(
  t: Test,
  hosts: Hosts,
  redis: Record<string, unknown>,
  { hasMoved, hasYielded, nodes }: Watch,
): Promise<Result> {
  let areBack = false
  const arrived = new Set<string>()
  const server = createServer((request, response) => {
    response.statusCode = areBack ? 200 : 503
    if (areBack) arrived.add(new URL(request.url ?? '/', 'http://t').searchParams.get('tid') ?? '')
    response.end()
  })
  await new Promise<void>(resolve => server.listen(0, hosts.outside.here, resolve))
  t.teardown(() => server.close())
  t.teardown(() => server.closeAllConnections())
  const { port } = server.address() as AddressInfo
  const folder = temporaryFolder(t)
  const config = install(folder, {
    store: { type: 'redis', redis, lease_ms: 5000, allow_unsafe: true },
    tracker: `http://${hosts.outside.here}:${port}`,
    destinations: ['a'],
    destination: { retry_schedule_ms: [1000], allow_private: ['10.0.0.0/8'] },
    more: { server: { listen: `${hosts.here.manage}:0` } },
  })
  const gateway = await startGateway(t, config, ENV, hosts.here.within)
  const sender = startSender({
    url: () => gateway.url,
    target: id => target(id),
    perSecond: 100,
    duplicates: 0,
  })
  t.teardown(() => sender.abandon())
  const { journal } = sender
  await until('there is a load', () => journal.acknowledged.size > 200, 60_000)
  hosts.pull()
  await wait(PARTITION_MS)
  await until('there is another master', hasMoved, 30_000)
  hosts.plug()
  await until('the old master obeys', hasYielded, 60_000)
  const before = journal.acknowledged.size
  await until('postbacks are taken again', () => journal.acknowledged.size > before + 200, 120_000)
  await sender.finish()
  areBack = true
  await until('all that is stored is delivered', async () => (await pending(nodes)) === 0, 120_000)
  const lost = [...journal.acknowledged].filter(id => !arrived.has(id)).length
  await gateway.kill('SIGKILL')
  return { acknowledged: journal.acknowledged.size, lost, answers: journal.answers }
}

const told = (answers: ReadonlyMap<number, number>) =>
  [...answers].map(([status, count]) => `${status || 'no answer'}: ${count}`).join(', ')

async function sentinels(
  t: Test,
  master: readonly string[],
  redis: Record<string, unknown>,
): Promise<Result> {
  const hosts = createHosts(t)
  const { here, there } = hosts
  const old = await redisOn(t, here, 6379, [...DURABLE, ...master])
  const replica = await redisOn(t, there, 6379, [...DURABLE, ...master, '--replicaof', `${here.address} 6379`]) // prettier-ignore
  await until('the replica is linked', async () =>
    /master_link_status:up/.test(await replica.info('replication')),
  )
  const ports = [26379, 26380, 26381]
  const watchers: Redis[] = []
  for (const port of ports) {
    const file = join(temporaryFolder(t), 'sentinel.conf')
    writeFileSync(
      file,
      [
        `sentinel monitor main ${here.address} 6379 2`,
        'sentinel down-after-milliseconds main 2000',
        'sentinel failover-timeout main 6000',
        '',
      ].join('\n'),
    )
    watchers.push(await redisOn(t, there, port, [file, '--sentinel']))
  }
  for (const watcher of watchers) {
    await until('sentinels know each other and the replica', async () => {
      const found = (await watcher.call('sentinel', 'master', 'main')) as string[]
      const value = (name: string) => found[found.indexOf(name) + 1]
      return value('num-other-sentinels') === '2' && value('num-slaves') === '1'
    })
  }
  const options = { sentinels: ports.map(port => `${there.address}:${port}`), master: 'main' }
  return cutOff(
    t,
    hosts,
    { ...options, ...redis },
    {
      hasMoved: () => isMaster(replica),
      hasYielded: async () => !(await isMaster(old)),
      nodes: [old, replica],
    },
  )
}

async function cluster(t: Test, redis: Record<string, unknown>): Promise<Result> {
  const hosts = createHosts(t)
  const { here, there } = hosts
  const own = '--cluster-enabled yes --cluster-node-timeout 2000'.split(' ')
  const old = await redisOn(t, here, 7000, [...DURABLE, ...own])
  const others: Redis[] = []
  for (const port of [7001, 7002, 7003, 7004, 7005]) {
    others.push(await redisOn(t, there, port, [...DURABLE, ...own]))
  }
  const cli = (...args: string[]) => {
    const [enter = '', ...rest] = there.within
    return execFileSync(enter, [...rest, 'redis-cli', ...args], { encoding: 'utf8' })
  }
  const masters = [`${here.address}:7000`, `${there.address}:7001`, `${there.address}:7002`]
  cli('--cluster', 'create', ...masters, '--cluster-yes')
  for (const [i, master] of masters.entries()) {
    const [host = '', port = ''] = master.split(':')
    const id = cli('-h', host, '-p', port, 'cluster', 'myid').trim()
    const replica = `${there.address}:${7003 + i}`
    await until('the node is added', () => {
      try {
        return /New node added/.test(
          cli('--cluster', 'add-node', replica, master, '--cluster-slave', '--cluster-master-id', id), // prettier-ignore
        )
      } catch {
        return false
      }
    })
  }
  for (const node of others.slice(2)) {
    await until('replicas are linked', async () =>
      /master_link_status:up/.test(await node.info('replication')),
    )
  }
  const [, , heir = old] = others
  return cutOff(
    t,
    hosts,
    { cluster: masters, ...redis },
    {
      hasMoved: () => isMaster(heir),
      hasYielded: async () => !(await isMaster(old)),
      nodes: [old, ...others],
    },
  )
}

const WAIT = { wait_replicas: 1, wait_timeout_ms: 500 }
const LAG = '--min-replicas-to-write 1 --min-replicas-max-lag 2'.split(' ')

type Row = readonly [
  fault: string,
  setting: string,
  usual: number,
  mustLose: boolean,
  run: (t: Test) => Promise<Result>,
]
// Often where nothing may be lost. Where something is, a few times show how much.
const rows: readonly Row[] = [
  ['F6 Sentinel failover', 'AOF always', 3, true, t => sentinels(t, [], {})],
  ['F6 Sentinel failover', 'min-replicas-to-write 1', 3, false, t => sentinels(t, LAG, {})],
  ['F6 Sentinel failover', 'wait_replicas 1', 10, false, t => sentinels(t, [], WAIT)],
  ['F7 Cluster failover', 'AOF always', 2, true, t => cluster(t, {})],
  ['F7 Cluster failover', 'wait_replicas 1', 5, false, t => cluster(t, WAIT)],
]

for (const [fault, setting, usual, mustLose, run] of rows) {
  t.test(`${fault}, ${setting}`, async t => {
    const runs = runsOf(usual)
    const results: Result[] = []
    for (let i = 1; i <= runs; i++) {
      // A test of its own: its hosts are gone before the next.
      await t.test(`${i} of ${runs}`, async t => void results.push(await run(t)))
    }
    if (!t.passing()) return
    const sum = (of: (result: Result) => number) =>
      results.reduce((total, result) => total + of(result), 0)
    const acknowledged = sum(result => result.acknowledged)
    const lost = sum(result => result.lost)
    const answers = new Map<number, number>()
    for (const status of new Set(results.flatMap(result => [...result.answers.keys()]))) {
      answers.set(
        status,
        sum(result => result.answers.get(status) ?? 0),
      )
    }
    const each = results.map(result => result.lost).join(', ')
    const found = `${told(answers)}${lost > 0 ? `; lost in each run: ${each}` : ''}`
    t.comment(`${lost} of ${acknowledged} lost; ${found}`)
    record({ fault, setting, runs, acknowledged, lost, found })
    if (setting.startsWith('wait_replicas')) t.equal(lost, 0, 'nothing that was confirmed is lost')
    else if (mustLose) t.ok(lost > 0, 'it loses: the test can find a loss')
    t.notOk(answers.has(500), 'never a 500')
  })
}
