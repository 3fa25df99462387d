/**
 * Copies of tapped postbacks on their way into the pipeline, after the network has its answer. One
 * that the store could not take is tried again for a while. The tracker has the original, so a copy
 * is not promised; one that is given up is counted.
 */
import type { Clock } from '../base/clock.ts'

export interface CopiesOptions {
  readonly clock: Clock
  readonly dropped: (network: string) => void
  readonly failed: (error: unknown) => void
}

export interface Copies {
  /** `run` resolves false where it should be tried again. */
  add(network: string, run: () => Promise<boolean>): void
  /** Resolves when every copy is in; those that the store does not take are given up. */
  close(): Promise<void>
}

const WAITING_MAX = 1_000
const RETRY_MS = 1_000
const PATIENCE_MS = 600_000

interface Waiting {
  readonly network: string
  readonly run: () => Promise<boolean>
  readonly since: number
}

export function createCopies({ clock, dropped, failed }: CopiesOptions): Copies {
  const running = new Set<Promise<void>>()
  let waiting: Waiting[] = []
  let timer: NodeJS.Timeout | undefined
  let isClosed = false

  function start(copy: Waiting): void {
    const work: Promise<void> = copy
      .run()
      .then(
        isIn => {
          if (!isIn) wait(copy)
        },
        (error: unknown) => {
          failed(error)
          dropped(copy.network)
        },
      )
      .finally(() => running.delete(work))
    running.add(work)
  }

  function wait(copy: Waiting): void {
    const isTooLate = clock.monotonic() - copy.since > PATIENCE_MS
    if (isClosed || isTooLate || waiting.length >= WAITING_MAX) return dropped(copy.network)
    waiting.push(copy)
    timer ??= setTimeout(again, RETRY_MS)
  }

  function again(): void {
    timer = undefined
    const due = waiting
    waiting = []
    for (const copy of due) start(copy)
  }

  return {
    add: (network, run) => start({ network, run, since: clock.monotonic() }),
    close: async () => {
      isClosed = true
      clearTimeout(timer)
      again()
      while (running.size > 0) await Promise.all(running)
    },
  }
}
