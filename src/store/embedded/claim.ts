/** Due deliveries of the queue, inside a transaction. */
import type { ClaimedDelivery, ClaimRequest } from '../store.ts'
import { isOutstanding } from './accept.ts'
import type { Tables } from './tables.ts'

/** How long a delivery waits before its predecessor is looked at again. */
const BEHIND_MS = 50
/** Blocked deliveries passed over in one call, about: a transaction stays short. */
const MOST_BLOCKED = 200

export function claimDue(
  tables: Tables,
  request: ClaimRequest,
  owner: string,
  now: number,
): readonly ClaimedDelivery[] {
  const { destination, max, leaseMs } = request
  const claimed: ClaimedDelivery[] = []
  let passed = 0
  // What has been looked at is due later than now, so the next look shows what comes after it.
  while (claimed.length < max && passed < MOST_BLOCKED) {
    const upcoming = tables.queue.upcoming(destination, max - claimed.length)
    if ((upcoming[0]?.due ?? Infinity) > now) break
    for (const { due, record } of upcoming) {
      if (due > now) break
      const row = tables.queue.get(destination, record)
      if (!row || (row.after !== '' && isOutstanding(tables, row.after, destination))) {
        passed++
        const later = row && { ...row, due: now + BEHIND_MS, claimer: '' }
        if (later) tables.queue.put(destination, record, later, row)
        continue
      }
      const { attempts, body } = row
      const held = { due: now + leaseMs, attempts, claimer: owner, after: '', body }
      tables.queue.put(destination, record, held, row)
      claimed.push({ record, destination, body, attempts })
    }
  }
  return claimed
}

/** Milliseconds until any of these has something due: 0 for at once, undefined for never. */
export function nextDueMs(
  tables: Tables,
  requests: readonly ClaimRequest[],
  now: number,
): number | undefined {
  let next: number | undefined
  for (const { destination } of requests) {
    const first = tables.queue.upcoming(destination, 1)[0]
    if (first) next = Math.min(next ?? Infinity, Math.max(0, first.due - now))
  }
  return next
}
