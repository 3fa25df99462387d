/**
 * Attempts per second of one destination. In: monotonic ms. Out: 0 to go ahead, or ms to wait.
 * A virtual schedule (GCRA): one number of state, and no more than a tenth of a second's worth
 * goes out in a burst, so that the peak stays near the limit.
 */
export interface Rate {
  /** 0: one attempt was taken. Otherwise nothing was taken, ask again after so many ms. */
  take(now: number): number
}

const BURST_MS = 100

export function createRate(perSecond: number | undefined): Rate {
  if (perSecond === undefined) return { take: () => 0 }
  const interval = 1000 / perSecond
  const tolerance = Math.max(0, BURST_MS - interval)
  let due = Number.NEGATIVE_INFINITY
  return {
    take: now => {
      const ahead = due - now
      if (ahead > tolerance) return ahead - tolerance
      due = Math.max(due, now) + interval
      return 0
    },
  }
}
