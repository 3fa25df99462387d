/**
 * The accountant: compares what the network was told with what the destinations got.
 * A = ids answered 2xx, U = the rest that was sent, D = ids delivered (with repeats).
 */
import type { SenderJournal } from './sender.ts'
import type { Arrival } from './tracker.ts'

export interface Account {
  /** Acknowledged and never delivered: must be empty. */
  readonly lost: readonly string[]
  /** Delivered and never sent: must be empty. */
  readonly invented: readonly string[]
  /** Delivery ids that carried more than one body or query: must be empty. */
  readonly changed: readonly string[]
  /** Ids delivered under more than one delivery id: must be empty. */
  readonly doubled: readonly string[]
  /** Arrivals that came again under the same delivery id: allowed only where an answer was lost. */
  readonly repeated: readonly Arrival[]
}

/** `idOf` reads the sender's id out of an arrival; `dead` are ids found in the dead letters. */
export function account(
  journal: SenderJournal,
  arrivals: readonly Arrival[],
  idOf: (arrival: Arrival) => string,
  dead: ReadonlySet<string> = new Set(),
): Account {
  const deliveries = new Map<string, Set<string>>()
  const contents = new Map<string, Set<string>>()
  const latest = new Map<string, Arrival>()
  const repeated: Arrival[] = []
  for (const arrival of arrivals) {
    const id = idOf(arrival)
    const before = latest.get(arrival.deliveryId)
    if (before) repeated.push(before)
    latest.set(arrival.deliveryId, arrival)
    deliveries.set(id, (deliveries.get(id) ?? new Set()).add(arrival.deliveryId))
    const content = `${arrival.path}?${arrival.query.toString()}\n${arrival.body}`
    contents.set(arrival.deliveryId, (contents.get(arrival.deliveryId) ?? new Set()).add(content))
  }
  return {
    lost: [...journal.acknowledged].filter(id => !deliveries.has(id) && !dead.has(id)),
    invented: [...deliveries.keys()].filter(id => !journal.sent.has(id)),
    changed: [...contents].filter(([, set]) => set.size > 1).map(([id]) => id),
    doubled: [...deliveries].filter(([, ids]) => ids.size > 1).map(([id]) => id),
    repeated,
  }
}
