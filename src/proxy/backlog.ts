/**
 * Whether tapped postbacks wait in the store for the tracker. While they do, later ones are stored
 * behind them, or an update could reach the tracker before the postback that it updates. In: what
 * was stored here, and regular readings of what is pending in the store, of all gateways.
 */
import type { Clock } from '../base/clock.ts'

export interface Backlog {
  isBehind(): boolean
  /** A postback is about to be stored for the tracker. */
  stored(): void
  /** A reading that was begun at `startedAt` (monotonic) found this many pending. */
  read(pending: number, startedAt: number): void
}

export function createBacklog(clock: Clock): Backlog {
  let isBehind = false
  let storedAt = -Infinity
  return {
    isBehind: () => isBehind,
    stored: () => {
      isBehind = true
      storedAt = clock.monotonic()
    },
    read: (pending, startedAt) => {
      isBehind = pending > 0 || storedAt >= startedAt
    },
  }
}
