/**
 * The circuit of one destination. In: how attempts went. Out: whether more may be made. It opens
 * after 10 failures in a row, waits 2 s (doubling up to 60 s), lets one probe through, and closes
 * on its success. It only parks: nothing is dropped, nothing is disabled for good.
 */
import type { Clock } from '../base/clock.ts'

export type CircuitState = 'closed' | 'open' | 'half_open'
/** `failing`: it does not answer sensibly; `gone`: 410; `auth`: it refuses the account. */
export type CircuitReason = 'failing' | 'gone' | 'auth'

const FAILURES_TO_OPEN = 10
const OPEN_FIRST_MS = 2_000
const OPEN_MAX_MS = 60_000
/** Gateways that share a destination should not all probe at the same moment. */
const JITTER = 0.2

export interface Breaker {
  /** Moves on from open to half-open when the time has come. */
  state(): CircuitState
  /** The destination answered sensibly. */
  succeeded(): void
  failed(): void
  /** Opens at once, whatever came before. */
  trip(reason: CircuitReason): void
  /** Until a probe is due, in ms; 0 unless open. */
  waitMs(): number
}

export interface BreakerOptions {
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  /** `reason` where it opened. */
  readonly changed: (state: CircuitState, reason?: CircuitReason) => void
  /** Default 2 s. */
  readonly openFirstMs?: number
}

export function createBreaker({ clock, random, changed, openFirstMs }: BreakerOptions): Breaker {
  const firstMs = openFirstMs ?? OPEN_FIRST_MS
  let state: CircuitState = 'closed'
  let failures = 0
  let openMs = firstMs
  let openUntil = 0

  function move(next: CircuitState, reason?: CircuitReason): void {
    if (state === next) return
    state = next
    changed(next, reason)
  }

  function open(reason: CircuitReason): void {
    const jittered = openMs * (1 - JITTER + 2 * JITTER * random())
    openUntil = clock.monotonic() + Math.min(jittered, OPEN_MAX_MS)
    openMs = Math.min(openMs * 2, OPEN_MAX_MS)
    failures = 0
    move('open', reason)
  }

  function current(): CircuitState {
    if (state === 'open' && clock.monotonic() >= openUntil) move('half_open')
    return state
  }

  return {
    state: current,
    succeeded: () => {
      failures = 0
      // While open, a late answer to an old attempt proves little; the probe decides.
      if (state !== 'half_open') return
      openMs = firstMs
      move('closed')
    },
    failed: () => {
      if (state === 'half_open') return open('failing')
      if (state === 'closed' && (failures += 1) >= FAILURES_TO_OPEN) open('failing')
    },
    trip: reason => {
      if (state !== 'open') open(reason)
    },
    waitMs: () => (current() === 'open' ? openUntil - clock.monotonic() : 0),
  }
}
