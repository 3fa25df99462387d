/**
 * Claims over all partitions. First every partition tells how old its oldest due deliveries are;
 * then only those that hold the oldest are asked to lease them. Two round trips, right order.
 */
import type { ClaimedDelivery, ClaimRequest, Claims } from '../store.ts'
import type { Calls } from './calls.ts'
import { parseCount, parseList, rowsOf } from './reply.ts'
import { defineScript } from './script.ts'

const peek = defineScript('peek')
const claim = defineScript('claim')

interface Due {
  readonly partition: number
  readonly request: number
  readonly ageMs: number
}

export async function claimDue(
  calls: Calls,
  owner: string,
  requests: readonly ClaimRequest[],
): Promise<Claims> {
  if (requests.length === 0) return { deliveries: [], nextDueMs: undefined }
  const args = requests.flatMap(({ destination, max }) => [
    destination,
    // Enough for an even spread; a crowded partition is asked again by the next claim.
    String(Math.min(max, Math.ceil((max / calls.partitions) * 2) + 8)),
  ])
  const peeked = await calls.runEverywhere(peek, args)
  const { due, next } = parsePeeked(peeked)
  const quotas = oldest(due, requests)
  const replies = await calls.runAll(
    claim,
    [...quotas].map(([partition, quota]) => ({
      partition,
      args: [
        owner,
        ...requests.flatMap(({ destination, leaseMs }, i) => [
          destination,
          String(quota[i] ?? 0),
          String(leaseMs),
        ]),
      ],
    })),
  )
  const deliveries: ClaimedDelivery[] = []
  for (const partition of quotas.keys()) next.delete(partition)
  let nextDueMs = Math.min(...next.values())
  for (const reply of replies) {
    const [wait, ...rows] = parseList(reply)
    if (Number(wait) >= 0) nextDueMs = Math.min(nextDueMs, Number(wait))
    for (const [request, record, attempts, body] of rowsOf(rows, 4)) {
      deliveries.push({
        record: String(record),
        destination: requests[Number(request)]?.destination ?? '',
        body: String(body),
        attempts: Number(attempts),
      })
    }
  }
  return { deliveries, nextDueMs: Number.isFinite(nextDueMs) ? nextDueMs : undefined }
}

/** What is due, and per partition the ms until something is. */
function parsePeeked(replies: readonly unknown[]): { due: Due[]; next: Map<number, number> } {
  const due: Due[] = []
  const next = new Map<number, number>()
  for (const [partition, reply] of replies.entries()) {
    if (!Array.isArray(reply)) continue
    for (const [request, row] of reply.entries()) {
      const [wait, ...ages] = parseList(row)
      const waitMs = parseCount(wait)
      if (waitMs >= 0) next.set(partition, Math.min(waitMs, next.get(partition) ?? waitMs))
      for (const ageMs of ages) due.push({ partition, request, ageMs: parseCount(ageMs) })
    }
  }
  return { due, next }
}

/** Partition → how many of each request to claim there. */
function oldest(due: Due[], requests: readonly ClaimRequest[]): Map<number, number[]> {
  due.sort((a, b) => b.ageMs - a.ageMs)
  const taken = requests.map(() => 0)
  const quotas = new Map<number, number[]>()
  for (const { partition, request } of due) {
    const count = taken[request] ?? 0
    if (count >= (requests[request]?.max ?? 0)) continue
    taken[request] = count + 1
    let quota = quotas.get(partition)
    if (!quota) quotas.set(partition, (quota = requests.map(() => 0)))
    quota[request] = (quota[request] ?? 0) + 1
  }
  return quotas
}
