/** A small installation for end-to-end tests: one network, two trackers, any store. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { writeConfig } from './gateway.ts'

export interface InstallationOptions {
  readonly store: Record<string, unknown>
  /** Base URL of the trackers; the destinations deliver to `/a` and `/b`. */
  readonly tracker: string
  readonly destination?: Record<string, unknown>
  readonly destinations?: readonly string[]
  readonly more?: Record<string, unknown>
}

const NETWORK = {
  name: 'Test network',
  kind: 'generic',
  verified: 'vendor',
  docs: 'https://example.com/',
  fields: {
    click_id: ['cid'],
    transaction_id: ['tid'],
    payout: ['payout'],
    status: ['status'],
    sub1: ['sub1'],
  },
  status: { default: 'approved' },
  verify: [{ token: 'path:token' }],
  examples: [
    {
      title: 'approved',
      request: { method: 'GET', target: '/in/net/secret-token?cid=c1&tid=t1&payout=1.50' },
      tokens: ['secret-token'],
      outcome: 'accepted',
    },
  ],
}

const DESTINATION = {
  name: 'Test tracker',
  kind: 'tracker',
  verified: 'vendor',
  docs: 'https://example.com/',
  settings: {
    base: { title: 'Base URL' },
    path: { title: 'Path' },
    life: { title: 'Which start of the gateway this is', default: '0' },
  },
  request: {
    method: 'GET',
    url: '{settings.base}/{settings.path}',
    headers: { 'x-life': '{settings.life}' },
    query: { cid: '{click_id}', tid: '{transaction_id}', payout: '{payout}', st: '{status}' },
  },
  examples: [
    {
      title: 'sale',
      conversion: { click_id: 'c1', transaction_id: 't1', payout: '1.50' },
      settings: { base: 'https://t.example.com', path: 'a' },
      request: {
        method: 'GET',
        url: 'https://t.example.com/a?cid=c1&tid=t1&payout=1.50&st=approved',
        headers: { 'x-life': '0' },
      },
    },
  ],
}

export const TOKEN = 'secret-token'

/** Path and query of a postback with this transaction id. */
export function target(tid: string, more = ''): string {
  return `/in/net/${TOKEN}?cid=click-${tid}&tid=${tid}&payout=1.50${more}`
}

/** Writes rules and configuration into `folder`; returns the configuration's path. */
export function install(folder: string, options: InstallationOptions): string {
  const rules = join(folder, 'rules')
  mkdirSync(join(rules, 'networks'), { recursive: true })
  mkdirSync(join(rules, 'destinations'), { recursive: true })
  writeFileSync(join(rules, 'networks', 'net.yaml'), stringify(NETWORK))
  writeFileSync(join(rules, 'destinations', 'test-tracker.yaml'), stringify(DESTINATION))
  const names = options.destinations ?? ['a', 'b']
  const destinations = Object.fromEntries(
    names.map(name => [
      name,
      {
        rule: 'test-tracker',
        settings: { base: options.tracker, path: name, life: '${TEST_LIFE:-0}' },
        allow_private: ['127.0.0.1/32'],
        ...options.destination,
      },
    ]),
  )
  return writeConfig(folder, {
    rules: [rules],
    store: options.store,
    networks: { net: { tokens: ['${TEST_TOKEN}'] } },
    destinations,
    routes: [{ to: names }],
    ...options.more,
  })
}
