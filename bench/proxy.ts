/**
 * What tap mode costs the network: latency of a tapped postback, and of what merely passes through,
 * against a bare @fastify/http-proxy in the same run. One tracker behind both; rounds alternate, so
 * that what else the machine does meets both alike.
 *
 *   npm run build && node --import @tapjs/typescript/import bench/proxy.ts [rounds] [requests]
 *
 * Compare ratios, and only of the same machine.
 */
import httpProxy from '@fastify/http-proxy'
import fastify from 'fastify'
import { fork, spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'undici'
import { stringify } from 'yaml'

const ROUNDS = Number(process.argv[2] ?? 10)
const REQUESTS = Number(process.argv[3] ?? 2000)
const CONNECTIONS = [1, 8]
const ROOT = join(import.meta.dirname, '..')

const RULE = {
  name: 'Bench network',
  kind: 'generic',
  verified: 'vendor',
  docs: 'https://example.com/',
  fields: { click_id: ['cid'], transaction_id: ['tid'], payout: ['payout'] },
  status: { default: 'approved' },
  verify: [{ token: 'path:token' }],
  examples: [
    {
      title: 'approved',
      request: { method: 'GET', target: '/in/bench/bench-token?cid=c&tid=t&payout=1.50' },
      tokens: ['bench-token'],
      outcome: 'accepted',
    },
  ],
}

/** The tracker and the bare proxy run in processes of their own, as the gateway does. */
async function tracker(): Promise<number> {
  const server = createServer((request, response) => {
    request.resume()
    response.setHeader('content-type', 'text/plain')
    response.end('OK')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

async function bare(upstream: string): Promise<number> {
  const server = fastify({ logger: false })
  await server.register(httpProxy, { upstream, disableRequestLogging: true })
  await server.listen({ port: 0, host: '127.0.0.1' })
  return (server.server.address() as AddressInfo).port
}

const [role, upstream = ''] = (process.env['BENCH_ROLE'] ?? '').split(' ')
if (role === 'tracker') process.send?.(await tracker())
else if (role === 'bare') process.send?.(await bare(upstream))
else await compare()

function child(asked: string): Promise<{ process: ChildProcess; url: string }> {
  const started = fork(import.meta.filename, {
    env: { ...process.env, BENCH_ROLE: asked },
    execArgv: process.execArgv,
  })
  return new Promise(resolve => {
    started.once('message', (port: number) =>
      resolve({ process: started, url: `http://127.0.0.1:${port}` }),
    )
  })
}

function gateway(folder: string, to: string): Promise<{ process: ChildProcess; url: string }> {
  mkdirSync(join(folder, 'rules', 'networks'), { recursive: true })
  writeFileSync(join(folder, 'rules', 'networks', 'bench.yaml'), stringify(RULE))
  const file = join(folder, 'postern.yaml')
  writeFileSync(
    file,
    stringify({
      server: { listen: '127.0.0.1:0' },
      admin: { listen: '127.0.0.1:0' },
      store: { type: 'lmdb', path: join(folder, 'data') },
      rules: [join(folder, 'rules')],
      networks: { bench: { tokens: ['${BENCH_TOKEN}'] } },
      destinations: {},
      routes: [],
      proxy: { upstream: to, postbacks: [{ path: '/pb/{token}', network: 'bench' }] },
    }),
  )
  const started = spawn(process.execPath, [join(ROOT, 'dist/main.js'), 'start', '-c', file], {
    env: { ...process.env, BENCH_TOKEN: 'bench-token' },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return new Promise(resolve => {
    started.stdout.on('data', (chunk: Buffer) => {
      const server = /"server":"([^"]+)"/.exec(chunk.toString())?.[1]
      if (server) resolve({ process: started, url: `http://${server}` })
    })
  })
}

async function compare(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-bench-'))
  const origin = await child('tracker')
  const ways = {
    tracker: { ...origin, path: '/pb/bench-token' },
    bare: { ...(await child(`bare ${origin.url}`)), path: '/pb/bench-token' },
    pass: { ...(await gateway(folder, origin.url)), path: '/other' },
  }
  const all = { ...ways, tap: { ...ways.pass, path: '/pb/bench-token' } }
  let id = 0

  async function round(url: string, path: string, connections: number): Promise<number[]> {
    const times: number[] = []
    let left = REQUESTS
    await Promise.all(
      Array.from({ length: connections }, async () => {
        const client = new Client(url)
        while (left-- > 0) {
          const query = `?cid=c${id}&tid=t${id++}&payout=1.50`
          const started = performance.now()
          const { statusCode, body } = await client.request({ method: 'GET', path: path + query })
          await body.dump()
          times.push(performance.now() - started)
          if (statusCode !== 200) throw new Error(`${url} answered ${statusCode}`)
        }
        await client.close()
      }),
    )
    return times
  }

  for (const connections of CONNECTIONS) {
    const times: Record<string, number[]> = {}
    // The first round of each warms up.
    for (let i = 0; i <= ROUNDS; i++) {
      for (const [name, { url, path }] of Object.entries(all)) {
        const took = await round(url, path, connections)
        if (i > 0) (times[name] ??= []).push(...took)
      }
    }
    const at = (name: string, share: number) => {
      const sorted = (times[name] ?? []).toSorted((a, b) => a - b)
      return sorted[Math.floor(sorted.length * share)] ?? 0
    }
    console.log(`\n${connections} connection(s), ${ROUNDS} × ${REQUESTS} requests each, ms`)
    for (const name of Object.keys(all)) {
      const [p50, p90, p99] = [at(name, 0.5), at(name, 0.9), at(name, 0.99)]
      const more = ((p50 - at('bare', 0.5)) * 1000).toFixed(0)
      const ratio = (p50 / at('bare', 0.5)).toFixed(2)
      console.log(
        `${name.padEnd(8)} p50 ${p50.toFixed(3)}  p90 ${p90.toFixed(3)}  p99 ${p99.toFixed(3)}` +
          `  against bare: ${ratio} × (${more} µs at p50)`,
      )
    }
  }
  for (const { process: running } of Object.values(ways)) running.kill()
  rmSync(folder, { recursive: true, force: true })
}
