/**
 * Load on a real gateway while something goes wrong, and the account afterwards.
 *
 *   const { account } = await survive(t, { store }, async site => {
 *     await site.kill()                 // -9, and the store read before anybody else writes to it
 *     await site.restart()
 *   })
 *
 * Every check P1–P9 of account.ts becomes one assertion.
 */
import { readdirSync } from 'node:fs'
import type { Test } from 'tap'
import { audit, repeatsOf, type Kill, type Life, type Repeat } from './account.ts'
import { startGateway, temporaryFolder, type Gateway } from './gateway.ts'
import { install, target, TOKEN } from './installation.ts'
import { ledgersOf, pendingDeliveries, recordedIn, series } from './ledger.ts'
import { newJournal, startSender, type SenderJournal } from './sender.ts'
import { startTracker, type Arrival, type Tracker } from './tracker.ts'
import { until } from './until.ts'

export const ENV = { TEST_TOKEN: TOKEN }

/** Connections kept alive to the trackers, and a few of the test's own. */
const SPARE_FILES = 200

export interface SurviveOptions {
  readonly store: Record<string, unknown>
  readonly perSecond?: number
  /** Of each destination, in the words of postern.yaml. */
  readonly destination?: Record<string, unknown>
  readonly isForgetful?: boolean
  /** How long the backlog may take to drain at the end. */
  readonly drainMs?: number
  /** Further parts of postern.yaml. */
  readonly more?: Record<string, unknown>
  readonly env?: Record<string, string>
  /** Sends the load through these, in turn; the gateway by default. */
  readonly urls?: (site: Site) => readonly string[]
  /** Lines beside its log that a gateway may well write under this fault. */
  readonly isExpected?: (line: string) => boolean
  readonly isAnswerLost?: (arrival: Arrival) => boolean
}

export interface Site {
  /** The gateway that runs now, or ran last. */
  current: Gateway
  readonly config: string
  readonly folder: string
  readonly tracker: Tracker
  readonly journal: SenderJournal
  /** -9, and then the store's count of what was delivered. */
  kill(): Promise<void>
  /** Reads that count for a gateway that was killed by other means. */
  died(): Promise<void>
  /** Asks it to stop; the exit code. */
  stop(): Promise<number | null>
  restart(): Promise<void>
}

export interface Survived {
  readonly journal: SenderJournal
  readonly repeats: readonly Repeat[]
  readonly kills: readonly Kill[]
  /** From the start of a process until it took postbacks. */
  readonly recoveriesMs: readonly number[]
  readonly lives: number
}

export async function survive(
  t: Test,
  options: SurviveOptions,
  trouble: (site: Site) => Promise<void>,
): Promise<Survived> {
  const { store, perSecond = 300 } = options
  const folder = temporaryFolder(t)
  const tracker = await startTracker(t)
  const config = install(folder, {
    store,
    tracker: tracker.url,
    ...(options.destination ? { destination: options.destination } : {}),
    ...(options.more ? { more: options.more } : {}),
  })
  const started: { gateway: Gateway; files: number }[] = []
  const killed = new Set<Gateway>()
  const stopped = new Map<Gateway, number | null>()
  const kills: Kill[] = []
  const recoveriesMs: number[] = []

  async function start(): Promise<Gateway> {
    const from = performance.now()
    const env = { ...ENV, ...options.env, TEST_LIFE: String(started.length + 1) }
    const gateway = await startGateway(t, config, env)
    if (started.length > 0) recoveriesMs.push(performance.now() - from)
    started.push({ gateway, files: filesOf(gateway) })
    return gateway
  }

  const journal = newJournal()
  const site: Site = {
    current: await start(),
    config,
    folder,
    tracker,
    journal,
    async kill() {
      await site.current.kill('SIGKILL')
      await site.died()
    },
    async died() {
      await site.current.exited
      killed.add(site.current)
      kills.push({ life: started.length, recorded: await recordedIn(store) })
    },
    async stop() {
      const { code } = await site.current.kill('SIGTERM')
      stopped.set(site.current, code)
      return code
    },
    async restart() {
      site.current = await start()
    },
  }
  const sender = startSender({
    journal,
    url: attempt => {
      const urls = options.urls?.(site) ?? [site.current.url]
      return urls[attempt % urls.length] ?? site.current.url
    },
    target: id => target(id),
    perSecond,
    duplicates: 0.1,
    isForgetful: options.isForgetful ?? false,
  })
  t.teardown(() => sender.abandon())
  await trouble(site)
  await sender.finish()
  const drainMs = options.drainMs ?? 90_000
  await until(
    'nothing is pending',
    async () => (await pendingDeliveries(site.current)) === 0,
    drainMs,
  )

  const [first] = started
  const ledgers = await ledgersOf(site.current)
  const attempts =
    started.length === 1 ? await series(site.current, 'postern_delivery_attempts_total') : undefined
  const arrivals = new Map([
    ['a', tracker.on('/a')],
    ['b', tracker.on('/b')],
  ])
  const filesAfter = filesOf(site.current)
  const hasLasted = site.current.process.exitCode === null
  if (hasLasted) await site.stop()
  const lives = started.map(({ gateway, files }, i): Life => {
    const code = stopped.get(gateway)
    return {
      life: i + 1,
      complaints: gateway
        .output()
        .split('\n')
        .filter(line => line !== '' && !line.startsWith('{') && !options.isExpected?.(line)),
      isKilled: killed.has(gateway),
      hasLostLease: gateway.lines.some(line => line['msg'] === 'lease.lost'),
      hasFailed: !killed.has(gateway) && code !== 0,
      ...(gateway === site.current && hasLasted
        ? { files: { before: files, after: filesAfter, spare: SPARE_FILES } }
        : {}),
    }
  })
  const findings = audit({
    journal,
    arrivals,
    idOf: arrival => arrival.query.get('tid') ?? '',
    ledgers,
    lives,
    kills,
    recoveriesMs,
    ...(options.isAnswerLost ? { isAnswerLost: options.isAnswerLost } : {}),
    ...(attempts && first ? { attempts: byDestination(attempts) } : {}),
  })
  for (const { check, what, found } of findings) {
    t.same(found.slice(0, 20), [], `${check} ${what} (${found.length} findings)`)
  }
  t.ok(journal.acknowledged.size > perSecond / 2, `${journal.acknowledged.size} were acknowledged`)
  const repeats = [...arrivals.values()].flatMap(repeatsOf)
  return { journal, repeats, kills, recoveriesMs, lives: started.length }
}

function filesOf({ process }: Gateway): number {
  return readdirSync(`/proc/${process.pid}/fd`).length
}

function byDestination(values: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  const sums = new Map<string, number>()
  for (const [labels, value] of values) {
    const name = /destination="([^"]*)"/.exec(labels)?.[1] ?? ''
    sums.set(name, (sums.get(name) ?? 0) + value)
  }
  return sums
}

export const wait = (ms: number) => new Promise<void>(resolve => setTimeout(resolve, ms))
export const randomMoment = () => wait(300 + Math.random() * 900)
