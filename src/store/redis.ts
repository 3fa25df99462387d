/**
 * The store on Redis: one server, a Sentinel group or a Cluster. Key layout: redis/prelude.lua.
 * Each method is one script per partition; a script is one atomic step, replicated and logged as a
 * whole. Every call answers or throws StoreError within the command timeout (plus the wait for
 * replicas), and the connection mends itself.
 */
import { ownerOf } from '../base/id.ts'
import { acceptEntries } from './redis/accept.ts'
import { createCalls, type Calls } from './redis/calls.ts'
import { claimDue } from './redis/claim.ts'
import { connect } from './redis/connect.ts'
import { exhumeDead, expireDead, listDead, readDead } from './redis/dead.ts'
import { findDecisions, noteDecisions } from './redis/decisions.ts'
import { eraseConversion } from './redis/erase.ts'
import { toStoreError } from './redis/failure.ts'
import { readJournal, readJournalIds } from './redis/journal.ts'
import { createLease, takeOver } from './redis/lease.ts'
import { readLedgers } from './redis/ledger.ts'
import { agreeOnLayout } from './redis/meta.ts'
import { takeShared } from './redis/rates.ts'
import { checkSafety } from './redis/safety.ts'
import { readSize } from './redis/size.ts'
import { settleAll } from './redis/settle.ts'
import { StoreError, type Store } from './store.ts'

export interface RedisStoreOptions {
  /** One of these three: a URL, Sentinels with `master`, or nodes of a Cluster as `host:port`. */
  readonly url?: string | undefined
  readonly sentinels?: readonly string[] | undefined
  readonly master?: string | undefined
  readonly cluster?: readonly string[] | undefined
  readonly username?: string | undefined
  readonly password?: string | undefined
  /** Of every key; default `postern`. */
  readonly prefix?: string | undefined
  /** Fixed for the life of the data; default 16. */
  readonly partitions?: number | undefined
  /** Replicas that must confirm an accept; default none. */
  readonly waitReplicas?: number | undefined
  /** Default 500. */
  readonly waitTimeoutMs?: number | undefined
  /** Default 1500. */
  readonly commandTimeoutMs?: number | undefined
  /** Default 10000. */
  readonly leaseMs?: number | undefined
  /** Newest entries kept in the decision log; default 100000, 0 for none. */
  readonly decisions?: number | undefined
  /** Told every connection error and every failed note; may come often. */
  readonly onError?: ((error: StoreError) => void) | undefined
}

interface Connection {
  readonly calls: Calls
  /** Accepts have a connection of their own where replicas confirm: WAIT holds up what follows. */
  readonly accepts: Calls
  readonly hashKey: Buffer
}

export function createRedisStore(options: RedisStoreOptions): Store {
  const {
    prefix = 'postern',
    partitions = 16,
    waitReplicas,
    waitTimeoutMs = 500,
    commandTimeoutMs = 1500,
    leaseMs = 10_000,
    decisions: decisionCap = 100_000,
    onError = () => undefined,
  } = options
  const log = `${prefix}:{log}`
  const lease = createLease(leaseMs, partitions)
  const connectOptions = {
    ...options,
    commandTimeoutMs,
    onError: (error: unknown) => onError(toStoreError(error)),
  }
  let connection: Connection | undefined
  let isClosed = false
  /** Number of the next accept. */
  let accepting = 0

  function connected(): Connection {
    if (connection && !isClosed) return connection
    throw new StoreError('closed', isClosed ? 'the store is closed' : 'the store is not open')
  }
  const calls = (): Calls => connected().calls

  return {
    type: 'redis',
    leaseMs,
    get hashKey() {
      return connected().hashKey
    },
    get owner() {
      return lease.owner
    },
    newRecord: key => lease.newRecord(key),

    async open() {
      if (connection) throw new StoreError('closed', 'a store opens once; create another')
      const client = connect(connectOptions)
      const callsOptions = { client, prefix, partitions, timeoutMs: commandTimeoutMs }
      const calls = createCalls(callsOptions)
      const accepts =
        waitReplicas === undefined
          ? calls
          : createCalls({
              ...callsOptions,
              client: connect(connectOptions),
              wait: { replicas: waitReplicas, timeoutMs: waitTimeoutMs },
            })
      try {
        const hashKey = await agreeOnLayout(calls, prefix)
        await lease.register(calls)
        connection = { calls, accepts, hashKey }
      } catch (error) {
        calls.close()
        if (accepts !== calls) accepts.close()
        throw error
      }
    },

    async close() {
      if (!connection || isClosed) return
      const { calls, accepts } = connection
      isClosed = true
      try {
        await lease.release(calls)
      } catch (error) {
        // The lease then ends by itself, later.
        onError(toStoreError(error))
      }
      calls.close()
      if (accepts !== calls) accepts.close()
    },

    async accept(entries) {
      const { accepts } = connected()
      const { owner } = lease
      // A record of a former name would go to a journal that others are taking over.
      if (!lease.isLost && entries.every(({ record }) => ownerOf(record) === owner)) {
        const accepted = await acceptEntries(accepts, owner, accepting++, entries)
        if (accepted) return accepted
        lease.lose(owner)
      }
      throw new StoreError(
        'lease_lost',
        `the lease of ${owner} ended; what was not yet written never is: heartbeat, then retry`,
      )
    },

    async settle(settlements) {
      await settleAll(calls(), lease.owner, settlements)
    },
    async claim(requests) {
      return claimDue(calls(), lease.owner, requests)
    },

    async heartbeat() {
      return lease.heartbeat(calls())
    },
    async takeOver(limit) {
      return takeOver(calls(), lease.owner, limit)
    },

    async journal() {
      return readJournalIds(calls(), lease.owner)
    },
    async read(records) {
      return readJournal(calls(), records)
    },

    async dead(query) {
      return listDead(calls(), query)
    },
    async deadLetter(id) {
      return readDead(calls(), id)
    },
    async replay(ids) {
      return exhumeDead(calls(), 'replay', ids)
    },
    async discard(ids) {
      return exhumeDead(calls(), 'discard', ids)
    },

    async note(decisions) {
      try {
        await noteDecisions(calls(), log, decisionCap, decisions)
      } catch (error) {
        onError(toStoreError(error))
      }
    },
    async decisions(query) {
      return findDecisions(calls(), log, query)
    },

    async ledgers() {
      return readLedgers(calls())
    },
    async safety() {
      return checkSafety(calls(), waitReplicas)
    },
    async size() {
      return readSize(calls())
    },

    async erase(erasure) {
      return eraseConversion(calls(), log, erasure)
    },
    /** Redis itself expires dedupe state. */
    async expire({ deadKeepMs }) {
      await expireDead(calls(), deadKeepMs)
    },

    async shareRates(uses) {
      return takeShared(calls(), connected().hashKey, uses)
    },
  }
}
