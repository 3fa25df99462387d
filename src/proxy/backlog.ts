/**
 * Whether tapped postbacks wait in the store for the tracker. While they do, later ones are stored
 * behind them, or an update could reach the tracker before the postback that it updates. In: what
 * was stored here, and regular readings of what is pending in the store, of all gateways.
 */
import type { Clock } from '../base/clock.ts'

export interface Backlog {
  isBehind(): boolean
  /** A postback is about to be stored for the tracker; call what it returns when that has ended. */
  storing(): () => void
  /** A reading that was begun at `startedAt` (monotonic) found this many pending. */
  read(pending: number, startedAt: number): void
}

export function createBacklog(clock: Clock): Backlog {
  let isBehind = false
  let storing = 0
  let storedAt = -Infinity
  return {
    isBehind: () => isBehind,
    storing: () => {
      isBehind = true
      storing += 1
      return () => {
        storing -= 1
        storedAt = clock.monotonic()
      }
    },
    // A reading that began before a postback was in the store cannot have seen it.
    read: (pending, startedAt) => {
      isBehind = pending > 0 || storing > 0 || storedAt >= startedAt
    },
  }
}
