/**
 * Real Redis servers for tests.
 *
 *   const redis = await startRedis(t)                      a server, stopped at the end of t
 *   const redis = await startRedis(t, { args: ['--appendonly', 'yes'] })
 *   await redis.kill('SIGKILL'); await redis.restart()     same port and folder
 *   const { nodes } = await startCluster(t, 3)
 *   const { url, prefix, stop } = await redisForTest(t)    REDIS_URL if set, else a server
 *
 * The server comes from the PATH; where root may install packages it is installed. Never skips:
 * without a server the test fails and says what to install.
 */
import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Redis } from 'ioredis'
import type { Test } from 'tap'
import { randomText } from '../../src/base/id.ts'

const run = promisify(execFile)

export interface RedisServer {
  readonly url: string
  readonly port: number
  readonly folder: string
  /** Ends with the signal; resolves when the process is gone. SIGSTOP and SIGCONT resolve at once. */
  kill(signal?: NodeJS.Signals): Promise<void>
  /** Starts it again on the same port and folder; resolves when it answers. */
  restart(): Promise<void>
  /** A client for looking and meddling; closed with the server. */
  readonly admin: Redis
  stop(): Promise<void>
}

export interface RedisServerOptions {
  /** Further arguments of redis-server. */
  readonly args?: readonly string[]
  /** Lines of a configuration file, which a Sentinel needs. */
  readonly config?: readonly string[]
}

export async function startRedis(t: Test, options: RedisServerOptions = {}): Promise<RedisServer> {
  ensureInstalled()
  const port = await freePort()
  const folder = await mkdtemp(join(tmpdir(), 'postern-redis-'))
  const url = `redis://127.0.0.1:${port}`
  const args = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', folder]
  if (options.config) {
    const file = join(folder, 'redis.conf')
    await writeFile(file, `${options.config.join('\n')}\n`)
    args.unshift(file)
  } else {
    args.push('--save', '')
  }
  args.push(...(options.args ?? []))
  let child: ChildProcess | undefined
  let isGone: Promise<void> = Promise.resolve()

  async function start(): Promise<void> {
    const started = spawn('redis-server', args, { stdio: 'ignore' })
    child = started
    const stopWatching = dieWithUs(started.pid)
    isGone = new Promise(resolve => {
      started.once('exit', () => {
        stopWatching()
        resolve()
      })
    })
    await until(async () => (await answers(port)) || `redis-server answers on ${port}`)
  }

  const admin = new Redis(url, {
    lazyConnect: true,
    maxRetriesPerRequest: null,
    enableReadyCheck: false,
    retryStrategy: () => 50,
  })
  admin.on('error', () => undefined)
  const server: RedisServer = {
    url,
    port,
    folder,
    admin,
    async kill(signal = 'SIGKILL') {
      child?.kill(signal)
      if (signal !== 'SIGSTOP' && signal !== 'SIGCONT') await isGone
    },
    restart: start,
    async stop() {
      admin.disconnect()
      child?.kill('SIGKILL')
      await isGone
      await rm(folder, { recursive: true, force: true })
    },
  }
  t.teardown(() => server.stop())
  await start()
  return server
}

/** A Redis and a key prefix that is nobody else's. */
export async function redisForTest(t: Test): Promise<{ url: string; admin: Redis }> {
  const { REDIS_URL } = process.env
  if (!REDIS_URL) return startRedis(t)
  const admin = new Redis(REDIS_URL)
  t.teardown(() => admin.disconnect())
  return { url: REDIS_URL, admin }
}

/** Frees what a test wrote, on a server that may be shared. */
export async function dropPrefix(admin: Redis, prefix: string): Promise<void> {
  for await (const keys of admin.scanStream({ match: `${prefix}:*`, count: 1000 })) {
    // One by one, for on a Cluster they live in different slots.
    await Promise.all((keys as string[]).map(key => admin.unlink(key)))
  }
}

export const randomPrefix = (): string => `postern-test-${randomText(8)}`

/** Masters only, all slots assigned; resolves when every node knows it. */
export async function startCluster(t: Test, masters: number): Promise<readonly RedisServer[]> {
  const args = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '2000']
  const nodes = await Promise.all(Array.from({ length: masters }, () => startRedis(t, { args })))
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`)
  await run('redis-cli', ['--cluster', 'create', ...addresses, '--cluster-yes'])
  for (const { admin } of nodes) {
    await until(async () => {
      const info = await admin.cluster('INFO')
      return /cluster_state:ok/.test(info) || 'the cluster is ready'
    })
  }
  return nodes
}

/** Waits until `condition` is true; its text says what was waited for in vain. */
export async function until(
  condition: () => Promise<true | string> | true | string,
  timeoutMs = 20_000,
): Promise<void> {
  const deadline = performance.now() + timeoutMs
  for (;;) {
    const state = await condition()
    if (state === true) return
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms until ${state}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

/** True once the server answers anything, LOADING included. */
async function answers(port: number): Promise<boolean> {
  const client = new Redis(port, {
    lazyConnect: true,
    retryStrategy: null,
    enableReadyCheck: false,
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.ping().catch((error: Error) => {
      if (error.name !== 'ReplyError') throw error
    })
    return true
  } catch {
    return false
  } finally {
    client.disconnect()
  }
}

/** A shell that ends the server when our side of its pipe closes, however this process dies. */
function dieWithUs(pid: number | undefined): () => void {
  const script = `cat >/dev/null; kill -9 ${pid} 2>/dev/null`
  const watch = spawn('sh', ['-c', script], { stdio: ['pipe', 'ignore', 'ignore'], detached: true })
  return () => watch.kill('SIGKILL')
}

async function freePort(): Promise<number> {
  // A cluster node also takes the port 10000 above.
  for (;;) {
    const server = createServer()
    const port = await new Promise<number>((resolve, reject) => {
      server.once('error', reject)
      server.listen(0, '127.0.0.1', () => {
        const address = server.address()
        resolve(typeof address === 'object' && address ? address.port : 0)
      })
    })
    await new Promise(resolve => server.close(resolve))
    if (port < 55_000) return port
  }
}

let isInstalled = false

function ensureInstalled(): void {
  isInstalled ||= works('redis-server', ['--version'])
  if (isInstalled) return
  if (process.getuid?.() === 0 && works('apt-get', ['--version'])) {
    const install = () => works('apt-get', ['install', '-y', 'redis-server'])
    isInstalled = install() || (works('apt-get', ['update']) && install())
    if (isInstalled) return
  }
  throw new Error('these tests need redis-server 6.2 or later: apt-get install redis-server')
}

function works(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}
