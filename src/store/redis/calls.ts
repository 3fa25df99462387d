/**
 * Sends scripts and commands to Redis. Every call settles within its deadline, as a reply or as a
 * StoreError, whatever the client is doing.
 */
import { partitionOf } from '../../base/id.ts'
import { StoreError } from '../store.ts'
import { runConfirmed, type Wait } from './confirm.ts'
import type { Client } from './connect.ts'
import { withDeadline } from './failure.ts'
import { isNoScript, keysOf, type Script } from './script.ts'

export interface CallsOptions {
  readonly client: Client
  readonly prefix: string
  readonly partitions: number
  /** From the call to its answer, reconnecting included. */
  readonly timeoutMs: number
  /** Replicas that must confirm what `runAll` wrote; undefined: none. */
  readonly wait?: Wait | undefined
}

export interface PartitionCall {
  readonly partition: number
  readonly args: readonly string[]
}

export interface Calls {
  readonly partitions: number
  /** False for a record id that no partition of this store can have: a typing error of a person. */
  mayHold(record: string): boolean
  /** Full name of a key of one partition. */
  key(partition: number, name: string): string
  run(script: Script, partition: number, args: readonly string[]): Promise<unknown>
  /** The same script in several partitions side by side; replies in order. */
  runAll(script: Script, calls: readonly PartitionCall[]): Promise<readonly unknown[]>
  /** The same script with the same arguments in every partition. */
  runEverywhere(script: Script, args: readonly string[]): Promise<readonly unknown[]>
  command(name: string, ...args: string[]): Promise<unknown>
  /** Whatever `start` asks of the client, within the deadline. */
  within<T>(start: (client: Client) => Promise<T>): Promise<T>
  /** Drops the connection; every further call fails. */
  close(): void
}

/** After so many calls without an answer further ones fail at once, so memory stays bounded. */
const MAX_UNANSWERED = 256

export function createCalls(options: CallsOptions): Calls {
  const { client, prefix, wait, partitions } = options
  const timeoutMs = options.timeoutMs + (wait?.timeoutMs ?? 0)
  const bases = Array.from({ length: partitions }, (_, p) => `${prefix}:{${p}}:`)
  let unanswered = 0
  let isClosed = false

  function guard<T>(start: () => Promise<T>): Promise<T> {
    if (isClosed) return Promise.reject(new StoreError('closed', 'the store is closed'))
    if (unanswered >= MAX_UNANSWERED) return Promise.reject(overdue())
    return withDeadline(
      start(),
      timeoutMs,
      () => {
        unanswered++
        return overdue()
      },
      () => {
        unanswered--
      },
    )
  }

  function overdue(): StoreError {
    return client.status === 'ready'
      ? new StoreError('timeout', `Redis did not answer within ${timeoutMs} ms`)
      : new StoreError('connection', `no connection to Redis within ${timeoutMs} ms`)
  }

  async function evaluate(script: Script, base: string, args: readonly string[]): Promise<unknown> {
    try {
      return await client.evalsha(script.sha, ...keysOf(base), ...args)
    } catch (error) {
      if (!isNoScript(error)) throw error
      return client.eval(script.source, ...keysOf(base), ...args)
    }
  }

  function baseOf(partition: number): string {
    const base = bases[partition]
    if (base !== undefined) return base
    throw new StoreError('layout', `this store has no partition ${partition}, only ${partitions}`)
  }

  const calls: Calls = {
    partitions,
    mayHold: record => bases[partitionOf(record)] !== undefined,
    key: (partition, name) => baseOf(partition) + name,
    async run(script, partition, args) {
      const base = baseOf(partition)
      return guard(() => evaluate(script, base, args))
    },
    async runAll(script, batch) {
      const parts = batch.map(({ partition, args }) => ({ base: baseOf(partition), args }))
      if (wait) return guard(() => runConfirmed(client, script, parts, wait))
      return guard(() => Promise.all(parts.map(({ base, args }) => evaluate(script, base, args))))
    },
    runEverywhere: (script, args) =>
      guard(() => Promise.all(bases.map(base => evaluate(script, base, args)))),
    within: start => guard(() => start(client)),
    command: (name, ...args) => guard(() => client.call(name, ...args)),
    close() {
      isClosed = true
      client.disconnect()
    },
  }
  return calls
}
