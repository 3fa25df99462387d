/** All calls of one event-loop turn share one store call. */

export interface Batcher<Item, Outcome> {
  add(item: Item): Promise<Outcome>
}

/**
 * Collects what is added until the end of this turn of the event loop (setImmediate), then runs
 * `flush` with at most `limit` items a call. Batches run side by side; results keep their order.
 * A failed flush rejects every item of that batch.
 */
export function createBatcher<Item, Outcome>(
  flush: (items: readonly Item[]) => Promise<readonly Outcome[]>,
  limit = 500,
): Batcher<Item, Outcome> {
  let items: Item[] = []
  let waiters: { resolve: (outcome: Outcome) => void; reject: (error: unknown) => void }[] = []

  function run(): void {
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

  return {
    add: item =>
      new Promise<Outcome>((resolve, reject) => {
        if (items.length === 0) setImmediate(run)
        items.push(item)
        waiters.push({ resolve, reject })
      }),
  }
}
