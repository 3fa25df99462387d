/** The only home of time. Pass a `Clock` in; tests pass their own. */
export interface Clock {
  /** Wall clock, epoch milliseconds. For timestamps and signature windows only. */
  now(): number
  /** Milliseconds that never jump. For leases, timeouts and durations. */
  monotonic(): number
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
}
