/**
 * Writes endings to the store. In: settlements, in order. Out: each is written, however often the
 * store fails meanwhile; `written` tells when. One call at a time, so that two settlements of one
 * record keep their order, and what arrives meanwhile goes with the next call.
 */
import type { Settlement, Store } from '../store/store.ts'
import type { DeliverEvents } from './events.ts'

/** Long enough to share a call with neighbours, short against what a crash would repeat. */
const GATHER_MS = 5
const BATCH = 500
const RETRY_FIRST_MS = 100
const RETRY_MAX_MS = 2_000

export interface Settler {
  add(settlement: Settlement, written: () => void): void
  /** Not yet written. */
  pending(): number
  /** Resolves when nothing is pending, or after `timeoutMs`. */
  flush(timeoutMs: number): Promise<void>
  /** No further calls; what is pending stays as it is in the store. */
  stop(): void
}

interface Item {
  readonly settlement: Settlement
  readonly written: () => void
}

export function createSettler(
  store: Pick<Store, 'settle'>,
  events: Pick<DeliverEvents, 'storeFailed'>,
): Settler {
  let waiting: Item[] = []
  let timer: NodeJS.Timeout | undefined
  let isWriting = false
  let isStopped = false
  let retryMs = RETRY_FIRST_MS
  let flushed: (() => void)[] = []

  function schedule(delayMs: number): void {
    if (isStopped || isWriting || timer || waiting.length === 0) return
    timer = setTimeout(() => {
      timer = undefined
      void write()
    }, delayMs)
  }

  async function write(): Promise<void> {
    isWriting = true
    const batch = waiting.slice(0, BATCH)
    let delayMs = 0
    try {
      await store.settle(batch.map(item => item.settlement))
      waiting = waiting.slice(batch.length)
      retryMs = RETRY_FIRST_MS
      for (const item of batch) item.written()
      delayMs = waiting.length >= BATCH ? 0 : GATHER_MS
    } catch (error) {
      events.storeFailed({ operation: 'settle', error: error as Error })
      delayMs = retryMs
      retryMs = Math.min(retryMs * 2, RETRY_MAX_MS)
    }
    isWriting = false
    if (waiting.length === 0) {
      for (const resolve of flushed.splice(0)) resolve()
    }
    schedule(delayMs)
  }

  return {
    add: (settlement, written) => {
      waiting.push({ settlement, written })
      schedule(GATHER_MS)
    },
    pending: () => waiting.length,
    flush: timeoutMs =>
      new Promise(resolve => {
        if (waiting.length === 0) return resolve()
        const limit = setTimeout(resolve, timeoutMs)
        flushed = [
          ...flushed,
          () => {
            clearTimeout(limit)
            resolve()
          },
        ]
      }),
    stop: () => {
      isStopped = true
      clearTimeout(timer)
      timer = undefined
    },
  }
}
