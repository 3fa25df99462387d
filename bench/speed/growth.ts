/**
 * How the cost per postback grows with what is configured and stored while the work stays the same:
 * two destinations each. What is stored grows beside one running gateway; what is configured needs
 * another, so those runs are interleaved.
 */
import { appendFileSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { PosternOptions } from './configuration.ts'
import { postern, type Gateway, type Start } from './gateways.ts'
import { openBench, type Measured } from './measure.ts'
import { median } from './percentiles.ts'
import { freePorts } from './ports.ts'
import { OTHER_CORE, startPinned, stop, waitForPort } from './processes.ts'
import { startRedis } from './redis.ts'

export interface Growth {
  readonly what: string
  readonly from: string
  readonly to: string
  /** CPU µs per postback. */
  readonly before: number
  readonly after: number
}

export interface GrowthOptions {
  readonly folder: string
  readonly seconds: number
  readonly rounds: number
  readonly lmdbKeys: number
  readonly redisKeys: number
  readonly backlog: number
  readonly told: (line: string) => void
}

const FILL = join(import.meta.dirname, 'fill.ts')

export async function runGrowth(options: GrowthOptions): Promise<Growth[]> {
  const found = [
    ...(await configured(options)),
    await stored(options, 'lmdb', 'backlog', options.backlog),
    await stored(options, 'redis', 'backlog', options.backlog),
    await stored(options, 'lmdb', 'keys', options.lmdbKeys),
    await stored(options, 'redis', 'keys', options.redisKeys),
  ]
  return found
}

const SETTINGS = {
  base: { networks: 10 },
  networks: { networks: 1000 },
  destinations: { networks: 10, unroutedDestinations: 48 },
} as const satisfies Record<string, Partial<PosternOptions>>

async function configured({ folder, seconds, rounds, told }: GrowthOptions): Promise<Growth[]> {
  const costs: Record<string, number[]> = {}
  for (let round = 0; round < rounds; round++) {
    for (const [name, settings] of Object.entries(SETTINGS)) {
      const { networks } = settings
      const options = { folder: join(folder, name), copies: 2, networks }
      const bench = await openBench(options, start => postern(start, settings))
      await bench.run({ seconds: seconds * 1.5, rate: undefined })
      const { cpu } = await bench.run({ seconds, rate: undefined })
      await bench.close()
      ;(costs[name] ??= []).push(cpu)
      told(`growth, ${name}, round ${round + 1}: ${cpu.toFixed(1)} µs`)
    }
  }
  const [base = [], many = [], wide = []] = [costs['base'], costs['networks'], costs['destinations']] // prettier-ignore
  const after = (list: readonly number[]) => {
    const ratios = list.map((cost, i) => cost / (base[i] ?? cost))
    return median(base) * median(ratios)
  }
  return [
    { what: 'networks', from: '10', to: '1,000', before: median(base), after: after(many) },
    { what: 'destinations configured, 2 of them routed to', from: '2', to: '50', before: median(base), after: after(wide) }, // prettier-ignore
  ]
}

async function stored(
  { folder, seconds, rounds, told }: GrowthOptions,
  store: 'lmdb' | 'redis',
  what: 'keys' | 'backlog',
  count: number,
): Promise<Growth> {
  const started = async (start: Start): Promise<Gateway> => {
    const more = { unroutedDestinations: 1 }
    if (store === 'lmdb') return postern(start, more)
    const redis = await startRedis(join(start.folder, 'redis'), start.redisPort, 'everysec')
    const gateway = await postern(start, { ...more, redisPort: start.redisPort })
    const end = async () => {
      await gateway.stop()
      await stop(redis, 60_000)
    }
    return { ...gateway, redis, where: String(start.redisPort), stop: end }
  }
  const home = join(folder, `${store}-${what}`)
  const bench = await openBench({ folder: home, copies: 2 }, started)
  const cost = async () => {
    const all: Measured[] = []
    for (let i = 0; i < rounds; i++) all.push(await bench.run({ seconds, rate: undefined }))
    return median(all.map(({ cpu }) => cpu))
  }
  try {
    // Longer than elsewhere, or what the compiler still gains would hide what growth costs.
    await bench.run({ seconds: seconds * 4, rate: undefined })
    const before = await cost()
    await fill(store, bench.gateway.where ?? join(home, 'data'), what, count)
    await bench.run({ seconds, rate: undefined })
    const after = await cost()
    told(`growth, ${store}, ${count} ${what}: ${before.toFixed(1)} → ${after.toFixed(1)} µs`)
    const named = what === 'keys' ? 'dedupe keys' : 'deliveries that wait'
    return { what: `${named}, ${store}`, from: '0', to: count.toLocaleString('en'), before, after } // prettier-ignore
  } finally {
    await bench.close()
  }
}

async function fill(store: string, where: string, what: string, count: number): Promise<void> {
  const flags = ['--import', '@tapjs/typescript/import']
  const command = [process.execPath, ...flags, FILL, store, where, what, String(count)]
  const child = startPinned(OTHER_CORE, command)
  const code = await new Promise(resolve => child.once('exit', resolve))
  if (code !== 0) throw new Error(`filling ${store} ended with ${String(code)}`)
}

export interface StartTimes {
  readonly networks: number
  /** From the start of the process until it takes postbacks, in ms. */
  readonly startMs: number
  /** From a changed file until the new rules are in force, in ms. */
  readonly reloadMs: number
}

/** With one rule file per network. */
export async function timeStarts(folder: string, networks: number): Promise<StartTimes> {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const [port = 0, adminPort = 0, redisPort = 0] = await freePorts(3)
  const began = performance.now()
  const gateway = await postern({ folder, port, adminPort, redisPort, destinations: [9] }, { networks }) // prettier-ignore
  await waitForPort(port)
  const startMs = performance.now() - began
  // The watch begins a moment after the start.
  await new Promise(resolve => setTimeout(resolve, 1000))
  const changed = performance.now()
  const count = loads(folder)
  appendFileSync(join(folder, 'rules', 'networks', 'bench.yaml'), '\n# changed\n')
  while (loads(folder) === count) {
    if (performance.now() > changed + 60_000) throw new Error('no reload within a minute')
    await new Promise(resolve => setTimeout(resolve, 10))
  }
  const reloadMs = performance.now() - changed
  await gateway.stop()
  rmSync(folder, { recursive: true, force: true })
  return { networks, startMs, reloadMs }
}

function loads(folder: string): number {
  return readFileSync(join(folder, 'log'), 'utf8').split('"config.loaded"').length
}
