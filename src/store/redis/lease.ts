/**
 * This process as an owner of work: its name, its record ids and its lease, which is held in every
 * partition and timed by Redis. A lost lease means a new name.
 */
import { createRecordIds, randomText } from '../../base/id.ts'
import type { Calls } from './calls.ts'
import { parseCount } from './reply.ts'
import { defineScript } from './script.ts'

const lease = defineScript('lease')
const takeover = defineScript('takeover')

/** 60 bits: no two processes ever share a name. */
const OWNER_LENGTH = 12

export interface Lease {
  readonly owner: string
  /** True from the loss of a lease until `heartbeat` has told it. */
  readonly isLost: boolean
  newRecord(key: string): string
  register(calls: Calls): Promise<void>
  /** Redis says that the lease of this name is gone. */
  lose(name: string): void
  heartbeat(calls: Calls): Promise<'held' | 'lost'>
  release(calls: Calls): Promise<void>
}

export function createLease(leaseMs: number, partitions: number): Lease {
  let owner = randomText(OWNER_LENGTH)
  let ids = createRecordIds(owner)
  let former = ''
  let isLost = false

  function lose(name: string): void {
    // A slow answer may speak of a name that was given up long ago.
    if (name !== owner) return
    isLost = true
    former = owner
    owner = randomText(OWNER_LENGTH)
    ids = createRecordIds(owner)
  }

  async function register(calls: Calls): Promise<void> {
    const mine = owner
    await calls.runEverywhere(lease, ['register', mine, String(leaseMs), former])
    if (mine === owner) isLost = false
  }

  return {
    get owner() {
      return owner
    },
    get isLost() {
      return isLost
    },
    newRecord: key => ids.next(Number.parseInt(key.slice(0, 4), 16) % partitions),
    register,
    lose,
    async heartbeat(calls) {
      const mine = owner
      if (!isLost) {
        const held = await calls.runEverywhere(lease, ['extend', mine, String(leaseMs)])
        if (held.every(reply => parseCount(reply) === 1)) return 'held'
        lose(mine)
      }
      // Ends the former lease everywhere, so that others may take its journal over at once.
      await register(calls)
      return 'lost'
    },
    async release(calls) {
      await calls.runEverywhere(lease, ['release', owner])
    },
  }
}

/** Moves about `limit` records of dead owners to the queues; how many it moved. */
export async function takeOver(calls: Calls, owner: string, limit: number): Promise<number> {
  let moved = 0
  for (let partition = 0; partition < calls.partitions && moved < limit; partition++) {
    moved += parseCount(await calls.run(takeover, partition, [String(limit - moved), owner]))
  }
  return moved
}
