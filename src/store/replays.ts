/**
 * Exact replays of what this process itself made durable, answered `duplicate` without asking the
 * store. Networks repeat the same postback many times; most repeats end here.
 *
 * Only where asking could not bring an `update`: the same status must not be reachable again once
 * left. Approved and declined have the same rank and follow each other freely (approved, declined,
 * approved again is news), so they always ask; so does every rule that reacts to another amount,
 * and every rule that may step back to this rank or below it: from there the status comes again.
 * The store may have moved on meanwhile and would say `stale`; either way nothing is sent.
 */
import { LRUCache } from 'lru-cache'
import type { Clock } from '../base/clock.ts'
import { STATUS_RANK, type Status } from '../model/status.ts'
import type { AcceptEntry, AcceptVerdict } from './store.ts'

type Replayed = Pick<
  AcceptEntry,
  'key' | 'status' | 'amount' | 'onAmountChange' | 'allow' | 'windowMs'
>

export interface Replays {
  /** True where the store would write nothing. */
  has(entry: Replayed): boolean
  /** What `accept` answered, once it is durable. */
  remember(entry: Replayed, verdict: AcceptVerdict): void
  /** After a failover the store may have lost what is remembered here. */
  clear(): void
}

/** Forgotten this much before the store does: its window began when it wrote, not when it told. */
const MARGIN_MS = 60_000

/** `max` conversions and statuses, about 200 bytes each. */
export function createReplays(options: { readonly max: number; readonly clock: Clock }): Replays {
  const { clock, max } = options
  /** → when it is forgotten, on the monotonic clock. */
  const seen = new LRUCache<string, number>({ max })
  return {
    has: entry => {
      if (!isFinal(entry)) return false
      const until = seen.get(nameOf(entry))
      return until !== undefined && until > clock.monotonic()
    },
    remember: (entry, verdict) => {
      // Not `duplicate`: its window began with a write whose time is not known here.
      if ((verdict !== 'new' && verdict !== 'update') || !isFinal(entry)) return
      seen.set(nameOf(entry), clock.monotonic() + entry.windowMs - MARGIN_MS)
    },
    clear: () => seen.clear(),
  }
}

function nameOf({ key, status, amount }: Replayed): string {
  return `${key}${status}${amount}`
}

/** True where a conversion that has left this status can never move to it again. */
function isFinal({ status, onAmountChange, allow }: Replayed): boolean {
  if (onAmountChange !== 'ignore' || status === 'approved' || status === 'declined') return false
  const rank = STATUS_RANK[status]
  return allow.every(step => STATUS_RANK[step.slice(step.indexOf('>') + 1) as Status] > rank)
}
