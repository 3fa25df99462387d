/** Settlements as script arguments, one script call per partition. */
import { partitionOf } from '../../base/id.ts'
import type { Ending, Settlement } from '../store.ts'
import type { Calls } from './calls.ts'
import { defineScript } from './script.ts'

const script = defineScript('settle')

export async function settleAll(
  calls: Calls,
  owner: string,
  settlements: readonly Settlement[],
): Promise<void> {
  const groups = new Map<number, string[]>()
  for (const settlement of settlements) {
    const partition = partitionOf(settlement.record)
    let args = groups.get(partition)
    if (!args) groups.set(partition, (args = [owner]))
    push(args, settlement)
  }
  await calls.runAll(
    script,
    [...groups].map(([partition, args]) => ({ partition, args })),
  )
}

function push(args: string[], settlement: Settlement): void {
  if (settlement.from === 'queue') {
    args.push('q', settlement.record)
    pushEnding(args, settlement.ending)
    return
  }
  // The journal has the body and the destinations; what is not ended stays.
  const { record, endings } = settlement
  if (endings.every(({ end }) => end === 'delivered')) {
    args.push('J', record, endings.map(({ destination }) => destination).join(','))
    return
  }
  args.push('j', record, String(endings.length))
  for (const ending of endings) pushEnding(args, ending)
}

function pushEnding(args: string[], ending: Ending): void {
  switch (ending.end) {
    case 'delivered':
      args.push(ending.destination, 'd')
      return
    case 'retry':
      args.push(ending.destination, 'r', String(ending.delayMs), String(ending.attempts))
      return
    case 'dead':
      args.push(
        ending.destination,
        'x',
        String(ending.attempts),
        JSON.stringify([ending.reason, ending.detail]),
      )
  }
}
