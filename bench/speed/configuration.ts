/** A Postern for the benchmark: rule files and postern.yaml in a folder, with everything on. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { NETWORK, queryOf, SECRET, SIGNED_TEXT } from './request.ts'

export interface PosternOptions {
  readonly folder: string
  readonly port: number
  readonly adminPort: number
  /** Where the destinations listen that postbacks are routed to. */
  readonly destinations: readonly number[]
  /** Further ones, each with a route that no postback here matches. */
  readonly unroutedDestinations?: number
  /** Default 1; each is a network with a rule file of its own. */
  readonly networks?: number
  readonly redisPort?: number | undefined
  /** Instead of Redis or LMDB. */
  readonly isInMemory?: boolean
}

export function writePostern(options: PosternOptions): string {
  const { folder, port, adminPort, destinations, networks = 1 } = options
  const others = options.unroutedDestinations ?? 0
  for (const kind of ['networks', 'destinations']) {
    mkdirSync(join(folder, 'rules', kind), { recursive: true })
  }
  const names = Array.from({ length: networks }, (_, i) => (i === 0 ? NETWORK : `${NETWORK}-${i}`))
  for (const name of names) {
    writeFileSync(join(folder, 'rules', 'networks', `${name}.yaml`), stringify(networkRule(name)))
  }
  const rule = join(folder, 'rules', 'destinations', 'bench-tracker.yaml')
  writeFileSync(rule, stringify(DESTINATION_RULE))
  const to = (address: string) => ({
    rule: 'bench-tracker',
    settings: { address },
    allow_private: ['127.0.0.1/32'],
  })
  const routed = destinations.map((at, i) => [`to-${i}`, to(`127.0.0.1:${at}`)] as const)
  const unrouted = Array.from(
    { length: others },
    (_, i) => [`other-${i}`, to('127.0.0.1:9')] as const,
  )
  const file = join(folder, 'postern.yaml')
  writeFileSync(
    file,
    stringify({
      server: { listen: `127.0.0.1:${port}` },
      admin: { listen: `127.0.0.1:${adminPort}` },
      store: storeOf(options),
      rules: [join(folder, 'rules')],
      networks: Object.fromEntries(names.map(name => [name, { secrets: ['${BENCH_SECRET}'] }])),
      destinations: Object.fromEntries([...routed, ...unrouted]),
      routes: [
        { to: routed.map(([name]) => name) },
        ...unrouted.map(([name], i) => ({ when: { offer_id: { equals: `${i}` } }, to: [name] })),
      ],
    }),
  )
  return file
}

function storeOf({ folder, redisPort, isInMemory = false }: PosternOptions) {
  if (isInMemory) return { type: 'memory' }
  if (redisPort) return { type: 'redis', redis: { url: `redis://127.0.0.1:${redisPort}` } }
  return { type: 'lmdb', path: join(folder, 'data') }
}

export const POSTERN_ENV = { BENCH_SECRET: SECRET }

function networkRule(name: string) {
  return {
    name: 'Bench network',
    kind: 'generic',
    verified: 'vendor',
    docs: 'https://example.com/',
    fields: {
      click_id: ['cid'],
      transaction_id: ['tid'],
      payout: ['payout'],
      currency: ['cur'],
      offer_id: ['offer'],
      country: ['geo'],
      sub1: ['s1'],
      sub2: ['s2'],
    },
    status: { from: ['st'], map: { approved: 'approved' } },
    verify: [
      {
        signature: {
          algorithm: 'sha256',
          hmac: true,
          over: SIGNED_TEXT,
          from: 'sig',
          encoding: 'hex',
        },
      },
    ],
    examples: [
      {
        title: 'approved',
        request: { method: 'GET', target: queryOf('t-1', name) },
        secrets: [SECRET],
        outcome: 'accepted',
      },
    ],
  }
}

const DESTINATION_RULE = {
  name: 'Bench tracker',
  kind: 'tracker',
  verified: 'vendor',
  docs: 'https://example.com/',
  settings: { address: { title: 'Where it listens', example: '127.0.0.1:8000' } },
  request: {
    method: 'GET',
    url: 'http://{settings.address}/postback',
    query: {
      cid: '{click_id}',
      txid: '{transaction_id}',
      payout: '{payout}',
      currency: '{currency}',
      status: '{status}',
    },
  },
  examples: [
    {
      title: 'an approved sale',
      conversion: { click_id: 'click-1', transaction_id: 'order-1', payout: '12.50' },
      request: {
        method: 'GET',
        url: 'http://127.0.0.1:8000/postback?cid=click-1&txid=order-1&payout=12.50&currency=USD&status=approved',
      },
      responses: [
        { status: 200, body: 'OK', verdict: 'delivered' },
        { status: 500, verdict: 'retry' },
      ],
    },
  ],
}
