/**
 * F3, power loss: a gateway (LMDB) or Redis (AOF) runs under a journal of its writes and flushes,
 * and its files are rebuilt as a power loss at many moments would have left them. What a network
 * had been answered 2xx by that moment must be in the store. With everysec and no flush at all it
 * must not: a test that cannot find a loss proves nothing.
 */
import { spawn } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Redis } from 'ioredis'
import { request } from 'undici'
import t, { type Test } from 'tap'
import { createLmdbStore } from '../../src/store/lmdb.ts'
import { unaccounted } from '../../src/store/store.ts'
import { startGateway, temporaryFolder } from '../../test/support/gateway.ts'
import { install, target } from '../../test/support/installation.ts'
import { startRedis } from '../../test/support/redis-server.ts'
import { ENV } from '../../test/support/survive.ts'
import { startTracker } from '../../test/support/tracker.ts'
import { until } from '../../test/support/until.ts'
import { afterPowerLoss, powerJournal, readSteps, type Step } from './power.ts'
import { record } from './record.ts'

const POSTBACKS = 1500
const CUTS = 40
const DESTINATIONS = ['a', 'b']
t.setTimeout(600_000)

interface Acknowledgement {
  readonly id: string
  readonly at: bigint
}

/** Sends, a few at once, and notes when each was answered 2xx; the trackers never answer. */
async function acknowledge(
  t: Test,
  store: Record<string, unknown>,
  env: Record<string, string> = {},
): Promise<readonly Acknowledgement[]> {
  const tracker = await startTracker(t)
  for (const name of DESTINATIONS) tracker.behave.set(`/${name}`, 'hang')
  const config = install(temporaryFolder(t), { store, tracker: tracker.url })
  const gateway = await startGateway(t, config, { ...ENV, ...env })
  const answered: Acknowledgement[] = []
  let next = 0
  const sender = async () => {
    while (next < POSTBACKS) {
      const id = `p${next++}`
      const { statusCode, body } = await request(`${gateway.url}${target(id)}`)
      await body.dump()
      if (statusCode === 200) answered.push({ id, at: process.hrtime.bigint() })
    }
  }
  await Promise.all(Array.from({ length: 8 }, sender))
  await gateway.kill('SIGKILL')
  t.equal(answered.length, POSTBACKS, 'all were answered 2xx')
  return answered
}

/** Just before a flush ends: the moments at which most is at stake. */
function moments(steps: readonly Step[], answered: readonly Acknowledgement[]): bigint[] {
  const from = answered[0]?.at ?? 0n
  const to = answered.at(-1)?.at ?? 0n
  const ends = steps
    .filter(({ kind, isSynchronous }) => kind === 'sync' || isSynchronous)
    .map(step => step.end - 1n)
    .filter(end => end > from && end < to)
  // Evenly over the run; any moment where there were few flushes; and that of the last answer.
  const chosen = Array.from({ length: CUTS - 1 }, (_, i) => {
    const share = (i + 0.5) / (CUTS - 1)
    return ends.length >= CUTS
      ? (ends[Math.floor(share * ends.length)] ?? to)
      : (answered[Math.floor(share * answered.length)]?.at ?? to)
  })
  return [...chosen, to]
}

/** None, half and all of what was not flushed, in turn. */
const CHANCES = [0, 0.5, 1, 0.9]

interface Outcome {
  readonly lost: number
  readonly problem: string | undefined
}

t.test('LMDB: nothing lost', async t => {
  const scratch = temporaryFolder(t)
  const folder = join(scratch, 'store')
  mkdirSync(folder)
  const { env, log } = powerJournal(scratch, folder)
  const answered = await acknowledge(t, { type: 'lmdb', path: folder }, env)
  const steps = readSteps(log).filter(({ path }) => path.endsWith('data.mdb'))
  t.ok(
    steps.some(step => step.kind === 'sync' || step.isSynchronous),
    'flushes were seen',
  )
  const cuts = moments(steps, answered)
  t.ok(cuts.length > CUTS / 2, `${cuts.length} moments`)
  const [{ path = '' } = {}] = steps

  async function look(image: Buffer, name: string, at: bigint): Promise<Outcome> {
    const copy = join(scratch, name)
    mkdirSync(copy)
    writeFileSync(join(copy, 'data.mdb'), image)
    const known = await lookInto(copy)
    const lost = answered.filter(({ id, at: when }) => when <= at && !known.ids.has(id))
    return { lost: lost.length, problem: known.problem }
  }

  let checked = 0
  let lostByOmission = 0
  for (const [i, at] of cuts.entries()) {
    const chance = CHANCES[i % CHANCES.length] ?? 0
    const image = afterPowerLoss(steps, path, at, () => Math.random() < chance)
    const { lost, problem } = await look(image, `cut-${i}`, at)
    t.equal(lost, 0, `moment ${i}, ${chance} of what was not flushed kept: nothing lost`)
    t.equal(problem, undefined, 'the file is sound and the ledger balances')
    checked++
  }
  // The same with flushes left out of account: now it must lose, or the replay sees nothing.
  const unflushed = steps
    .filter(({ kind }) => kind !== 'sync')
    .map((step): Step => ({ ...step, isSynchronous: step.end <= (answered[99]?.at ?? 0n) }))
  const last = cuts.at(-1) ?? 0n
  const outcome = await look(
    afterPowerLoss(unflushed, path, last, () => false),
    'without',
    last,
  )
  lostByOmission = outcome.lost
  t.ok(lostByOmission > 0, `without flushes ${lostByOmission} would be lost`)
  record({
    fault: 'F3 power loss',
    setting: 'LMDB',
    runs: checked,
    acknowledged: answered.length,
    lost: 0,
    found: `file sound and ledger 0 at every moment; were flushes ignored, ${lostByOmission} would be lost`,
  })
})

/** Transaction ids that every destination has pending, and what is wrong with the store. */
async function lookInto(path: string): Promise<{ ids: ReadonlySet<string>; problem?: string }> {
  const future = { now: () => Date.now() + 86_400_000, monotonic: () => performance.now() }
  const store = createLmdbStore({ path, clock: future })
  try {
    await store.open()
  } catch (error) {
    return { ids: new Set(), problem: String(error) }
  }
  try {
    const gaps = (await store.ledgers()).filter(ledger => unaccounted(ledger) !== 0)
    while ((await store.takeOver(10_000)) > 0);
    const found = DESTINATIONS.map(() => new Set<string>())
    for (let more = true; more;) {
      const requests = DESTINATIONS.map(destination => ({ destination, max: 1000, leaseMs: 1e9 }))
      const { deliveries } = await store.claim(requests)
      for (const { destination, body } of deliveries) {
        found[DESTINATIONS.indexOf(destination)]?.add(transactionOf(body))
      }
      more = deliveries.length > 0
    }
    const [first = new Set<string>(), ...rest] = found
    const ids = new Set([...first].filter(id => rest.every(set => set.has(id))))
    return gaps.length === 0 ? { ids } : { ids, problem: `${gaps.length} ledgers do not balance` }
  } finally {
    await store.close()
  }
}

function transactionOf(body: string): string {
  const { conversion } = JSON.parse(body) as { conversion: { transaction_id: string } }
  return conversion.transaction_id
}

async function redisPowerLoss(t: Test, fsync: 'always' | 'everysec' | 'no'): Promise<number[]> {
  const scratch = temporaryFolder(t)
  const folder = join(scratch, 'redis')
  mkdirSync(folder)
  const { env, log } = powerJournal(scratch, folder)
  const port = 20_000 + Math.floor(Math.random() * 20_000)
  const plain = `--port ${port} --bind 127.0.0.1 --appendonly yes --appendfsync ${fsync}`
  const args = [
    ...plain.split(' '),
    '--auto-aof-rewrite-percentage',
    '0',
    '--dir',
    folder,
    '--save',
    '',
  ]
  const server = spawn('redis-server', args, { env: { ...process.env, ...env }, stdio: 'ignore' })
  t.teardown(() => server.kill('SIGKILL'))
  const url = `redis://127.0.0.1:${port}`
  const answered = await acknowledge(t, { type: 'redis', redis: { url }, allow_unsafe: true })
  server.kill('SIGKILL')
  const steps = readSteps(log).filter(({ path }) => path.endsWith('.incr.aof'))
  const [{ path = '' } = {}] = steps
  const aof = path.slice(path.lastIndexOf('/') + 1)
  const cuts = moments(steps, answered).filter((_, i, all) => i % 2 === 0 || i === all.length - 1)
  const losses: number[] = []
  for (const [i, at] of cuts.entries()) {
    const chance = i === cuts.length - 1 ? 0 : (CHANCES[i % CHANCES.length] ?? 0)
    const image = afterPowerLoss(steps, path, at, () => Math.random() < chance, true)
    const copy = join(scratch, `cut-${i}`)
    cpSync(folder, copy, { recursive: true })
    const [place = ''] = readdirSync(copy, { recursive: true, encoding: 'utf8' }).filter(name =>
      name.endsWith(aof),
    )
    writeFileSync(join(copy, place), image)
    const revived = await startRedis(t, {
      args: ['--dir', copy, '--appendonly', 'yes', '--appendfsync', 'always'],
    })
    await until('it has loaded', () =>
      revived.admin.ping().then(
        () => true,
        () => false,
      ),
    )
    const known = await idsInRedis(revived.admin)
    losses.push(answered.filter(({ id, at: when }) => when <= at && !known.has(id)).length)
    await revived.stop()
  }
  record({
    fault: 'F3 power loss',
    setting: `Redis AOF ${fsync}`,
    runs: cuts.length,
    acknowledged: answered.length,
    lost: Math.max(...losses),
    found:
      fsync === 'always'
        ? 'Redis loads the cut file at every moment'
        : `${losses.filter(lost => lost > 0).length} of ${cuts.length} moments lose something, as expected`,
  })
  return losses
}

async function idsInRedis(admin: Redis): Promise<ReadonlySet<string>> {
  const ids = new Map<string, Set<string>>()
  const add = (destination: string, body: string) =>
    ids.set(destination, (ids.get(destination) ?? new Set()).add(transactionOf(body)))
  for (const key of await admin.keys('postern:{*}:[jq]:*')) {
    for (const entry of Object.values(await admin.hgetall(key))) {
      const [first = '', ...rest] = entry.split('\n')
      if (/:j:/.test(key)) for (const name of first.split(',')) add(name, rest.join('\n'))
      else add(key.slice(key.lastIndexOf(':') + 1), rest.slice(1).join('\n'))
    }
  }
  const [one = new Set<string>(), ...others] = DESTINATIONS.map(
    name => ids.get(name) ?? new Set<string>(),
  )
  return new Set([...one].filter(id => others.every(set => set.has(id))))
}

t.test('Redis, appendfsync always: nothing lost', async t => {
  const losses = await redisPowerLoss(t, 'always')
  t.ok(losses.length > 10, `${losses.length} moments`)
  t.same([...new Set(losses)], [0])
})

t.test('Redis, appendfsync everysec: it loses, so the test can find a loss', async t => {
  const losses = await redisPowerLoss(t, 'everysec')
  t.ok(Math.max(...losses) > 0, `up to ${Math.max(...losses)} lost`)
})

t.test('Redis, appendfsync no: it loses', async t => {
  const losses = await redisPowerLoss(t, 'no')
  t.ok(Math.max(...losses) > 0, `up to ${Math.max(...losses)} lost`)
})
