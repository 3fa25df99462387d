/**
 * Asks later what became of requests that a destination only took in. In: questions, one per
 * delivered request. Out: what came of each, told once. Only looks: a delivery stays delivered
 * whatever is found. Kept in memory, so that a restart forgets what was not answered yet; bounded;
 * one question at a time, so that asking never crowds out delivering.
 */
import type { Clock } from '../base/clock.ts'
import type { Confirmation, Question } from '../model/delivery.ts'

export interface Awaited extends Question {
  readonly record: string
}

export interface Confirmations {
  watch(awaited: Awaited): void
  /** Asks nothing more, and forgets. */
  stop(): void
}

export interface ConfirmationsOptions {
  readonly clock: Clock
  /** Undefined: not known yet, or no answer. Never rejects. */
  readonly ask: (question: Question) => Promise<Confirmation | undefined>
  readonly told: (awaited: Awaited, confirmation: Confirmation | undefined) => void
  /** Before the first question about a request; a reload may change it. */
  readonly waitMs: () => number
  readonly max?: number
}

interface Waiting {
  readonly awaited: Awaited
  readonly asked: number
  readonly dueAt: number
}

/** Ever longer, then it is given up. https://developers.google.com/data-manager/api/devguides/diagnostics */
const WAITS = [1, 2, 4, 8, 16] as const
const MAX = 10_000

export function createConfirmations(options: ConfirmationsOptions): Confirmations {
  const { clock, ask, told, waitMs, max = MAX } = options
  /** One list per wait: within each, the first is the first to be due, unless a reload shortened it. */
  const waiting = WAITS.map((): Waiting[] => [])
  let timer: NodeJS.Timeout | undefined
  let isAsking = false
  let isStopped = false

  const size = (): number => waiting.reduce((sum, list) => sum + list.length, 0)

  function add(awaited: Awaited, asked: number): void {
    const list = waiting[asked]
    if (!list || size() >= max) return told(awaited, undefined)
    list.push({ awaited, asked, dueAt: clock.monotonic() + waitMs() * (WAITS[asked] ?? 0) })
    schedule()
  }

  function schedule(): void {
    if (timer !== undefined || isAsking || isStopped) return
    const next = Math.min(...waiting.map(([first]) => first?.dueAt ?? Infinity))
    if (next === Infinity) return
    timer = setTimeout(() => void askDue(), Math.max(1, next - clock.monotonic()))
    timer.unref()
  }

  async function askDue(): Promise<void> {
    timer = undefined
    isAsking = true
    for (let one = takeDue(); one && !isStopped; one = takeDue()) {
      const found = await ask(one.awaited)
      if (isStopped) return
      if (found) told(one.awaited, found)
      else add(one.awaited, one.asked + 1)
    }
    isAsking = false
    schedule()
  }

  function takeDue(): Waiting | undefined {
    const now = clock.monotonic()
    return waiting.find(([first]) => first && first.dueAt <= now)?.shift()
  }

  return {
    watch: awaited => {
      if (!isStopped) add(awaited, 0)
    },
    stop: () => {
      isStopped = true
      clearTimeout(timer)
      for (const list of waiting) list.length = 0
    },
  }
}
