/**
 * The port for durable state. Everything that must survive a crash goes through here, and each
 * method says what is atomic. Adapters: memory (reference), lmdb, redis. One conformance suite
 * runs against all of them.
 *
 * Where a delivery can be:
 *   journal   written at accept, delivered from the memory of the process that owns it
 *   queue     waits in the store for its due time: failures, overflow, delays, parked, taken over
 *   dead      ended without success; kept, replayable
 * and the ledger, per destination: enqueued = delivered + dead + discarded + pending,
 * where pending is counted from the entries themselves (journal + queue).
 */
import type { Status, Transition } from '../model/status.ts'

// --- accept ---------------------------------------------------------------------------------

export type OnAmountChange = 'ignore' | 'update' | 'add'

export interface Placement {
  readonly destination: string
  /** `memory`: this process delivers it at once. `queue`: it waits in the store for `delayMs`. */
  readonly hold: 'memory' | 'queue'
  readonly delayMs: number
}

export interface AcceptEntry {
  /** From `newRecord()`, for this entry alone. */
  readonly record: string
  /** From `dedupeHash`: 32 hex digits. */
  readonly key: string
  /** How long the key is remembered after its last change. */
  readonly windowMs: number
  readonly status: Status
  /** Canonical `<decimal> <currency>`, empty where the postback carries no amount. */
  readonly amount: string
  readonly onAmountChange: OnAmountChange
  /** Steps back that the rule permits. */
  readonly allow: readonly Transition[]
  /** JSON of the DeliveryRecord; opaque to the store. */
  readonly body: string
  readonly placements: readonly Placement[]
}

export type AcceptVerdict = 'new' | 'update' | 'duplicate' | 'stale' | 'conflict'

export interface Accepted {
  readonly verdict: AcceptVerdict
  /**
   * Destinations for this process to deliver now. A delivery whose predecessor of the same
   * conversion is still outstanding went to the queue instead, behind it.
   */
  readonly memory: readonly string[]
}

// --- settle and claim -----------------------------------------------------------------------

export type Ending =
  | { readonly destination: string; readonly end: 'delivered' }
  /** Into the queue, due after `delayMs`; also hands over what memory will not deliver. */
  | {
      readonly destination: string
      readonly end: 'retry'
      readonly delayMs: number
      readonly attempts: number
    }
  | {
      readonly destination: string
      readonly end: 'dead'
      readonly attempts: number
      readonly reason: string
      /** Printable, secrets masked. */
      readonly detail: string
    }

export type Settlement =
  /** Ends some deliveries of a journal record; `remaining` are still this process's to deliver. */
  | {
      readonly from: 'journal'
      readonly record: string
      readonly body: string
      readonly endings: readonly Ending[]
      readonly remaining: readonly string[]
    }
  /** Ends one delivery that `claim` gave out. */
  | { readonly from: 'queue'; readonly record: string; readonly ending: Ending }

export interface ClaimRequest {
  readonly destination: string
  /** At most this many. */
  readonly max: number
  /** The claim lapses after this, and the delivery is due again. Longer than any attempt. */
  readonly leaseMs: number
}

export interface ClaimedDelivery {
  readonly record: string
  readonly destination: string
  readonly body: string
  /** Attempts made before this claim. */
  readonly attempts: number
}

export interface Claims {
  readonly deliveries: readonly ClaimedDelivery[]
  /** Milliseconds until the next delivery of the asked destinations is due; undefined if none. */
  readonly nextDueMs: number | undefined
}

export interface JournalEntry {
  readonly record: string
  readonly body: string
  readonly destinations: readonly string[]
}

// --- looking and mending --------------------------------------------------------------------

export interface DeadLetter {
  readonly record: string
  readonly destination: string
  readonly body: string
  readonly attempts: number
  readonly reason: string
  readonly detail: string
  /** Epoch milliseconds, store time. */
  readonly diedAt: number
}

export interface DeadLetterId {
  readonly record: string
  readonly destination: string
}

export interface DeadPage {
  /** Newest first. */
  readonly letters: readonly DeadLetter[]
  /** Pass back to go on; undefined at the end. */
  readonly next: string | undefined
}

export interface Ledger {
  readonly destination: string
  /** Counters, changed in the same atomic step as what they count. */
  readonly enqueued: number
  readonly delivered: number
  readonly discarded: number
  /** Dead letters by counter: those that died less those replayed or discarded. */
  readonly dead: number
  /** Counted from the entries themselves. */
  readonly pending: { readonly journal: number; readonly queued: number }
  readonly deadKept: number
  /** Age in ms of the oldest queued delivery past its due time; undefined if none is overdue. */
  readonly overdueMs: number | undefined
}

/** enqueued − delivered − dead − discarded − pending. Not 0 at a quiet moment is a bug. */
export function unaccounted(ledger: Ledger): number {
  const { enqueued, delivered, dead, discarded, pending } = ledger
  return enqueued - delivered - dead - discarded - pending.journal - pending.queued
}

/** One line of the decision log: what became of one postback, and why. */
export interface Decision {
  /** Epoch milliseconds. */
  readonly at: number
  readonly network: string
  readonly reason: string
  readonly detail: string | undefined
  readonly record: string | undefined
  readonly click_id: string | undefined
  readonly transaction_id: string | undefined
  /** Dedupe hash, where the postback got that far. */
  readonly conversion_id: string | undefined
  readonly status: string | undefined
  readonly destinations: readonly string[]
}

/** What must go: told by whoever knows what is inside bodies. */
export interface Erasure {
  /** Dedupe hashes that are known beforehand. */
  readonly keys: readonly string[]
  /** The dedupe hash of the conversion in a record's body, where that conversion must go. */
  keyOf(body: string): string | undefined
  /** True for a line of the decision log that speaks of it. */
  isNoted(decision: Decision): boolean
}

/** How many there were of each. */
export interface Erased {
  readonly states: number
  /** Deliveries that were waiting or under way. */
  readonly pending: number
  readonly deadLetters: number
  readonly decisions: number
}

export interface SafetyCheck {
  /** Stable name, such as `maxmemory_policy_noeviction`. */
  readonly check: string
  readonly ok: boolean
  /** True where the gateway must not start unless told otherwise. */
  readonly fatal: boolean
  /** What was found and what to set. */
  readonly detail: string
}

export interface StoreSize {
  /** Memory of Redis (of its fullest node), or disk of LMDB. */
  readonly usedBytes: number
  /** Where it is full; undefined where nothing limits it. */
  readonly limitBytes: number | undefined
}

/** What one process let through of something that has a rate. */
export interface RateUse {
  readonly name: string
  readonly perSecond: number
  /** Since it was last told. */
  readonly taken: number
}

// --- errors ---------------------------------------------------------------------------------

/** The store did not confirm. The caller answers 503; the write may or may not have happened. */
export class StoreError extends Error {
  readonly reason: StoreFailure
  constructor(reason: StoreFailure, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StoreError'
    this.reason = reason
  }
}
export type StoreFailure =
  | 'timeout'
  | 'connection'
  | 'full'
  | 'readonly'
  | 'loading'
  | 'replicas'
  | 'lease_lost'
  | 'layout'
  | 'closed'
  | 'io'

// --- the port -------------------------------------------------------------------------------

export interface Store {
  readonly type: 'memory' | 'lmdb' | 'redis'

  /** Connects, checks the layout (refuses a different one), registers this owner. */
  open(): Promise<void>
  /** Gives up the lease; the journal stays and is taken over at once. Idempotent. */
  close(): Promise<void>

  /** Key of the dedupe hash, made once per store and shared by all who use it. After `open`. */
  readonly hashKey: Buffer
  /** Name of this process in the journal; changes when a lease was lost. */
  readonly owner: string
  /**
   * A record id of the current owner for a conversion with this dedupe key:
   * `<owner>-<sequence>-<partition>`, so that owner and partition are known from the id alone.
   */
  newRecord(key: string): string

  /**
   * For each entry, in order and in ONE atomic durable step per entry: find the conversion's
   * state by key, decide the verdict, write the new state and, for `new` and `update`, the journal
   * record, the queue entries and the ledger counters. Resolves after the flush, with one result
   * per entry in order. Entries of one call may be split over several atomic steps, never one entry.
   * Throws StoreError when that is not certain; then `reconcile` finds what was written anyway.
   */
  accept(entries: readonly AcceptEntry[]): Promise<readonly Accepted[]>

  /**
   * Atomic per settlement. A settlement of work that was taken over (journal) or claimed by
   * another (queue) changes nothing. Ending work must succeed on a full store.
   */
  settle(settlements: readonly Settlement[]): Promise<void>

  /**
   * Due deliveries of the queue, oldest first, leased to this owner; a delivery whose predecessor
   * of the same conversion is outstanding is skipped and made due a little later.
   */
  claim(requests: readonly ClaimRequest[]): Promise<Claims>

  /**
   * Extends this owner's lease. `lost`: it had expired and another may have taken the journal
   * over; the store then has a new owner name, and the caller must drop what it holds in memory.
   */
  heartbeat(): Promise<'held' | 'lost'>
  /** How long a lease lasts without a heartbeat, in ms. */
  readonly leaseMs: number

  /** Moves at most about `limit` journal records of dead owners to the queue; how many it moved. */
  takeOver(limit: number): Promise<number>

  /** Records in this owner's journal; with `read` finds what memory does not know (in doubt). */
  journal(): Promise<readonly string[]>
  read(records: readonly string[]): Promise<readonly JournalEntry[]>

  dead(query: {
    readonly destination?: string
    readonly limit: number
    readonly after?: string
  }): Promise<DeadPage>
  deadLetter(id: DeadLetterId): Promise<DeadLetter | undefined>
  /** Atomic per letter: back into the queue, due now, attempts 0. How many were there. */
  replay(ids: readonly DeadLetterId[]): Promise<number>
  discard(ids: readonly DeadLetterId[]): Promise<number>

  /** Best effort, bounded to the newest; never blocks an answer. */
  note(decisions: readonly Decision[]): Promise<void>
  /** Newest first; `text` must occur in a click id, transaction id, record or network. */
  decisions(query: { readonly limit: number; readonly text?: string }): Promise<readonly Decision[]>

  /** Every destination that ever had a delivery. Each ledger is one consistent view per partition. */
  ledgers(): Promise<readonly Ledger[]>
  safety(): Promise<readonly SafetyCheck[]>
  /** How much room is left; undefined where that cannot be told. */
  size(): Promise<StoreSize | undefined>
  /**
   * Removes a conversion: dedupe state, journal, queue, dead letters and decisions, found by what
   * `erasure` says and by the dedupe hashes of what that finds. Its deliveries count as discarded.
   * Safe to repeat. A process that holds a delivery in memory may still send it once.
   */
  erase(erasure: Erasure): Promise<Erased>
  /** Drops dedupe state and dead letters that are past their time, in slices. */
  expire(options: { readonly deadKeepMs: number }): Promise<void>
  /**
   * Takes from buckets that all processes share, each of one second's worth; what is left of each,
   * in order, perhaps below 0. Of no durability. Absent where the store serves one machine only.
   */
  shareRates?(uses: readonly RateUse[]): Promise<readonly number[]>
}
