/**
 * What an embedded store keeps, as tables with synchronous access inside one transaction. The
 * semantics (accept, settle, claim, …) are written once over these; memory and LMDB supply them.
 */
import type { Clock } from '../../base/clock.ts'
import type { ConversionState } from '../decide.ts'
import type { DeadLetterId, Decision, SafetyCheck, StoreSize } from '../store.ts'

export interface Tables {
  readonly states: StateTable
  readonly journal: JournalTable
  readonly queue: QueueTable
  readonly dead: DeadTable
  readonly ledger: LedgerTable
  readonly owners: OwnerTable
  readonly decisions: DecisionTable
}

/** Dedupe key → where the conversion stands, forgotten some time after its window. */
export interface StateTable {
  get(key: string, now: number): ConversionState | undefined
  put(key: string, state: ConversionState, now: number, windowMs: number): void
  /** True where there was one, expired or not. */
  delete(key: string): boolean
  /** Removes about `limit` forgotten states; how many. 0 when there is nothing left to remove. */
  expire(now: number, limit: number): number
}

export interface JournalRow {
  /** Not empty. */
  readonly destinations: readonly string[]
  readonly body: string
}
export interface JournalTable {
  get(record: string): JournalRow | undefined
  /** Without the body: the hot path asks only this. */
  destinations(record: string): readonly string[] | undefined
  put(record: string, row: JournalRow): void
  delete(record: string): void
  records(owner: string, limit: number): readonly string[]
  /** Of all owners. */
  bodies(): Iterable<Pick<DeadLetterId, 'record'> & { readonly body: string }>
  /**
   * Every record's destinations, of all owners, a slice at a time. As they are at the first slice,
   * whatever is written before the last; a view that is not used up must be returned.
   */
  slices(size: number): Generator<readonly (readonly string[])[], void, undefined>
}

export interface QueueRow {
  /** Epoch ms; while claimed, the time at which the claim lapses. */
  readonly due: number
  readonly attempts: number
  /** Owner that claimed it; empty when nobody has. */
  readonly claimer: string
  /** Record that must end first at the same destination; empty for none. */
  readonly after: string
  readonly body: string
}
export interface QueueTable {
  get(destination: string, record: string): QueueRow | undefined
  has(destination: string, record: string): boolean
  /** `old` is the row it replaces. */
  put(destination: string, record: string, row: QueueRow, old?: QueueRow): void
  delete(destination: string, record: string, row: QueueRow): void
  /** The first `limit` by due time. */
  upcoming(destination: string, limit: number): readonly { due: number; record: string }[]
  count(destination: string): number
  bodies(): Iterable<DeadLetterId & { readonly body: string }>
}

export interface DeadRow {
  readonly attempts: number
  readonly reason: string
  readonly detail: string
  readonly diedAt: number
  readonly body: string
}
/** A dead letter's place in the order of dying. */
export interface DeadPlace extends DeadLetterId {
  readonly diedAt: number
}
export interface DeadTable {
  get(id: DeadLetterId): DeadRow | undefined
  put(id: DeadLetterId, row: DeadRow): void
  delete(id: DeadLetterId, row: DeadRow): void
  /** Newest first, strictly before `after` in that order. */
  newest(query: {
    readonly destination: string | undefined
    readonly after: DeadPlace | undefined
    readonly limit: number
  }): readonly DeadPlace[]
  /** Died before `time`, oldest first. */
  oldest(time: number, limit: number): readonly DeadPlace[]
  count(destination: string): number
  bodies(): Iterable<DeadLetterId & { readonly body: string }>
}

export interface LedgerRow {
  readonly enqueued: number
  readonly delivered: number
  readonly discarded: number
  readonly dead: number
}
export interface LedgerTable {
  get(destination: string): LedgerRow | undefined
  put(destination: string, row: LedgerRow): void
  destinations(): readonly string[]
}

/** Owner → end of its lease, epoch ms; 0 once it closed or its journal is being taken over. */
export interface OwnerTable {
  get(owner: string): number | undefined
  put(owner: string, expiresAt: number): void
  delete(owner: string): void
  all(): readonly (readonly [owner: string, expiresAt: number])[]
}

export interface DecisionTable {
  /** Keeps the newest `cap`. */
  append(decisions: readonly Decision[], cap: number): void
  /** One slice, newest first, from before `cursor`. */
  slice(
    cursor: number | undefined,
    size: number,
  ): { readonly decisions: readonly Decision[]; readonly cursor: number | undefined }
  /** Removes the lines for which `isErased`; how many. */
  erase(isErased: (decision: Decision) => boolean): number
}

/** Where the tables live. */
export interface Backend {
  /**
   * Throws StoreError `layout` where the data is of another version or of another program.
   * `epoch`: store time at which the monotonic clock was 0, in epoch ms.
   */
  open(clock: Clock): Promise<{ readonly hashKey: Buffer; readonly epoch: number }>
  close(): Promise<void>
  /** One atomic step; resolves after the flush. When `work` throws, nothing is written. */
  write<T>(work: (tables: Tables) => T): Promise<T>
  /** One consistent view of what is committed. */
  read<T>(work: (tables: Tables) => T): T
  safety(): Promise<readonly SafetyCheck[]>
  size(): Promise<StoreSize | undefined>
  /** Overwrites what deleted rows leave behind in the file, where there is one. */
  scrub?(): Promise<void>
}
