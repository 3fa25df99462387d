/**
 * Delivers what the store has made durable. In: accepted records and, from the store queue, due
 * deliveries. Out: attempts, and their ends written back. Guarantees: a delivery is with exactly
 * one of memory, queue and dead letters at any time; memory is bounded per destination; work of a
 * dead process is taken over; after a lost lease nothing of the lost work is started.
 */
import type { Clock } from '../base/clock.ts'
import { ownerOf, random as systemRandom } from '../base/id.ts'
import type { DeliveryRecord, Destination, RoutedDelivery } from '../model/delivery.ts'
import type { ClaimedDelivery, JournalEntry, Placement, Store } from '../store/store.ts'
import { createClaims } from './claims.ts'
import { createCustody, type Held } from './custody.ts'
import type { DeliverEvents } from './events.ts'
import { createLane, type Lane, type LaneSnapshot } from './lane.ts'
import { createLease } from './lease.ts'
import { createSettler } from './settler.ts'
import { createSweep } from './sweep.ts'
import type { Transport } from './transport.ts'

export interface DispatcherOptions {
  readonly store: Store
  readonly transport: Transport
  readonly clock: Clock
  readonly events: DeliverEvents
  /** By name, as configured now; asked again at `reload`. */
  readonly destinations: () => ReadonlyMap<string, Destination>
  /** In [0, 1), for jitter; the system's by default. */
  readonly random?: () => number
  /** First open time of a circuit; default 2 s. */
  readonly breakerOpenMs?: number
}

export interface Dispatcher {
  /** Before accept: memory while the destination has room and works, else the queue. */
  place(routed: RoutedDelivery): Placement
  /** After accept: `destinations` are those the store left to this process. */
  offer(record: DeliveryRecord, body: string, destinations: readonly string[]): void
  /**
   * After accept, where some destination went to the queue: looks there after `delayMs`. Without
   * it the delivery is found too, within a second.
   */
  queued(delayMs: number): void
  start(): void
  /**
   * Claims nothing more, hands waiting deliveries to the queue, lets attempts in flight end for at
   * most `timeoutMs`, then writes what is settled. What is still in flight stays in the journal.
   */
  drain(timeoutMs: number): Promise<void>
  /** The destinations map was swapped. Deliveries of removed destinations wait in the queue. */
  reload(): void
  snapshot(): readonly LaneSnapshot[]
}

const PARTIAL_AFTER_MS = 1_000
const PARTIAL_EVERY_MS = 500
/** For the last settlements of a drain. */
const FLUSH_MS = 5_000

export function createDispatcher(options: DispatcherOptions): Dispatcher {
  const { store, transport, clock, events } = options
  const random = options.random ?? systemRandom
  const settler = createSettler(store, events)
  const custody = createCustody(settler, clock, delayMs => claims.dueIn(delayMs))
  const lanes = new Map<string, Lane>()
  /** Stopped by a reload, with attempts still in flight. */
  const leaving = new Set<Lane>()
  const lease = createLease({
    store,
    clock,
    events,
    lost,
    held: pumpAll,
    moved: () => claims.dueIn(0),
  })
  const sweep = createSweep({ store, events, isKnown: custody.knows, found: adopt })
  const claims = createClaims({
    store,
    clock,
    events,
    lanes: () => lanes,
    losses: lease.losses,
    claimed,
  })
  let toPump = new Set<Lane>()
  let partialTimer: NodeJS.Timeout | undefined
  let drained: Promise<void> | undefined
  let idle: (() => void) | undefined

  function openLane(destination: Destination): Lane {
    return createLane(destination, {
      clock,
      random,
      transport,
      events,
      custody,
      isLeaseHeld: lease.isHeld,
      freed: () => {
        claims.wake()
        if (drained && inFlight() === 0) idle?.()
      },
      breakerOpenMs: options.breakerOpenMs,
    })
  }

  function reload(): void {
    const destinations = options.destinations()
    for (const lane of leaving) if (lane.snapshot().inFlight === 0) leaving.delete(lane)
    for (const [name, lane] of lanes) {
      if (destinations.has(name)) continue
      lanes.delete(name)
      lane.stop('removed')
      lane.close()
      if (lane.snapshot().inFlight > 0) leaving.add(lane)
    }
    for (const [name, destination] of destinations) {
      const lane = lanes.get(name)
      if (lane) lane.replace(destination)
      else lanes.set(name, openLane(destination))
    }
  }

  /** After this turn, so that the network's answer goes out before deliveries start. */
  function pumpSoon(lane: Lane): void {
    if (toPump.size === 0) setImmediate(pumpMarked)
    toPump.add(lane)
  }

  function pumpMarked(): void {
    const marked = toPump
    toPump = new Set()
    for (const lane of marked) lane.pump()
  }

  function pumpAll(): void {
    for (const lane of lanes.values()) lane.pump()
  }

  function hold(held: Held): void {
    const lane = lanes.get(held.destination)
    if (!lane) {
      custody.end(held, retryOf(held, 0))
      events.handedOver({ destination: held.destination, cause: 'removed', count: 1 })
      return
    }
    lane.push(held)
    pumpSoon(lane)
  }

  function offer(record: DeliveryRecord, body: string, destinations: readonly string[]): void {
    if (destinations.length === 0) return
    // Accepted just before the lease was lost: it is in a journal that another takes over.
    if (ownerOf(record.id) !== store.owner) return
    if (!custody.takeRecord(record.id, body, destinations)) return
    for (const destination of destinations) {
      hold({ record, destination, attempts: 0, from: 'journal', startBefore: Infinity })
    }
  }

  function adopt(entry: JournalEntry): void {
    const record = parseRecord(entry.body)
    // What cannot be read here may be readable by the version that wrote it; it stays.
    if (record) offer(record, entry.body, entry.destinations)
  }

  function claimed(delivery: ClaimedDelivery, startBefore: number): void {
    const { record: id, destination, attempts, body } = delivery
    const record = parseRecord(body)
    if (!custody.takeClaim(id, destination)) return
    if (record) return hold({ record, destination, attempts, from: 'queue', startBefore })
    custody.end(
      { record: { id }, destination, from: 'queue' },
      {
        destination,
        end: 'dead',
        attempts,
        reason: 'template_error',
        detail: 'the stored record cannot be read',
      },
    )
  }

  function lost(): void {
    let dropped = 0
    for (const lane of lanes.values()) dropped += lane.drop()
    sweep.reset()
    events.leaseLost({ dropped })
  }

  function settlePartly(): void {
    custody.settlePartly(PARTIAL_AFTER_MS)
    partialTimer = setTimeout(settlePartly, PARTIAL_EVERY_MS)
  }

  function inFlight(): number {
    let count = 0
    for (const lane of [...lanes.values(), ...leaving]) count += lane.snapshot().inFlight
    return count
  }

  async function drain(timeoutMs: number): Promise<void> {
    sweep.stop()
    const claimsStopped = claims.stop()
    for (const lane of lanes.values()) lane.stop('drain')
    await claimsStopped
    await noneInFlight(timeoutMs)
    clearTimeout(partialTimer)
    custody.settlePartly(0)
    await settler.flush(FLUSH_MS)
    settler.stop()
    lease.stop()
    for (const lane of lanes.values()) lane.close()
  }

  function noneInFlight(timeoutMs: number): Promise<void> {
    return new Promise(resolve => {
      if (inFlight() === 0) return resolve()
      const limit = setTimeout(resolve, timeoutMs)
      idle = () => {
        clearTimeout(limit)
        resolve()
      }
    })
  }

  reload()

  return {
    place: ({ destination, delayMs }) => {
      const isNow = delayMs <= 0 && drained === undefined && lanes.get(destination)?.hasRoom()
      return isNow
        ? { destination, hold: 'memory', delayMs: 0 }
        : { destination, hold: 'queue', delayMs: Math.max(0, delayMs) }
    },
    offer,
    queued: delayMs => claims.dueIn(delayMs),
    start: () => {
      lease.start()
      sweep.start()
      claims.start()
      settlePartly()
    },
    drain: timeoutMs => (drained ??= drain(timeoutMs)),
    reload,
    snapshot: () => [...lanes.values()].map(lane => lane.snapshot()),
  }
}

function retryOf({ destination, attempts }: Held, delayMs: number) {
  return { destination, end: 'retry', delayMs, attempts } as const
}

function parseRecord(body: string): DeliveryRecord | undefined {
  try {
    const parsed = JSON.parse(body) as DeliveryRecord | null
    return typeof parsed?.conversion === 'object' && typeof parsed.id === 'string'
      ? parsed
      : undefined
  } catch {
    return undefined
  }
}
