/**
 * Accept, as the pipeline sees it: replays of what is durable already are answered from memory,
 * postbacks that come together share one store call (store/batch.ts), and a store that does not
 * confirm is a deferral, never a guess.
 */
import type { Clock } from './base/clock.ts'
import { fail, ok, type Result } from './base/result.ts'
import type { Deferral } from './reasons.ts'
import { createBatcher } from './store/batch.ts'
import type { Replays } from './store/replays.ts'
import { StoreError, type Accepted, type AcceptEntry, type Store } from './store/store.ts'

export type Accept = (entry: AcceptEntry) => Promise<Result<Accepted, Deferral>>

export interface AcceptEvents {
  deduped(verdict: Accepted['verdict']): void
  replayed(isHit: boolean): void
  storeFailed(fact: { operation: string; error: unknown }): void
}

const REPLAYED = ok<Accepted>({ verdict: 'duplicate', memory: [] })

export function createAccept(
  store: Pick<Store, 'accept'>,
  replays: Replays,
  events: AcceptEvents,
  clock: Clock,
): Accept {
  const batcher = createBatcher<AcceptEntry, Accepted>(async entries => {
    try {
      return await store.accept(entries)
    } catch (error) {
      // Told once for the batch, not once for each postback in it.
      events.storeFailed({ operation: 'accept', error })
      throw error
    }
  }, clock)
  return async entry => {
    const isReplay = replays.has(entry)
    events.replayed(isReplay)
    if (isReplay) return REPLAYED
    try {
      const accepted = await batcher.add(entry)
      replays.remember(entry, accepted.verdict)
      events.deduped(accepted.verdict)
      return ok(accepted)
    } catch (error) {
      const isFull = error instanceof StoreError && error.reason === 'full'
      return fail(isFull ? 'store_full' : 'store_unavailable')
    }
  }
}
