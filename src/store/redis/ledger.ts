/** The ledger of every destination, summed over the partitions. */
import type { Ledger } from '../store.ts'
import type { Calls } from './calls.ts'
import { parseList, rowsOf } from './reply.ts'
import { defineScript } from './script.ts'

const script = defineScript('ledgers')

export async function readLedgers(calls: Calls): Promise<readonly Ledger[]> {
  const ledgers = new Map<string, Ledger>()
  for (const reply of await calls.runEverywhere(script, [])) {
    for (const row of rowsOf(parseList(reply), 9)) {
      const [enqueued, delivered, dead, discarded, journal, queued, deadKept, overdue] = row
        .slice(1)
        .map(Number) as [number, number, number, number, number, number, number, number]
      const part: Ledger = {
        destination: String(row[0]),
        enqueued,
        delivered,
        dead,
        discarded,
        pending: { journal, queued },
        deadKept,
        overdueMs: overdue < 0 ? undefined : overdue,
      }
      const sum = ledgers.get(part.destination)
      ledgers.set(part.destination, sum ? add(sum, part) : part)
    }
  }
  return [...ledgers.values()].sort((a, b) => (a.destination < b.destination ? -1 : 1))
}

function add(a: Ledger, b: Ledger): Ledger {
  return {
    destination: a.destination,
    enqueued: a.enqueued + b.enqueued,
    delivered: a.delivered + b.delivered,
    dead: a.dead + b.dead,
    discarded: a.discarded + b.discarded,
    pending: {
      journal: a.pending.journal + b.pending.journal,
      queued: a.pending.queued + b.pending.queued,
    },
    deadKept: a.deadKept + b.deadKept,
    overdueMs:
      a.overdueMs === undefined || b.overdueMs === undefined
        ? (a.overdueMs ?? b.overdueMs)
        : Math.max(a.overdueMs, b.overdueMs),
  }
}
