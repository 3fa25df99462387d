/**
 * How many deliveries a destination can start soon. In: how long attempts took. Out: what fits
 * into 10 s. Claims are time-boxed, so claiming more than can be started in time would only hand
 * it back.
 */
export interface Pace {
  took(durationMs: number): void
  startableSoon(concurrency: number, ratePerSecond: number | undefined): number
}

const SOON_S = 10
/** Before anything is known: slow, so that the first claim is small. */
const FIRST_GUESS_MS = 1_000
const WEIGHT = 0.1

export function createPace(): Pace {
  let averageMs = FIRST_GUESS_MS
  return {
    took: durationMs => {
      averageMs += WEIGHT * (durationMs - averageMs)
    },
    startableSoon: (concurrency, ratePerSecond) => {
      const byTime = (concurrency * SOON_S * 1000) / Math.max(averageMs, 1)
      const byRate = ratePerSecond === undefined ? byTime : ratePerSecond * SOON_S
      return Math.max(1, Math.floor(Math.min(byTime, byRate)))
    },
  }
}
