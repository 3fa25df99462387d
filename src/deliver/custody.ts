/**
 * What this process is answerable for: every journal record and claimed delivery it holds, from
 * the moment it takes them until the store has written their end. In: takings and endings. Out:
 * settlements, one per record where possible. While custody knows a delivery, neither a claim nor
 * a sweep can bring it in a second time: a failed settlement never repeats an attempt.
 */
import type { Clock } from '../base/clock.ts'
import type { DeliveryRecord } from '../model/delivery.ts'
import type { Ending } from '../store/store.ts'
import type { Settler } from './settler.ts'

/** A delivery in memory. */
export interface Held {
  readonly record: DeliveryRecord
  readonly destination: string
  /** Made before. */
  readonly attempts: number
  readonly from: 'journal' | 'queue'
  /** Monotonic ms from which it may not be started: its claim could lapse under way. */
  readonly startBefore: number
}

/** What custody needs to know of a delivery; its record may be unreadable. */
export interface Kept {
  readonly record: { readonly id: string }
  readonly destination: string
  readonly from: 'journal' | 'queue'
}

export interface Custody {
  /** False where the record is already here. */
  takeRecord(record: string, body: string, destinations: readonly string[]): boolean
  /** False where the delivery is already here, waiting, in flight or being settled. */
  takeClaim(record: string, destination: string): boolean
  readonly knows: (record: string) => boolean
  end(kept: Kept, ending: Ending): void
  /** The lease was lost: this delivery is another's. Its record keeps it when the rest ends. */
  drop(kept: Kept): void
  /** Writes the ended part of records that have waited for a slow destination since `olderThanMs`. */
  settlePartly(olderThanMs: number): void
}

interface Journalled {
  readonly body: string
  /** Not ended and still this process's. */
  readonly open: string[]
  /** Dropped: left in the record for whoever takes it over. */
  readonly dropped: string[]
  endings: Ending[]
  /** Monotonic ms of the first ending not yet written. */
  endedAt: number
}

/** `queued` hears when a delivery was written to the queue, and after how many ms it is due. */
export function createCustody(
  settler: Settler,
  clock: Clock,
  queued: (delayMs: number) => void,
): Custody {
  const records = new Map<string, Journalled>()
  const claims = new Set<string>()
  /** Records with some destinations ended and others not, oldest first. */
  const partial = new Map<string, Journalled>()

  function settleRecord(id: string, entry: Journalled): void {
    const { endings } = entry
    entry.endings = []
    partial.delete(id)
    const isLast = entry.open.length === 0
    if (endings.length === 0) {
      if (isLast) records.delete(id)
      return
    }
    settler.add(
      {
        from: 'journal',
        record: id,
        body: entry.body,
        endings,
        remaining: [...entry.open, ...entry.dropped],
      },
      () => {
        if (isLast) records.delete(id)
        for (const ending of endings) tell(ending)
      },
    )
  }

  function tell(ending: Ending): void {
    if (ending.end === 'retry') queued(ending.delayMs)
  }

  /** Takes the destination off; true where it was open. */
  function close(entry: Journalled, destination: string): boolean {
    const index = entry.open.indexOf(destination)
    if (index >= 0) entry.open.splice(index, 1)
    return index >= 0
  }

  return {
    takeRecord: (record, body, destinations) => {
      if (records.has(record)) return false
      records.set(record, { body, open: [...destinations], dropped: [], endings: [], endedAt: 0 })
      return true
    },
    takeClaim: (record, destination) => {
      const key = claimKey(record, destination)
      if (claims.has(key)) return false
      claims.add(key)
      return true
    },
    knows: record => records.has(record),

    end: (kept, ending) => {
      const id = kept.record.id
      if (kept.from === 'queue') {
        const key = claimKey(id, kept.destination)
        settler.add({ from: 'queue', record: id, ending }, () => {
          claims.delete(key)
          tell(ending)
        })
        return
      }
      const entry = records.get(id)
      if (!entry || !close(entry, kept.destination)) return
      entry.endings.push(ending)
      if (entry.open.length === 0) return settleRecord(id, entry)
      if (partial.has(id)) return
      entry.endedAt = clock.monotonic()
      partial.set(id, entry)
    },

    drop: kept => {
      const id = kept.record.id
      if (kept.from === 'queue') {
        claims.delete(claimKey(id, kept.destination))
        return
      }
      const entry = records.get(id)
      if (!entry || !close(entry, kept.destination)) return
      entry.dropped.push(kept.destination)
      if (entry.open.length === 0) settleRecord(id, entry)
    },

    settlePartly: olderThanMs => {
      const limit = clock.monotonic() - olderThanMs
      for (const [id, entry] of partial) {
        if (entry.endedAt > limit) return
        settleRecord(id, entry)
      }
    },
  }
}

function claimKey(record: string, destination: string): string {
  return `${record}_${destination}`
}
