/**
 * Whether this Redis can lose data, from INFO and CONFIG GET of every master. Managed servers may
 * forbid either; then the check says that it cannot tell.
 */
import { Cluster } from 'ioredis'
import type { SafetyCheck } from '../store.ts'
import type { Calls } from './calls.ts'
import type { Client } from './connect.ts'

const MINIMUM = [6, 2] as const

interface Facts {
  readonly version: string | undefined
  readonly policy: string | undefined
  readonly aof: string | undefined
  readonly fsync: string | undefined
  readonly replicas: string | undefined
}

export async function checkSafety(
  calls: Calls,
  waitReplicas: number | undefined,
): Promise<readonly SafetyCheck[]> {
  const all = await calls.within(client => {
    const nodes = client instanceof Cluster ? client.nodes('master') : [client]
    return Promise.all(nodes.map(readFacts))
  })
  return [
    check(
      'redis_version',
      true,
      all.map(facts => facts.version),
      isRecent,
      {
        good: found => `Redis ${found}`,
        bad: found => `Redis ${found} is too old: scripts need ${MINIMUM.join('.')} or later`,
      },
    ),
    check(
      'maxmemory_policy_noeviction',
      true,
      all.map(facts => facts.policy),
      is('noeviction'),
      {
        good: () => 'a full Redis refuses writes and evicts nothing',
        bad: found =>
          `maxmemory-policy is ${found}: a full Redis silently drops work and dedupe state; ` +
          'set it to noeviction',
      },
    ),
    check(
      'append_only_file',
      false,
      all.map(facts => facts.aof),
      is('1'),
      {
        good: () => 'the append-only file is on',
        bad: () =>
          'the append-only file is off: a restart of Redis loses what was answered 2xx; set appendonly yes',
      },
    ),
    check(
      'append_fsync_always',
      false,
      all.map(facts => facts.fsync),
      is('always'),
      {
        good: () => 'every write is on disk before it is answered',
        bad: found =>
          `appendfsync is ${found}: a power loss may take ` +
          `${found === 'everysec' ? 'about 2 seconds' : 'what the kernel had not written'}; ` +
          'set appendfsync always to lose nothing',
      },
    ),
    ...(waitReplicas === undefined
      ? []
      : [
          check(
            'replicas_connected',
            false,
            all.map(facts => facts.replicas),
            found => Number(found) >= waitReplicas,
            {
              good: found => `replicas connected: ${found}`,
              bad: found =>
                `replicas connected: ${found}, but store.redis.wait_replicas asks for ${waitReplicas}: ` +
                'postbacks are answered 503 until they are',
            },
          ),
        ]),
  ]
}

function check(
  name: string,
  fatal: boolean,
  found: readonly (string | undefined)[],
  isGood: (value: string) => boolean,
  say: { good: (value: string) => string; bad: (value: string) => string },
): SafetyCheck {
  const bad = found.find(value => value !== undefined && !isGood(value))
  if (bad !== undefined) return { check: name, ok: false, fatal, detail: say.bad(bad) }
  const [first] = found
  if (first === undefined || found.includes(undefined)) {
    const detail = 'cannot tell: this Redis does not let us ask (INFO, CONFIG GET)'
    return { check: name, ok: false, fatal: false, detail }
  }
  return { check: name, ok: true, fatal, detail: say.good(first) }
}

async function readFacts(node: Exclude<Client, Cluster>): Promise<Facts> {
  const ask = (question: Promise<unknown>): Promise<unknown> =>
    question.catch((error: unknown) => {
      // A refusal is one thing not known; a lost connection says nothing at all.
      if (error instanceof Error && error.message.startsWith('NOPERM')) return undefined
      if (error instanceof Error && error.message.startsWith('ERR unknown')) return undefined
      throw error
    })
  const [info, policy, fsync] = await Promise.all([
    ask(node.info()),
    ask(node.config('GET', 'maxmemory-policy')),
    ask(node.config('GET', 'appendfsync')),
  ])
  const field = (name: string): string | undefined =>
    typeof info === 'string' ? new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] : undefined
  return {
    version: field('redis_version'),
    policy: field('maxmemory_policy') ?? setting(policy),
    aof: field('aof_enabled'),
    // Without the file its setting means nothing.
    fsync: field('aof_enabled') === '0' ? 'off' : setting(fsync),
    replicas: field('connected_slaves'),
  }
}

/** CONFIG GET answers name and value. */
function setting(reply: unknown): string | undefined {
  return Array.isArray(reply) && typeof reply[1] === 'string' ? reply[1] : undefined
}

function is(wanted: string): (value: string) => boolean {
  return value => value === wanted
}

function isRecent(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > MINIMUM[0] || (major === MINIMUM[0] && minor >= MINIMUM[1])
}
