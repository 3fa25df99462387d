/** Ledger changes of one transaction: summed first, so each destination is written once. */
import type { LedgerRow, LedgerTable } from './tables.ts'

export interface Tally {
  add(destination: string, counter: keyof LedgerRow, amount: number): void
  write(table: LedgerTable): void
}

const EMPTY: LedgerRow = { enqueued: 0, delivered: 0, discarded: 0, dead: 0 }

export function createTally(): Tally {
  const changes = new Map<string, { -readonly [counter in keyof LedgerRow]: number }>()
  return {
    add: (destination, counter, amount) => {
      let change = changes.get(destination)
      if (!change) changes.set(destination, (change = { ...EMPTY }))
      change[counter] += amount
    },
    write: table => {
      for (const [destination, change] of changes) {
        const row = table.get(destination) ?? EMPTY
        table.put(destination, {
          enqueued: row.enqueued + change.enqueued,
          delivered: row.delivered + change.delivered,
          discarded: row.discarded + change.discarded,
          dead: row.dead + change.dead,
        })
      }
    },
  }
}
