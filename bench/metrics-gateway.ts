/**
 * What watching adds to a whole postback: two gateways in this process, one with metrics and events
 * as they run, one with functions that do nothing in their place, driven in turn by the same load
 * from another process. Each postback is answered and delivered to two of 30 destinations.
 *
 *   node --import @tapjs/typescript/import bench/metrics-gateway.ts [rounds] [postbacks] [lmdb|memory]
 *
 * CPU is that of this process alone, which idles but for the gateway that is driven. Ratios are
 * paired by round, and the order alternates. Compare runs of the same machine only.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Pool } from 'undici'
import { createApp, type App } from '../src/app.ts'
import { systemClock } from '../src/base/clock.ts'
import { CATALOGUE } from '../src/observe/catalogue.ts'
import { createEvents, type Events } from '../src/observe/events.ts'
import { createLogger } from '../src/observe/logger.ts'
import { createMetrics, type Metrics } from '../src/observe/metrics.ts'
import { loadRuleSet } from '../src/ruleset.ts'
import { install, TOKEN } from '../test/support/installation.ts'

const ROUNDS = Number(process.argv[2] ?? 60)
const POSTBACKS = Number(process.argv[3] ?? 400)
const STORE = process.argv[4] ?? 'lmdb'
const WARM = Math.ceil(20_000 / POSTBACKS)
const NETWORKS = 100
const DESTINATIONS = 30
const CONNECTIONS = 64
/** Deliveries of each postback. */
const FAN_OUT = 2

interface Round {
  readonly url: string
  readonly first: number
}
type FromLoad = { readonly kind: 'tracker'; readonly url: string } | { readonly kind: 'done' }

const nothing = () => {}
const NO_COST = { whole: 0, user: 0 }

if (process.send) await load()
else await compare()

/** The child: the tracker that takes the deliveries, and the networks that send. */
async function load(): Promise<void> {
  let arrived = 0
  let expected = Infinity
  let all = () => {}
  const server = createServer((request, response) => {
    request.resume()
    response.end('OK')
    if (++arrived === expected) all()
  })
  server.keepAliveTimeout = 600_000
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const say = (message: FromLoad) => process.send?.(message)
  const pools = new Map<string, Pool>()
  process.on('message', ({ url, first }: Round) => {
    void (async () => {
      const pool = pools.get(url) ?? new Pool(url, { connections: CONNECTIONS, pipelining: 1 })
      pools.set(url, pool)
      arrived = 0
      expected = POSTBACKS * FAN_OUT
      const delivered = new Promise<void>(resolve => (all = resolve))
      let next = 0
      await Promise.all(
        Array.from({ length: CONNECTIONS }, async () => {
          while (next < POSTBACKS) {
            const id = first + next++
            const query = `cid=click-${id}&tid=order-${id}&payout=12.50&status=approved`
            const path = `/in/n${id % NETWORKS}/${TOKEN}?${query}`
            const { statusCode, body } = await pool.request({ method: 'GET', path })
            await body.dump()
            if (statusCode !== 200) throw new Error(`answered ${statusCode}`)
          }
        }),
      )
      await delivered
      say({ kind: 'done' })
    })()
  })
  say({ kind: 'tracker', url: `http://127.0.0.1:${port}` })
}

function noMetrics(real: Metrics): Metrics {
  const instrument = { inc: nothing, add: nothing, declare: nothing, set: nothing, init: nothing, clear: nothing, observe: nothing, retain: nothing, size: () => 0, text: () => '' } // prettier-ignore
  const none = Object.fromEntries(Object.keys(CATALOGUE).map(key => [key, instrument]))
  return { ...real, ...none, beforeScrape: nothing } as Metrics
}

function noEvents(real: Events): Events {
  const none = Object.keys(real).filter(key => key !== 'begin')
  return { ...real, ...Object.fromEntries(none.map(key => [key, nothing])) } as Events
}

async function gateway(folder: string, tracker: string, isWatched: boolean) {
  const networks = Array.from({ length: NETWORKS }, (_, i) => `n${i}`)
  const destinations = Array.from({ length: DESTINATIONS }, (_, i) => `d${i}`)
  const file = install(folder, {
    store: STORE === 'lmdb' ? { type: 'lmdb', path: join(folder, 'data') } : { type: STORE },
    tracker,
    destinations,
    more: {
      admin: { listen: '127.0.0.1:0' },
      networks: Object.fromEntries(
        networks.map(name => [name, { rule: 'net', tokens: ['${TEST_TOKEN}'] }]),
      ),
      routes: networks.map((name, i) => ({
        from: [name],
        to: Array.from({ length: FAN_OUT }, (_, j) => `d${(i + j) % DESTINATIONS}`),
      })),
    },
  })
  const catalogue = join(import.meta.dirname, '../rules')
  const rules = await loadRuleSet(file, { catalogue, env: { TEST_TOKEN: TOKEN } })
  if (!rules.ok) throw new Error(rules.error[0]?.message)
  const metrics = createMetrics()
  const logger = createLogger({
    level: 'info',
    format: 'json',
    isTerminal: false,
    secrets: () => [],
    clock: systemClock,
    write: nothing,
    counted: level => metrics.logMessages.inc(level),
  })
  const events = createEvents(logger, metrics, () => systemClock.now() / 1000)
  const app = createApp({
    rules: rules.value,
    events: isWatched ? events : noEvents(events),
    metrics: isWatched ? metrics : noMetrics(metrics),
    clock: systemClock,
    version: '0',
    isAlone: false,
    keys: { settled: async () => {}, close: nothing },
    onFatal: error => {
      throw error
    },
  })
  const started = await app.start()
  if (!started.ok) throw new Error(started.error)
  return { app, url: `http://${started.value.server}` }
}

async function heard(child: ChildProcess): Promise<FromLoad> {
  const [message] = (await once(child, 'message')) as [FromLoad]
  return message
}

async function compare(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-bench-'))
  const child = fork(import.meta.filename, process.argv.slice(2), { execArgv: process.execArgv })
  const apps: App[] = []
  try {
    const tracker = await heard(child)
    if (tracker.kind !== 'tracker') throw new Error('the load did not start')
    const open = async (name: string, isWatched: boolean) => {
      const { app, url } = await gateway(mkdtempSync(join(folder, name)), tracker.url, isWatched)
      apps.push(app)
      return url
    }
    const urls = { on: await open('on', true), off: await open('off', false) }
    let first = 0
    /** µs of CPU for each postback, from its first byte to the settlement of its deliveries. */
    const cost = async (way: 'on' | 'off'): Promise<Cost> => {
      const before = process.cpuUsage()
      child.send({ url: urls[way], first } satisfies Round)
      await heard(child)
      first += POSTBACKS
      // The last settlements are written a few ms after the last answer.
      await pause(50)
      const { user, system } = process.cpuUsage(before)
      return { whole: (user + system) / POSTBACKS, user: user / POSTBACKS }
    }
    // Until everything is compiled.
    for (let round = 0; round < WARM; round++) await cost(round % 2 ? 'on' : 'off')
    const ratios: number[] = []
    const ownRatios: number[] = []
    const costs = { on: [] as number[], off: [] as number[] }
    for (let round = 0; round < ROUNDS; round++) {
      const order = round % 2 ? (['on', 'off'] as const) : (['off', 'on'] as const)
      const found = { on: NO_COST, off: NO_COST }
      for (const way of order) {
        found[way] = await cost(way)
        costs[way].push(found[way].whole)
      }
      ratios.push(found.on.whole / found.off.whole)
      // Counting makes no system call; what the kernel does for sockets varies most.
      ownRatios.push(1 + (found.on.user - found.off.user) / found.off.whole)
    }
    console.log(`store ${STORE}, ${ROUNDS} pairs of ${POSTBACKS} postbacks`)
    console.log(`CPU a postback: ${median(costs.off).toFixed(1)} µs without, ${median(costs.on).toFixed(1)} µs with`) // prettier-ignore
    console.log(`added: ${spread(ratios)}`)
    console.log(`added outside of the kernel: ${spread(ownRatios)}`)
  } finally {
    for (const app of apps) await app.close()
    child.kill()
    rmSync(folder, { recursive: true, force: true })
  }
}

interface Cost {
  /** µs a postback, of user and kernel together. */
  readonly whole: number
  readonly user: number
}

/** The interval is by order statistics, which ask nothing of the distribution. */
function spread(ratios: readonly number[]): string {
  const sorted = ratios.toSorted((a, b) => a - b)
  const at = (share: number) => {
    const index = Math.min(Math.max(Math.round(share * (ROUNDS - 1)), 0), ROUNDS - 1)
    return (100 * ((sorted[index] ?? 1) - 1)).toFixed(1)
  }
  const margin = 0.98 / Math.sqrt(ROUNDS)
  return `median ${at(0.5)} %, 95 % sure within ${at(0.5 - margin)} … ${at(0.5 + margin)} %`
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
