/**
 * F17: rule files that are broken, half written, deleted, huge, swapped, or written 50 times a second,
 * under load: what is in force stays until the whole is good again, and no network notices.
 * F18: a network is removed and a destination renamed while deliveries wait.
 * After `npm run build`.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { startGateway, temporaryFolder, type Gateway } from '../../test/support/gateway.ts'
import { install, target } from '../../test/support/installation.ts'
import { ledgerGap, ledgersOf, pendingDeliveries, series } from '../../test/support/ledger.ts'
import { ENV, wait, type Site } from '../../test/support/survive.ts'
import { startTracker } from '../../test/support/tracker.ts'
import { until } from '../../test/support/until.ts'
import { more, prove } from './prove.ts'
import { record, spread } from './record.ts'
import { runsOf } from './runs.ts'

t.setTimeout(600_000)

const valueOf = async (gateway: Gateway, metric: string): Promise<number> => {
  const [value = 0] = (await series(gateway, metric)).values()
  return value
}
const isTaken = (gateway: Gateway) => valueOf(gateway, 'postern_config_last_reload_successful')
const told = ({ lines }: Gateway, msg: string): number =>
  lines.filter(line => line['msg'] === msg).length

/** Writes, and resolves when the gateway has said so. */
async function reload(gateway: Gateway, msg: string, write: () => void): Promise<void> {
  const before = told(gateway, msg)
  write()
  await until(msg, () => told(gateway, msg) > before, 30_000)
}

// --- F17 ----------------------------------------------------------------------------------------

const RELOADS_PER_SECOND = 50
const RELOAD_SECONDS = 10

t.test('F17', async t => {
  const lags: number[] = []
  await prove(
    t,
    ['F17 rule files under load', 'LMDB'],
    { store: { type: 'lmdb', path: temporaryFolder(t) }, perSecond: 100 },
    async site => {
      const { current: gateway } = site
      const file = join(site.folder, 'rules', 'networks', 'net.yaml')
      const good = readFileSync(file, 'utf8')
      const swap = (text: string) => {
        writeFileSync(`${file}.new`, text)
        renameSync(`${file}.new`, file)
      }
      // Reading it begins it anew.
      const lag = async () => (await valueOf(gateway, 'nodejs_eventloop_lag_max_seconds')) * 1000
      const faults: Readonly<Record<string, () => void>> = {
        broken: () => writeFileSync(file, `${good}\nfields: [`),
        'half written': () => writeFileSync(file, good.slice(0, good.length / 2)),
        deleted: () => rmSync(file),
        '100,000 keys': () => writeFileSync(file, good + keys(100_000)),
        '3,000 keys': () => writeFileSync(file, good + keys(3000)),
        'a broken one swapped in': () => swap(good.replace('kind:', 'knid:')),
      }
      for (const [what, spoil] of Object.entries(faults)) {
        await lag()
        await reload(gateway, 'config.refused', spoil)
        lags.push(await lag())
        t.equal(await isTaken(gateway), 0, `${what}: the metric says so`)
        await more(site, 200, `${what}: the old rules serve`)
        await reload(gateway, 'config.loaded', () => swap(good))
        t.equal(await isTaken(gateway), 1, `${what}: mended`)
      }
      await lag()
      lags.push(...(await writeOften(site, file, good, lag)))
      t.equal(await isTaken(gateway), 1, 'the last of many is in force')
      return Object.keys(faults).length + RELOADS_PER_SECOND * RELOAD_SECONDS
    },
    ({ journal }) => {
      t.same([...journal.answers.keys()], [200], 'no request failed')
      return `old rules served, metric 0 meanwhile; no request failed; the event loop was held for ${spread(lags)} ms`
    },
  )
})

const keys = (count: number): string =>
  Array.from({ length: count }, (_, i) => `key${i}: value\n`).join('')

/** 50 writes a second, every tenth of them broken; the last is good and looks different. */
async function writeOften(
  { current: gateway }: Site,
  file: string,
  good: string,
  lag: () => Promise<number>,
): Promise<readonly number[]> {
  const lags: number[] = []
  for (let i = 1; i < RELOADS_PER_SECOND * RELOAD_SECONDS; i++) {
    writeFileSync(file, i % 10 === 0 ? `${good}\nfields: [` : `${good}# ${i}\n`)
    await wait(1000 / RELOADS_PER_SECOND)
    if (i % RELOADS_PER_SECOND === 0) lags.push(await lag())
  }
  await reload(gateway, 'config.loaded', () => writeFileSync(file, `${good}# the last\n`))
  return [...lags, await lag()]
}

// --- F18 ----------------------------------------------------------------------------------------

const WAITING = 300
const RUNS = runsOf(3)

t.test('F18', async t => {
  const folder = temporaryFolder(t)
  const tracker = await startTracker(t)
  const config = install(folder, {
    store: { type: 'lmdb', path: join(folder, 'store') },
    tracker: tracker.url,
    destination: { retry_schedule_ms: [200] },
  })
  const gateway = await startGateway(t, config, ENV)
  const good = readFileSync(config, 'utf8')
  let sent = 0
  const send = async (count: number): Promise<ReadonlySet<string>> => {
    const ids = Array.from({ length: count }, () => `o${sent++}`)
    for (const id of ids) t.equal((await fetch(gateway.url + target(id))).status, 200)
    return new Set(ids)
  }
  const load = (text: string) => reload(gateway, 'config.loaded', () => writeFileSync(config, text))
  /** How many of these the tracker has taken at /a. */
  const arrived = (ids: ReadonlySet<string>) => {
    const taken = tracker.on('/a').filter(({ answered }) => answered === 200)
    return new Set(taken.map(({ query }) => query.get('tid') ?? '').filter(id => ids.has(id))).size
  }
  const pendingAt = async (name: string) =>
    (await ledgersOf(gateway)).find(({ destination }) => destination === name)?.pending

  for (let run = 0; run < RUNS; run++) {
    tracker.behave.set('/a', 503)
    const first = await send(WAITING)
    await load(good.replace(/^networks:\n {2}net:/m, 'networks:\n  other:\n    rule: net'))
    t.equal((await fetch(gateway.url + target('gone'))).status, 404, 'the network is gone')
    tracker.behave.clear()
    await until('what it sent is delivered', () => arrived(first) === WAITING, 90_000)
    await load(good)

    tracker.behave.set('/a', 503)
    const second = await send(WAITING)
    await load(good.replace(/^ {2}a:/m, '  renamed:').replace(/^( +)- a$/m, '$1- renamed'))
    tracker.behave.clear()
    const third = await send(WAITING)
    await until('the new name is served', () => arrived(third) === WAITING, 30_000)
    const listed = async () => (await pendingAt('a')) === WAITING
    await until('what waits under the old name is listed', listed, 30_000)
    t.equal(arrived(second), 0, 'and waits')
    t.equal(await ledgerGap(gateway), 0)
    await load(good)
    await until('it is delivered under its name again', () => arrived(second) === WAITING, 90_000)
    await until('nothing is pending', async () => (await pendingDeliveries(gateway)) === 0, 30_000)
    t.equal(await ledgerGap(gateway), 0)
  }
  const deliveries = tracker.on('/a').filter(({ answered }) => answered === 200)
  t.equal(new Set(deliveries.map(({ deliveryId }) => deliveryId)).size, sent, 'each once')
  t.equal(deliveries.length, sent, 'and none again')
  if (!t.passing()) return
  record({
    fault: 'F18 network removed, destination renamed',
    setting: `LMDB, ${WAITING} waiting`,
    runs: RUNS * 2,
    acknowledged: sent,
    lost: 0,
    found:
      'of a removed network: delivered; of a renamed destination: listed as pending under the old name, delivered once it is back; ledger 0',
  })
})
