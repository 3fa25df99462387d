/** Due deliveries of the queue, inside a transaction. */
import type { ClaimedDelivery, ClaimRequest } from '../store.ts'
import { isOutstanding } from './accept.ts'
import type { Tables } from './tables.ts'

/** How long a delivery waits before its predecessor is looked at again. */
const BEHIND_MS = 50
/** Blocked deliveries passed over in one call at most, beyond `max`: a transaction stays short. */
const MOST_BLOCKED = 200

export function claimDue(
  tables: Tables,
  request: ClaimRequest,
  owner: string,
  now: number,
): readonly ClaimedDelivery[] {
  const { destination, max, leaseMs } = request
  if (max <= 0) return []
  const claimed: ClaimedDelivery[] = []
  for (const { due, record } of tables.queue.upcoming(destination, max + MOST_BLOCKED)) {
    if (due > now || claimed.length === max) break
    const row = tables.queue.get(destination, record)
    if (!row) continue
    const { after, attempts, body } = row
    if (after !== '' && isOutstanding(tables, after, destination)) {
      tables.queue.put(destination, record, { ...row, due: now + BEHIND_MS, claimer: '' }, row)
      continue
    }
    const held = { due: now + leaseMs, attempts, claimer: owner, after: '', body }
    tables.queue.put(destination, record, held, row)
    claimed.push({ record, destination, body, attempts })
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
