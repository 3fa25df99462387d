/**
 * Two machines that a cable can be pulled between, as network namespaces of this one. `here` has
 * the gateway and the first Redis, `there` the rest; the test reaches both at all times.
 * Needs root and iproute2.
 */
import { execFileSync, spawn } from 'node:child_process'
import { Redis } from 'ioredis'
import type { Test } from 'tap'
import { temporaryFolder } from '../../test/support/gateway.ts'
import { until } from '../../test/support/until.ts'

export interface Host {
  /** Address on the cable between the two. */
  readonly address: string
  /** Address for the test. */
  readonly manage: string
  /** Puts a command into the namespace. */
  readonly within: readonly string[]
}

export interface Hosts {
  readonly here: Host
  readonly there: Host
  /** Address of the test, for both. */
  readonly outside: { readonly here: string; readonly there: string }
  pull(): void
  plug(): void
  /** Takes `there` away from the test in the same way, and gives it back. */
  leave(): void
  comeBack(): void
}

const ip = (...args: string[]) => execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })

/** The two ends of the link between the test and a host. */
const outerOf = (host: string) => `${host}0`
const innerOf = (host: string) => `${host}1`

export function createHosts(t: Test): Hosts {
  const id = `p${process.pid % 100_000}`
  const octet = 64 + (process.pid % 64)
  const names = { here: `${id}h`, there: `${id}t` }
  t.teardown(() => {
    for (const name of Object.values(names)) {
      // At once; with its namespace it would go only after a while, and the next one has its name.
      ip('link', 'del', outerOf(name))
      ip('netns', 'del', name)
    }
  })
  const inside = (name: string, ...args: string[]) => ip('-n', name, ...args)
  for (const name of Object.values(names)) {
    ip('netns', 'add', name)
    inside(name, 'link', 'set', 'lo', 'up')
  }
  const [cableHere, cableThere] = [`${id}c0`, `${id}c1`]
  ip('link', 'add', cableHere, 'netns', names.here, 'type', 'veth', 'peer', 'name', cableThere, 'netns', names.there) // prettier-ignore
  inside(names.here, 'addr', 'add', `10.${octet}.1.1/24`, 'dev', cableHere)
  inside(names.there, 'addr', 'add', `10.${octet}.1.2/24`, 'dev', cableThere)
  inside(names.here, 'link', 'set', cableHere, 'up')
  inside(names.there, 'link', 'set', cableThere, 'up')
  const manage = (name: string, subnet: number): string => {
    const [outer, inner] = [outerOf(name), innerOf(name)]
    ip('link', 'add', outer, 'type', 'veth', 'peer', 'name', inner, 'netns', name)
    ip('addr', 'add', `10.${octet}.${subnet}.1/24`, 'dev', outer)
    ip('link', 'set', outer, 'up')
    inside(name, 'addr', 'add', `10.${octet}.${subnet}.2/24`, 'dev', inner)
    inside(name, 'link', 'set', inner, 'up')
    return `10.${octet}.${subnet}.2`
  }
  const within = (name: string) => ['ip', 'netns', 'exec', name]
  return {
    here: { address: `10.${octet}.1.1`, manage: manage(names.here, 2), within: within(names.here) },
    there: {
      address: `10.${octet}.1.2`,
      manage: manage(names.there, 3),
      within: within(names.there),
    },
    outside: { here: `10.${octet}.2.1`, there: `10.${octet}.3.1` },
    // Both ends: packets vanish, and no connection is told.
    pull: () => {
      inside(names.there, 'link', 'set', cableThere, 'down')
    },
    plug: () => {
      inside(names.there, 'link', 'set', cableThere, 'up')
    },
    leave: () => {
      inside(names.there, 'link', 'set', innerOf(names.there), 'down')
    },
    comeBack: () => {
      inside(names.there, 'link', 'set', innerOf(names.there), 'up')
    },
  }
}

/** A Redis (or Sentinel) on a host; ends with the test. */
export async function redisOn(
  t: Test,
  host: Host,
  port: number,
  args: readonly string[],
): Promise<Redis> {
  const [enter = '', ...rest] = host.within
  const all = [...rest, 'redis-server', ...args, '--port', `${port}`, '--dir', temporaryFolder(t)]
  const server = spawn(enter, [...all, '--bind', '0.0.0.0', '--protected-mode', 'no'], {
    stdio: 'ignore',
  })
  t.teardown(() => server.kill('SIGKILL'))
  const client = new Redis(port, host.manage, { retryStrategy: () => 100, enableReadyCheck: false, maxRetriesPerRequest: null }) // prettier-ignore
  client.on('error', () => undefined)
  t.teardown(() => client.disconnect())
  await until('it answers', async () => (await client.ping().catch(() => '')) === 'PONG')
  return client
}
