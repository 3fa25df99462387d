/**
 * What watching adds to a whole postback: a gateway with metrics and events as they run, and one with
 * functions that do nothing in their place, each in a process of its own, driven in turn by the same
 * load. Each postback is answered and delivered to two of 30 destinations.
 *
 *   node --import @tapjs/typescript/import bench/metrics-gateway.ts [pairs] [rounds] [postbacks] [lmdb|memory]
 *
 * Ratios are paired by round, and the order alternates. No two processes are compiled alike, and that
 * makes some per cent: so there are several pairs of processes, and the result is the median of them.
 * (In one process, both ways would share their compiled code, and each would be slowed by the other.)
 * Compare runs of the same machine only.
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

const PAIRS = Number(process.argv[2] ?? 7)
const ROUNDS = Number(process.argv[3] ?? 30)
const POSTBACKS = Number(process.argv[4] ?? 700)
const STORE = process.argv[5] ?? 'lmdb'
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
type FromGateway =
  { readonly kind: 'serving'; readonly url: string } | { readonly kind: 'cpu'; readonly us: number }

const nothing = () => {}

/** `load`, or `gateway`, a folder, the tracker's URL and `on` or `off`. */
const [role, folder = '', tracker = '', way] = (process.env['BENCH_ROLE'] ?? '').split(' ')
if (role === 'load') await load()
else if (role === 'gateway') await serve()
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

/** A child: one gateway, which says what CPU it has used when it is asked. */
async function serve(): Promise<void> {
  const { app, url } = await gateway(way === 'on')
  const say = (message: FromGateway) => process.send?.(message)
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    say({ kind: 'cpu', us: user + system })
  })
  process.on('disconnect', () => void app.close())
  say({ kind: 'serving', url })
}

async function gateway(isWatched: boolean): Promise<{ readonly app: App; readonly url: string }> {
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
  if (!started.ok) throw new Error(started.error.message)
  return { app, url: `http://${started.value.server}` }
}

async function heard<T>(child: ChildProcess): Promise<T> {
  const [message] = (await once(child, 'message')) as [T]
  return message
}

function start(asked: string): ChildProcess {
  return fork(import.meta.filename, process.argv.slice(2), {
    execArgv: process.execArgv,
    env: { ...process.env, BENCH_ROLE: asked },
  })
}

async function compare(): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'postern-bench-'))
  try {
    const added: number[] = []
    for (let pair = 0; pair < PAIRS; pair++) {
      const ratio = await comparePair(mkdtempSync(join(scratch, 'pair-')))
      added.push(100 * (ratio - 1))
      console.log(`pair ${pair + 1} of ${PAIRS}: ${(100 * (ratio - 1)).toFixed(1)} %`)
    }
    const [least = 0, ...more] = added.toSorted((a, b) => a - b)
    console.log(
      `store ${STORE}: watching adds ${median(added).toFixed(1)} % CPU a postback, median of ${PAIRS} pairs of processes` +
        ` (${least.toFixed(1)} … ${(more.at(-1) ?? least).toFixed(1)} %)`,
    )
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

/** CPU a postback with watching ÷ without: the median over rounds. */
async function comparePair(scratch: string): Promise<number> {
  const sender = start('load')
  const children = [sender]
  try {
    const told = await heard<FromLoad>(sender)
    if (told.kind !== 'tracker') throw new Error('the load did not start')
    const open = async (name: 'on' | 'off') => {
      const child = start(`gateway ${mkdtempSync(join(scratch, name))} ${told.url} ${name}`)
      children.push(child)
      const serving = await heard<FromGateway>(child)
      if (serving.kind !== 'serving') throw new Error('the gateway did not start')
      return { child, url: serving.url }
    }
    const gateways = { on: await open('on'), off: await open('off') }
    const used = async (child: ChildProcess): Promise<number> => {
      child.send('cpu')
      const answer = await heard<FromGateway>(child)
      return answer.kind === 'cpu' ? answer.us : Number.NaN
    }
    let first = 0
    /** µs of CPU for each postback, from its first byte to the settlement of its deliveries. */
    const cost = async (one: 'on' | 'off'): Promise<number> => {
      const { child, url } = gateways[one]
      const before = await used(child)
      sender.send({ url, first } satisfies Round)
      await heard(sender)
      first += POSTBACKS
      // The last settlements are written a few ms after the last answer.
      await pause(50)
      return ((await used(child)) - before) / POSTBACKS
    }
    // Until everything is compiled.
    for (let round = 0; round < WARM; round++) await cost(round % 2 ? 'on' : 'off')
    const ratios: number[] = []
    for (let round = 0; round < ROUNDS; round++) {
      const order = round % 2 ? (['on', 'off'] as const) : (['off', 'on'] as const)
      const found = { on: 0, off: 0 }
      for (const one of order) found[one] = await cost(one)
      ratios.push(found.on / found.off)
    }
    return median(ratios)
  } finally {
    for (const child of children) child.kill('SIGKILL')
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
