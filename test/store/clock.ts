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
