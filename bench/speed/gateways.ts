/** The gateways that are compared, each started fresh on core 0. */
import type { ChildProcess } from 'node:child_process'
import { closeSync, existsSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { POSTERN_ENV, writePostern, type PosternOptions } from './configuration.ts'
import { LUA_MODULES, luaText, mirrorText, startNginx } from './nginx.ts'
import { GATEWAY_CORE, startPinned, stop, waitForPort } from './processes.ts'
import { startRedis, type Fsync } from './redis.ts'
import { SECRET } from './request.ts'

export interface Start {
  readonly folder: string
  readonly port: number
  readonly adminPort: number
  readonly redisPort: number
  readonly destinations: readonly number[]
  /** Write a CPU profile here. */
  readonly profileFolder?: string | undefined
}

export interface Gateway {
  readonly process: ChildProcess
  readonly redis: ChildProcess | undefined
  /** Port of its Redis, for who fills it. */
  readonly where?: string
  stop(): Promise<void>
}

export interface Variant {
  readonly name: string
  readonly title: string
  /** Why it cannot run here; undefined where it can. */
  readonly missing?: () => string | undefined
  start(options: Start): Promise<Gateway>
}

const BENCH = join(import.meta.dirname, '..')
const ROOT = join(BENCH, '..')

export const VARIANTS: readonly Variant[] = [
  {
    name: 'bare',
    title: '(a) ceiling: Fastify + undici.dispatch',
    start: options => node('bare', options),
  },
  {
    name: 'memory',
    title: 'Postern, memory: nothing durable',
    start: options => postern(options, { isInMemory: true }),
  },
  {
    name: 'lmdb',
    title: '(b) Postern, LMDB',
    start: options => postern(options, {}),
  },
  {
    name: 'everysec',
    title: '(c) Postern, Redis AOF everysec',
    start: options => posternOnRedis(options, 'everysec'),
  },
  {
    name: 'always',
    title: '(c) Postern, Redis AOF always',
    start: options => posternOnRedis(options, 'always'),
  },
  {
    name: 'mirror',
    title: '(d) nginx mirror',
    start: options => nginx(options, mirrorText(options.port, options.destinations)),
  },
  {
    name: 'lua',
    title: '(d) nginx + Lua + Redis SET NX',
    missing: () =>
      LUA_MODULES.every(existsSync) ? undefined : 'libnginx-mod-http-lua is not installed',
    start: options => withRedis(options, 'everysec', () =>
        nginx(options, luaText(options.port, options.destinations, options.redisPort), LUA_MODULES)), // prettier-ignore
  },
  {
    name: 'by-hand',
    title: '(d) Express + axios + ioredis by hand',
    missing: peersMissing,
    start: options => withRedis(options, 'everysec', () => node('by-hand', options)),
  },
  {
    name: 'bullmq',
    title: '(d) Fastify + BullMQ',
    missing: peersMissing,
    start: options => withRedis(options, 'everysec', () => node('bullmq', options)),
  },
]

function peersMissing(): string | undefined {
  return existsSync(join(BENCH, 'node_modules')) ? undefined : 'run npm ci --prefix bench'
}

async function started(child: ChildProcess, port: number): Promise<Gateway> {
  await waitForPort(port)
  return { process: child, redis: undefined, stop: () => stop(child) }
}

function node(program: string, options: Start): Promise<Gateway> {
  const { port, destinations, redisPort } = options
  const env = {
    PORT: String(port),
    DESTINATIONS: destinations.join(','),
    REDIS: String(redisPort),
    SECRET,
    NODE_ENV: 'production',
  }
  const file = join(BENCH, 'peers', `${program}.mjs`)
  return started(startPinned(GATEWAY_CORE, [process.execPath, ...profiling(options), file], { env }), port) // prettier-ignore
}

function nginx(options: Start, text: string, modules: readonly string[] = []): Promise<Gateway> {
  const { folder, port } = options
  return started(startNginx(GATEWAY_CORE, join(folder, 'nginx'), text, modules), port)
}

async function withRedis(
  { folder, redisPort }: Start,
  fsync: Fsync,
  start: () => Promise<Gateway>,
): Promise<Gateway> {
  const redis = await startRedis(join(folder, 'redis'), redisPort, fsync)
  const gateway = await start()
  return {
    ...gateway,
    redis,
    stop: async () => {
      await gateway.stop()
      await stop(redis)
    },
  }
}

function posternOnRedis(options: Start, fsync: Fsync): Promise<Gateway> {
  return withRedis(options, fsync, () => postern(options, { redisPort: options.redisPort }))
}

/** As it ships: the built program, with its log in a file. */
export function postern(options: Start, more: Partial<PosternOptions>): Promise<Gateway> {
  const { folder, port, adminPort, destinations } = options
  const file = writePostern({ folder, port, adminPort, destinations, ...more })
  const log = openSync(join(folder, 'log'), 'w')
  const program = join(ROOT, 'dist', 'main.js')
  const command = [process.execPath, ...profiling(options), program, 'start', '-c', file]
  const child = startPinned(GATEWAY_CORE, command, { env: POSTERN_ENV, log })
  closeSync(log)
  return started(child, port)
}

/** Flags for Node, such as `--trace-gc`, from BENCH_NODE_FLAGS. */
function profiling({ profileFolder }: Start): string[] {
  const flags = process.env['BENCH_NODE_FLAGS']?.split(' ') ?? []
  return profileFolder === undefined
    ? flags
    : [...flags, '--cpu-prof', `--cpu-prof-dir=${profileFolder}`]
}
