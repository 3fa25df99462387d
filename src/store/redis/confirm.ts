/**
 * Writes that replicas must confirm. Script and WAIT travel as one pipeline: on one connection, or
 * the WAIT fails. A WAIT that was sent again alone would speak of another connection and, after a
 * failover, of another master. https://redis.io/docs/latest/commands/wait/
 */
import { Cluster } from 'ioredis'
import { StoreError } from '../store.ts'
import type { Client } from './connect.ts'
import { isNoScript, keysOf, type Script } from './script.ts'

export interface Wait {
  readonly replicas: number
  readonly timeoutMs: number
}

export interface ScriptCall {
  /** Base key of the partition. */
  readonly base: string
  readonly args: readonly string[]
}

const MAX_TRIES = 3

/** Replies in the order of `calls`, once enough replicas have all of it. */
export async function runConfirmed(
  client: Client,
  script: Script,
  calls: readonly ScriptCall[],
  wait: Wait,
): Promise<readonly unknown[]> {
  // Partitions may live on different nodes of a Cluster, and a WAIT speaks of one node.
  if (!(client instanceof Cluster)) return confirm(client, script, calls, wait)
  const replies = await Promise.all(calls.map(call => confirm(client, script, [call], wait)))
  return replies.flat()
}

async function confirm(
  client: Client,
  script: Script,
  calls: readonly ScriptCall[],
  wait: Wait,
): Promise<readonly unknown[]> {
  let isLoaded = true
  for (let attempt = 1; ; attempt++) {
    const pipeline = client.pipeline()
    for (const { base, args } of calls) {
      if (isLoaded) pipeline.evalsha(script.sha, ...keysOf(base), ...args)
      else pipeline.eval(script.source, ...keysOf(base), ...args)
    }
    pipeline.wait(wait.replicas, wait.timeoutMs)
    const results = (await pipeline.exec()) ?? []
    const failure = results.find(([error]) => error)?.[0]
    if (!failure) {
      const replies = results.map(([, reply]) => reply)
      checkConfirmed(replies.pop(), wait)
      return replies
    }
    const base = calls[0]?.base
    if (attempt === MAX_TRIES || base === undefined) throw failure
    if (isNoScript(failure)) isLoaded = false
    // A plain command follows the redirection, and so teaches the client where the slot is now.
    else if (failure.message.startsWith('MOVED')) await client.exists(base)
    else throw failure
  }
}

function checkConfirmed(confirmed: unknown, wait: Wait): void {
  if (typeof confirmed === 'number' && confirmed >= wait.replicas) return
  throw new StoreError(
    'replicas',
    `${String(confirmed)} of ${wait.replicas} replicas confirmed within ${wait.timeoutMs} ms; ` +
      'the write may exist. Check the replicas, or lower store.redis.wait_replicas',
  )
}
