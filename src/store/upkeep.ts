/**
 * What has had its time goes: dedupe state past its window, dead letters past their days. Every
 * gateway does it, since none knows of the others; what one has dropped the next does not find.
 */
import type { Store } from './store.ts'

export interface Upkeep {
  start(): void
  /** Resolves when nothing is under way any more. */
  stop(): Promise<void>
}

export interface UpkeepOptions {
  readonly store: Pick<Store, 'expire'>
  readonly deadKeepMs: number
  readonly onError: (error: unknown) => void
  /** Default: one hour. */
  readonly intervalMs?: number
}

/** A restart is the busiest moment: not then. */
const FIRST_MS = 60_000

export function createUpkeep(options: UpkeepOptions): Upkeep {
  const { store, deadKeepMs, onError, intervalMs = 3_600_000 } = options
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> = Promise.resolve()
  let isStopped = false

  function schedule(delayMs: number): void {
    timer = setTimeout(() => {
      running = store
        .expire({ deadKeepMs })
        .catch(onError)
        .then(() => {
          if (!isStopped) schedule(intervalMs)
        })
    }, delayMs)
  }

  return {
    start: () => schedule(Math.min(FIRST_MS, intervalMs)),
    stop: async () => {
      isStopped = true
      clearTimeout(timer)
      await running
    },
  }
}
