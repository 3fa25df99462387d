/**
 * Entries of an accept call as script arguments, one script call per partition. What many entries
 * of a turn have in common (window, status, mode, placements) is sent once, as a shape.
 */
import { partitionOf } from '../../base/id.ts'
import type { Accepted, AcceptEntry, AcceptVerdict } from '../store.ts'
import { StoreError } from '../store.ts'
import type { Calls } from './calls.ts'
import { defineScript } from './script.ts'

const script = defineScript('accept')

const VERDICTS: Readonly<Record<string, AcceptVerdict>> = {
  n: 'new',
  u: 'update',
  d: 'duplicate',
  s: 'stale',
  c: 'conflict',
}
const NONE: readonly string[] = []

interface Group {
  readonly partition: number
  readonly shapes: Map<string, number>
  /** Five arguments an entry. */
  readonly entries: string[]
  /** Where each entry stands in the call. */
  readonly positions: number[]
}

/**
 * Undefined when this owner, who made every record of the entries, has no lease any more. `call`: its
 * number, by which Redis knows it when the client has to send it again.
 */
export async function acceptEntries(
  calls: Calls,
  owner: string,
  call: number,
  entries: readonly AcceptEntry[],
): Promise<readonly Accepted[] | undefined> {
  const groups = groupByPartition(entries)
  // A call without entries still tells whether there is a lease.
  if (groups.length === 0) groups.push(newGroup(0))
  const replies = await calls.runAll(
    script,
    groups.map(({ partition, shapes, entries }) => ({
      partition,
      args: [owner, String(call), String(shapes.size), ...shapes.keys(), ...entries],
    })),
  )
  const accepted = Array.from<Accepted>({ length: entries.length })
  for (const [i, group] of groups.entries()) {
    const reply = replies[i]
    if (typeof reply !== 'string') return undefined
    const answers = reply.split(' ')
    for (const [k, position] of group.positions.entries()) {
      accepted[position] = parseAnswer(answers[k], entries[position])
    }
  }
  return accepted
}

function newGroup(partition: number): Group {
  return { partition, shapes: new Map(), entries: [], positions: [] }
}

function groupByPartition(entries: readonly AcceptEntry[]): Group[] {
  const groups = new Map<number, Group>()
  for (const [position, entry] of entries.entries()) {
    const partition = partitionOf(entry.record)
    let group = groups.get(partition)
    if (!group) {
      group = newGroup(partition)
      groups.set(partition, group)
    }
    const text = shapeOf(entry)
    let shape = group.shapes.get(text)
    if (shape === undefined) {
      shape = group.shapes.size + 1
      group.shapes.set(text, shape)
    }
    group.entries.push(entry.key, entry.record, String(shape), entry.amount, entry.body)
    group.positions.push(position)
  }
  return [...groups.values()]
}

/** Statuses and modes are told apart by their first letter. */
function shapeOf(entry: AcceptEntry): string {
  let allow = ''
  for (const transition of entry.allow) {
    allow += `${allow && ','}${transition[0]}>${transition[transition.indexOf('>') + 1]}`
  }
  let text = `${entry.windowMs}\t${entry.status[0]}\t${entry.onAmountChange[0]}\t${allow}`
  for (const { destination, hold, delayMs } of entry.placements) {
    text += `\t${destination}\t${hold[0]}\t${delayMs}`
  }
  return text
}

function parseAnswer(answer: string | undefined, entry: AcceptEntry | undefined): Accepted {
  const verdict = VERDICTS[answer?.[0] ?? '']
  if (answer === undefined || !verdict || !entry) {
    throw new StoreError('io', 'Redis answered an accept in a form that this version does not know')
  }
  if (verdict !== 'new' && verdict !== 'update') return { verdict, memory: NONE }
  if (answer.length > 1) return { verdict, memory: answer.slice(2).split(',').filter(Boolean) }
  return { verdict, memory: memoryOf(entry) }
}

function memoryOf(entry: AcceptEntry): readonly string[] {
  const memory: string[] = []
  for (const { destination, hold } of entry.placements) {
    if (hold === 'memory') memory.push(destination)
  }
  return memory
}
