/** Looking into journals: the records of one owner, and what a record holds. */
import { ownerOf, partitionOf } from '../../base/id.ts'
import type { JournalEntry } from '../store.ts'
import type { Calls } from './calls.ts'
import { parseOptionalTexts, parseTexts } from './reply.ts'

export async function readJournalIds(calls: Calls, owner: string): Promise<readonly string[]> {
  const partitions = Array.from({ length: calls.partitions }, (_, partition) => partition)
  const replies = await Promise.all(
    partitions.map(partition => calls.command('hkeys', calls.key(partition, `j:${owner}`))),
  )
  return replies.flatMap(parseTexts)
}

/** Records that are in no journal are left out. */
export async function readJournal(
  calls: Calls,
  records: readonly string[],
): Promise<readonly JournalEntry[]> {
  const byJournal = new Map<string, string[]>()
  for (const record of records) {
    if (!calls.mayHold(record)) continue
    const journal = calls.key(partitionOf(record), `j:${ownerOf(record)}`)
    const known = byJournal.get(journal)
    if (known) known.push(record)
    else byJournal.set(journal, [record])
  }
  const replies = await Promise.all(
    [...byJournal].map(async ([journal, wanted]) => {
      const values = parseOptionalTexts(await calls.command('hmget', journal, ...wanted))
      return wanted.flatMap((record, i) => toEntry(record, values[i]))
    }),
  )
  return replies.flat()
}

function toEntry(record: string, value: string | null | undefined): readonly JournalEntry[] {
  if (value === null || value === undefined) return []
  const end = value.indexOf('\n')
  return [{ record, destinations: value.slice(0, end).split(','), body: value.slice(end + 1) }]
}
