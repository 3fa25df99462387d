/** One settlement inside a transaction: fenced, then moved and counted in the same step. */
import type { Ending, Settlement } from '../store.ts'
import type { QueueRow, Tables } from './tables.ts'
import type { Tally } from './tally.ts'

export function settleOne(
  tables: Tables,
  tally: Tally,
  settlement: Settlement,
  owner: string,
  now: number,
): void {
  const { record } = settlement
  if (settlement.from === 'queue') {
    const { ending } = settlement
    const row = tables.queue.get(ending.destination, record)
    // Gone, or claimed by another since: what this process found out comes too late.
    if (row?.claimer !== owner) return
    if (ending.end !== 'retry') tables.queue.delete(ending.destination, record, row)
    end(tables, tally, record, ending, row.body, now, row)
    return
  }
  const listed = tables.journal.destinations(record)
  if (!listed) return
  // By what is listed, not by `remaining`: a settlement that is sent twice must count once.
  const kept = [...listed]
  for (const ending of settlement.endings) {
    const at = kept.indexOf(ending.destination)
    if (at < 0) continue
    kept.splice(at, 1)
    end(tables, tally, record, ending, settlement.body, now, undefined)
  }
  if (kept.length === listed.length) return
  if (kept.length === 0) tables.journal.delete(record)
  else tables.journal.put(record, { destinations: kept, body: settlement.body })
}

function end(
  tables: Tables,
  tally: Tally,
  record: string,
  ending: Ending,
  body: string,
  now: number,
  queued: QueueRow | undefined,
): void {
  const { destination } = ending
  switch (ending.end) {
    case 'delivered':
      tally.add(destination, 'delivered', 1)
      return
    case 'retry': {
      const { attempts, delayMs } = ending
      const row = { due: now + delayMs, attempts, claimer: '', after: '', body }
      tables.queue.put(destination, record, row, queued)
      return
    }
    case 'dead': {
      const { attempts, reason, detail } = ending
      const row = { attempts, reason, detail, diedAt: now, body }
      tables.dead.put({ record, destination }, row)
      tally.add(destination, 'dead', 1)
      return
    }
  }
}
