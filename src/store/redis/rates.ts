/**
 * Shared buckets of rates: what each process let through is taken from one bucket for all. In: what
 * was taken. Out: what is left. Names are hashed, for they may be client addresses; a bucket is gone
 * two seconds after its last use.
 */
import { createHmac } from 'node:crypto'
import type { RateUse } from '../store.ts'
import type { Calls } from './calls.ts'
import { parseTexts } from './reply.ts'
import { defineScript } from './script.ts'

const script = defineScript('rates')

/** One call for each partition that has a bucket of these. In order; may be below 0. */
export async function takeShared(
  calls: Calls,
  hashKey: Buffer,
  uses: readonly RateUse[],
): Promise<readonly number[]> {
  const batches = new Map<number, { args: string[]; places: number[] }>()
  for (const [place, { name, perSecond, taken }] of uses.entries()) {
    const hash = createHmac('sha256', hashKey).update(`rate ${name}`).digest()
    const partition = hash.readUInt32BE(28) % calls.partitions
    const batch = batches.get(partition) ?? { args: [], places: [] }
    batch.args.push(hash.toString('base64url', 0, 12), String(perSecond), String(taken))
    batch.places.push(place)
    batches.set(partition, batch)
  }
  const sent = [...batches].map(([partition, { args, places }]) => ({ partition, args, places }))
  const replies = await calls.runAll(script, sent)
  const left: number[] = []
  for (const [index, { places }] of sent.entries()) {
    const texts = parseTexts(replies[index])
    for (const [i, place] of places.entries()) left[place] = Number(texts[i])
  }
  return left
}
