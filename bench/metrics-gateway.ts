/**
 * What watching adds to a whole postback: one gateway under a steady load, in which every event and
 * every metric goes through a switch that is turned every few thousand postbacks. Each postback is
 * answered and delivered to two of 30 destinations.
 *
 *   node --import @tapjs/typescript/import bench/metrics-gateway.ts [blocks] [postbacks] [lmdb|memory] [null]
 *
 * The switch is between the gateway and its observer, where `createApp` takes them, and costs the
 * same in both positions; the product has none. CPU is that of the whole process, all threads, from
 * `process.cpuUsage`. Slices come in blocks of four, on-off-off-on or off-on-on-off by chance, so
 * that what drifts slowly (a growing store, a warmer machine) cancels out; after each turn some
 * postbacks are let go by, until those of the other position are through. Two processes instead
 * would differ by several per cent before anything is watched, since no two are compiled alike.
 *
 * The result is the median over blocks of the difference, with the 95 % interval of a bootstrap.
 * `null` leaves the switch on in both positions: what it finds then is the error of the method.
 * Compare runs of the same machine only.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Pool } from 'undici'
import { createApp } from '../src/app.ts'
import { systemClock } from '../src/base/clock.ts'
import { CATALOGUE } from '../src/observe/catalogue.ts'
import { createEvents, type Events } from '../src/observe/events.ts'
import { createLogger } from '../src/observe/logger.ts'
import { createMetrics, type Metrics } from '../src/observe/metrics.ts'
import { loadRuleSet } from '../src/ruleset.ts'
import { install, TOKEN } from '../test/support/installation.ts'

const BLOCKS = Number(process.argv[2] ?? 150)
/** In each slice. */
const POSTBACKS = Number(process.argv[3] ?? 2000)
const STORE = process.argv[4] ?? 'lmdb'
const IS_NULL = process.argv[5] === 'null'
const WARM_BLOCKS = Math.ceil(8000 / POSTBACKS)
const NETWORKS = 100
const DESTINATIONS = 30
const CONNECTIONS = 64
/** Of each postback. */
const DELIVERIES = 2
/** After a turn of the switch: those on their way, and their deliveries. */
const PASSING = 4 * CONNECTIONS

type Way = 'on' | 'off'
interface Slice {
  readonly way: Way
  /** CPU of a postback. */
  readonly us: number
}
type FromLoad = { readonly kind: 'tracker'; readonly url: string }
type FromGateway =
  | { readonly kind: 'serving'; readonly url: string }
  | { readonly kind: 'slice'; readonly slice: Slice }

const nothing = () => {}

/** `load`, or `gateway`, a folder and the tracker's URL. */
const [role, folder = '', tracker = ''] = (process.env['BENCH_ROLE'] ?? '').split(' ')
/** A child: the tracker that takes the deliveries, and the networks that send without a pause. */
async function load(): Promise<void> {
  const server = createServer((request, response) => {
    request.resume()
    response.end('OK')
  })
  server.keepAliveTimeout = 600_000
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  process.on('message', (url: string) => {
    const pool = new Pool(url, { connections: CONNECTIONS, pipelining: 1 })
    let next = 0
    const send = async () => {
      for (;;) {
        const id = next++
        const query = `cid=click-${id}&tid=order-${id}&payout=12.50&status=approved`
        const path = `/in/n${id % NETWORKS}/${TOKEN}?${query}`
        const { statusCode, body } = await pool.request({ method: 'GET', path })
        await body.dump()
        if (statusCode !== 200) throw new Error(`answered ${statusCode}`)
      }
    }
    for (let i = 0; i < CONNECTIONS; i++) void send()
  })
  process.send?.({ kind: 'tracker', url: `http://127.0.0.1:${port}` } satisfies FromLoad)
}

/** Between a gateway and its observer. */
interface Switch {
  isOn: boolean
}

type Told = (a?: unknown, b?: unknown, c?: unknown, d?: unknown) => void

/** Four parameters are the most that an observer takes, and a rest parameter would cost an array. */
function through(position: Switch, real: Told): Told {
  return (a, b, c, d) => {
    if (position.isOn) real(a, b, c, d)
  }
}

/** What is told while it runs; what is declared at the start is there in both positions. */
const RUNNING = ['inc', 'add', 'set', 'observe']

function switchedMetrics(real: Metrics, position: Switch): Metrics {
  const instruments = Object.keys(CATALOGUE).map(key => {
    const instrument = real[key as keyof typeof CATALOGUE] as unknown as Record<string, Told>
    const running = RUNNING.flatMap(name => {
      const method = instrument[name]
      return method ? [[name, through(position, method)] as const] : []
    })
    return [key, { ...instrument, ...Object.fromEntries(running) }] as const
  })
  return { ...real, ...Object.fromEntries(instruments) } as Metrics
}

function switchedEvents(real: Events, position: Switch, answered: () => void): Events {
  const entries = Object.entries(real as unknown as Record<string, Told | undefined>)
  const switched = entries.map(([name, method]) => {
    return [name, method && name !== 'configured' ? through(position, method) : method] as const
  })
  const events = Object.fromEntries(switched) as unknown as Events
  return {
    ...events,
    postback: fact => {
      events.postback(fact)
      answered()
    },
    storeFailed: ({ error }) => {
      throw error
    },
  }
}

/** A child: the gateway, which turns its switch and tells of each slice what it cost. */
async function serve(): Promise<void> {
  const say = (message: FromGateway) => process.send?.(message)
  const position: Switch = { isOn: true }
  const plan = Array.from({ length: WARM_BLOCKS + BLOCKS }, block).flat()
  let slice = 0
  let since = 0
  let next = PASSING
  let begun: { readonly cpu: number; readonly since: number } | undefined
  const turn = () => {
    position.isOn = IS_NULL || plan[slice] === 'on'
    since = 0
    next = PASSING
    begun = undefined
  }
  // Postbacks are stored, and answered, many at a time: a slice begins and ends between two times.
  const look = () => {
    const now = { cpu: cpu(), since }
    if (!begun) {
      begun = now
      next = since + POSTBACKS
      return
    }
    const us = (now.cpu - begun.cpu) / (now.since - begun.since)
    const way = plan[slice]
    if (way && slice >= 4 * WARM_BLOCKS) say({ kind: 'slice', slice: { way, us } })
    slice += 1
    turn()
  }
  const answered = () => {
    since += 1
    if (since < next) return
    next = Infinity
    setImmediate(look)
  }
  turn()
  say({ kind: 'serving', url: await start(position, answered) })
  process.on('disconnect', () => process.exit())
}

function block(): readonly Way[] {
  return Math.random() < 0.5 ? ['on', 'off', 'off', 'on'] : ['off', 'on', 'on', 'off']
}

/** Of this process and all its threads, in µs. */
function cpu(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

async function start(position: Switch, answered: () => void): Promise<string> {
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
        to: Array.from({ length: DELIVERIES }, (_, j) => `d${(i + j) % DESTINATIONS}`),
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
    events: switchedEvents(events, position, answered),
    metrics: switchedMetrics(metrics, position),
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
  return `http://${started.value.server}`
}

async function compare(): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'postern-bench-'))
  const children: ChildProcess[] = []
  let isDone = false
  const open = async (asked: string): Promise<[ChildProcess, string]> => {
    const child = fork(import.meta.filename, process.argv.slice(2), {
      execArgv: process.execArgv,
      env: { ...process.env, BENCH_ROLE: asked },
    })
    children.push(child)
    child.once('exit', code => {
      if (!isDone) throw new Error(`${asked} ended: ${code}`)
    })
    const [{ url }] = (await once(child, 'message')) as [{ url: string }]
    return [child, url]
  }
  try {
    const [sender, trackerUrl] = await open('load')
    const [gateway, url] = await open(`gateway ${scratch} ${trackerUrl}`)
    const slices: Slice[] = []
    const measured = new Promise<void>(resolve => {
      gateway.on('message', (message: FromGateway) => {
        if (message.kind === 'slice') slices.push(message.slice)
        if (slices.length === 4 * BLOCKS) resolve()
      })
    })
    sender.send(url)
    await measured
    report(slices)
  } finally {
    isDone = true
    for (const child of children) child.kill('SIGKILL')
    rmSync(scratch, { recursive: true, force: true })
  }
}

function report(slices: readonly Slice[]): void {
  const blocks = Array.from({ length: BLOCKS }, (_, i) => {
    const of = (way: Way) =>
      mean(slices.slice(4 * i, 4 * i + 4).flatMap(one => (one.way === way ? [one.us] : [])))
    return { added: of('on') - of('off'), base: of('off') }
  })
  const base = median(blocks.map(one => one.base))
  const added = blocks.map(one => one.added)
  const show = (name: string, statistic: (values: readonly number[]) => number) => {
    const [low, high] = interval(added, statistic)
    const text = (unit: string, factor: number) =>
      `${(statistic(added) * factor).toFixed(2)} ${unit} (${(low * factor).toFixed(2)} … ${(high * factor).toFixed(2)})`
    console.log(`  ${name}: ${text('µs', 1)}, ${text('%', 100 / base)}`)
  }
  console.log(
    `store ${STORE}, ${BLOCKS} blocks of 4 × ${POSTBACKS} postbacks: CPU of a postback with ${DELIVERIES} deliveries ${base.toFixed(1)} µs unwatched`,
  )
  console.log(`${IS_NULL ? 'a switch that does nothing' : 'watching'} adds, with 95 % intervals`)
  show('median of blocks', median)
  show('mean of blocks', mean)
}

const RESAMPLES = 4000

/** 95 % by a percentile bootstrap. */
function interval(
  values: readonly number[],
  statistic: (values: readonly number[]) => number,
): readonly [low: number, high: number] {
  const drawn = Array.from({ length: RESAMPLES }, () =>
    statistic(values.map(() => values[Math.floor(Math.random() * values.length)] ?? 0)),
  ).sort((a, b) => a - b)
  return [drawn[Math.floor(RESAMPLES * 0.025)] ?? 0, drawn[Math.floor(RESAMPLES * 0.975)] ?? 0]
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const half = sorted.length >> 1
  const high = sorted[half] ?? 0
  return sorted.length % 2 ? high : (high + (sorted[half - 1] ?? 0)) / 2
}

if (role === 'load') await load()
else if (role === 'gateway') await serve()
else await compare()
