import type { Clock } from '../../src/base/clock.ts'

/** A clock that stands still until it is moved. */
export function createTestClock(start = Date.UTC(2026, 0, 15, 12)): Clock & {
  advance(ms: number): void
} {
  let passed = 0
  return {
    now: () => start + passed,
    monotonic: () => passed,
    advance: ms => {
      passed += ms
    },
  }
}

/** The clocks of one machine, for all processes on it: time passes, and the wall clock is set. */
export function createSettableClock(): Clock & {
  pass(ms: number): void
  /** So far from the right time. */
  set(ahead: number): void
  restart(boot: string, ahead: number): void
} {
  let passed = 1_000_000
  let ahead = 0
  let boot = 'one'
  let startedAt = Date.now() - passed
  return {
    now: () => startedAt + passed + ahead,
    monotonic: () => passed,
    get boot() {
      return boot
    },
    pass: ms => {
      passed += ms
    },
    set: by => {
      ahead = by
    },
    restart: (name, by) => {
      boot = name
      startedAt += passed
      passed = 0
      ahead = by
    },
  }
}
