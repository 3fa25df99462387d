/**
 * Calls share a store call: those of one event-loop turn always, and under load those of 2 ms, since
 * what a flush costs hardly depends on how much it carries.
 */
import type { Clock } from '../base/clock.ts'

export interface Batcher<Item, Outcome> {
  add(item: Item): Promise<Outcome>
}

/** Short against the way from and to a network. */
const GATHER_MS = 2

/**
 * Collects what is added until the end of this turn of the event loop (setImmediate), or until
 * `GATHER_MS` after the last flush began, whichever is later; then runs `flush` with at most `limit`
 * items a call. Batches run side by side; results keep their order.
 * A failed flush rejects every item of that batch.
 */
export function createBatcher<Item, Outcome>(
  flush: (items: readonly Item[]) => Promise<readonly Outcome[]>,
  clock: Pick<Clock, 'monotonic'>,
  limit = 500,
): Batcher<Item, Outcome> {
  let flushedAt = Number.NEGATIVE_INFINITY
  let items: Item[] = []
  let waiters: { resolve: (outcome: Outcome) => void; reject: (error: unknown) => void }[] = []

  function run(): void {
    flushedAt = clock.monotonic()
    const batch = items
    const waiting = waiters
    items = []
    waiters = []
    for (let start = 0; start < batch.length; start += limit) {
      const slice = waiting.slice(start, start + limit)
      flush(batch.slice(start, start + limit)).then(
        outcomes => slice.forEach((waiter, i) => waiter.resolve(outcomes[i] as Outcome)),
        (error: unknown) => slice.forEach(waiter => waiter.reject(error)),
      )
    }
  }

  function schedule(): void {
    const waitMs = flushedAt + GATHER_MS - clock.monotonic()
    if (waitMs > 0) setTimeout(run, waitMs)
    else setImmediate(run)
  }

  return {
    add: item =>
      new Promise<Outcome>((resolve, reject) => {
        if (items.length === 0) schedule()
        items.push(item)
        waiters.push({ resolve, reject })
      }),
  }
}
