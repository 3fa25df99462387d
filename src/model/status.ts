/** Where a conversion stands. The network's own word is kept beside it as `status_raw`. */
export const STATUSES = ['pending', 'hold', 'approved', 'declined', 'reversed'] as const
export type Status = (typeof STATUSES)[number]

/** A conversion moves to a higher or an equal but different rank; a lower one is stale. */
export const STATUS_RANK: Readonly<Record<Status, number>> = {
  pending: 0,
  hold: 1,
  approved: 2,
  declined: 2,
  reversed: 3,
}

/** A step back that a network's rule permits, such as `reversed>approved`. */
export type Transition = `${Status}>${Status}`
