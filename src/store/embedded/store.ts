/**
 * The Store port over tables: what memory and LMDB have in common. Every promise of the port is
 * kept here; a backend only has to make `write` atomic and durable.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { Clock } from '../../base/clock.ts'
import { createRecordIds, ownerOf, randomText } from '../../base/id.ts'
import { StoreError, type Decision, type Store } from '../store.ts'
import { acceptEntry } from './accept.ts'
import { eraseConversion, findConversion } from './erase.ts'
import { claimDue, nextDueMs } from './claim.ts'
import { readLedgers } from './ledgers.ts'
import { discardLetters, listLetters, replayLetters, toLetter } from './letters.ts'
import { hasDeadOwner, holdsLease, moveDeadOwners, retire } from './owners.ts'
import { settleOne } from './settle.ts'
import type { Backend, Tables } from './tables.ts'
import { createTally, type Tally } from './tally.ts'

export interface EmbeddedOptions {
  readonly type: Store['type']
  readonly backend: Backend
  readonly clock: Clock
  readonly leaseMs: number
  /** Newest decisions kept; 0 for none. */
  readonly decisions: number
}

/** Rows dropped or read in one go where nobody waits for the answer. */
const SLICE = 500
/** One machine, one process group: partitions are Redis Cluster's concern. */
const PARTITION = 0

export function createEmbeddedStore(options: EmbeddedOptions): Store {
  const { backend, clock, leaseMs } = options
  let hashKey: Buffer | undefined
  let epoch = 0
  const time = () => Math.floor(epoch + clock.monotonic())
  let phase: 'new' | 'open' | 'closed' = 'new'
  let owner = randomText(10)
  let ids = createRecordIds(owner)
  /** The owner's name is new and has no lease yet: the caller has not heard of the loss. */
  let isLost = false
  /** Under way: the backend stays open for them. */
  const readings = new Set<Promise<unknown>>()

  function rotate(): void {
    owner = randomText(10)
    ids = createRecordIds(owner)
    isLost = true
  }

  function ensureOpen(): void {
    if (phase === 'open') return
    throw new StoreError(
      'closed',
      phase === 'new' ? 'the store is not open' : 'the store is closed',
    )
  }
  const write = <T>(work: (tables: Tables) => T): Promise<T> => {
    ensureOpen()
    return backend.write(work)
  }
  const read = <T>(work: (tables: Tables) => T): T => {
    ensureOpen()
    return backend.read(work)
  }
  /** A read that takes its time: others get their turn between its steps. */
  const readInSlices = <T>(begin: (tables: Tables) => Generator<undefined, T>): Promise<T> => {
    const [reading, first] = read(tables => {
      const begun = begin(tables)
      return [begun, begun.next()] as const
    })
    const whole = rest(reading, first).finally(() => readings.delete(whole))
    readings.add(whole)
    return whole
  }
  const rest = async <T>(
    reading: Generator<undefined, T>,
    first: IteratorResult<undefined, T>,
  ): Promise<T> => {
    let step = first
    try {
      while (!step.done) {
        await turn()
        ensureOpen()
        step = reading.next()
      }
      return step.value
    } finally {
      // Gives its view back, also where it was not used up.
      reading.return(undefined as T)
    }
  }
  /** A write that also changes ledger counters. */
  const book = <T>(work: (tables: Tables, tally: Tally) => T): Promise<T> =>
    write(tables => {
      const tally = createTally()
      const outcome = work(tables, tally)
      tally.write(tables.ledger)
      return outcome
    })

  return {
    type: options.type,
    leaseMs,
    get owner() {
      return owner
    },
    get hashKey() {
      if (!hashKey) throw new StoreError('closed', 'the store is not open')
      return hashKey
    },
    newRecord: () => ids.next(PARTITION),

    async open() {
      if (phase !== 'new') throw new StoreError('closed', 'a store opens once; create another')
      ;({ hashKey, epoch } = await backend.open(clock))
      phase = 'open'
      await write(tables => tables.owners.put(owner, time() + leaseMs))
    },

    async close() {
      if (phase !== 'open') return
      const last = backend.write(tables => retire(tables, owner))
      phase = 'closed'
      try {
        await Promise.allSettled(readings)
        await last
      } finally {
        await backend.close()
      }
    },

    async accept(entries) {
      const mine = owner
      const isForeign = entries.some(({ record }) => ownerOf(record) !== mine)
      if (!isForeign && !isLost) {
        const results = await book((tables, tally) => {
          const now = time()
          if (!holdsLease(tables, mine, now)) return undefined
          return entries.map(entry => acceptEntry(tables, tally, entry, now))
        })
        if (results) return results
        if (owner === mine) rotate()
      }
      ensureOpen()
      throw new StoreError(
        'lease_lost',
        `the lease of ${mine} ended before this write: nothing was written; heartbeat, then retry`,
      )
    },

    async settle(settlements) {
      const mine = owner
      await book((tables, tally) => {
        const now = time()
        for (const settlement of settlements) settleOne(tables, tally, settlement, mine, now)
      })
    },

    async claim(requests) {
      // Looking costs no flush; most looks find nothing due.
      const idle = read(tables => nextDueMs(tables, requests, time()))
      if (idle !== 0) return { deliveries: [], nextDueMs: idle }
      const mine = owner
      return write(tables => {
        const now = time()
        const deliveries = requests.flatMap(request => claimDue(tables, request, mine, now))
        return { deliveries, nextDueMs: nextDueMs(tables, requests, now) }
      })
    },

    async heartbeat() {
      const mine = owner
      if (!isLost) {
        const isHeld = await write(tables => {
          const now = time()
          if (!holdsLease(tables, mine, now)) return false
          tables.owners.put(mine, now + leaseMs)
          return true
        })
        if (isHeld) return 'held'
        if (owner === mine) rotate()
      }
      const fresh = owner
      await write(tables => tables.owners.put(fresh, time() + leaseMs))
      isLost = false
      return 'lost'
    },

    async takeOver(limit) {
      if (!read(tables => hasDeadOwner(tables, owner, time()))) return 0
      return write(tables => moveDeadOwners(tables, owner, limit, time()))
    },

    async journal() {
      return read(tables => tables.journal.records(owner, Infinity))
    },

    async read(records) {
      return read(tables =>
        records.flatMap(record => {
          const row = tables.journal.get(record)
          return row ? { record, body: row.body, destinations: row.destinations } : []
        }),
      )
    },

    async dead(query) {
      return read(tables => listLetters(tables, query))
    },

    async deadLetter(id) {
      return read(tables => {
        const row = tables.dead.get(id)
        return row && toLetter(id, row)
      })
    },

    replay: async letters => book((tables, tally) => replayLetters(tables, tally, letters, time())),
    discard: async letters => book((tables, tally) => discardLetters(tables, tally, letters)),

    async note(decisions) {
      if (options.decisions === 0 || decisions.length === 0) return
      await write(tables => tables.decisions.append(decisions, options.decisions))
    },

    async decisions({ limit, text }) {
      const found: Decision[] = []
      let cursor: number | undefined
      do {
        const slice = read(tables => tables.decisions.slice(cursor, SLICE))
        for (const decision of slice.decisions) {
          if (found.length < limit && mentions(decision, text)) found.push(decision)
        }
        cursor = slice.cursor
        // Between slices others get their turn: the log may be long and the text rare.
        if (cursor !== undefined) await turn()
      } while (cursor !== undefined && found.length < limit)
      return found
    },

    async ledgers() {
      return readInSlices(tables => readLedgers(tables, time(), SLICE))
    },

    async safety() {
      ensureOpen()
      return backend.safety()
    },

    async size() {
      ensureOpen()
      return backend.size()
    },

    async erase(erasure) {
      // Looking takes as long as there is data, so it holds nobody up; the removal is short.
      const found = read(tables => findConversion(tables, erasure))
      const erased = await book((tables, tally) => eraseConversion(tables, tally, found, erasure))
      await backend.scrub?.()
      return erased
    },

    async expire({ deadKeepMs }) {
      while ((await write(tables => tables.states.expire(time(), SLICE))) > 0);
      const before = time() - deadKeepMs
      for (;;) {
        if (read(tables => tables.dead.oldest(before, 1)).length === 0) return
        await book((tables, tally) =>
          discardLetters(tables, tally, tables.dead.oldest(before, SLICE)),
        )
      }
    },
  }
}

function mentions(decision: Decision, text: string | undefined): boolean {
  if (text === undefined || text === '') return true
  const { click_id, transaction_id, record, network } = decision
  return [click_id, transaction_id, record, network].some(value => value?.includes(text))
}
