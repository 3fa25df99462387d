/** A dispatcher with everything real but the conversions, and a log of what it told. */
import type { Test } from 'tap'
import { systemClock, type Clock } from '../../src/base/clock.ts'
import {
  createDispatcher,
  type Dispatcher,
  type DispatcherOptions,
} from '../../src/deliver/dispatcher.ts'
import type { DeliverEvents } from '../../src/deliver/events.ts'
import { createTransport } from '../../src/deliver/transport.ts'
import type { Attempt, DeliveryRecord, Destination } from '../../src/model/delivery.ts'
import type { Status } from '../../src/model/status.ts'
import { dedupeHash } from '../../src/store/dedupe.ts'
import { createMemoryStore } from '../../src/store/memory.ts'
import type { AcceptEntry, AcceptVerdict, Placement, Store } from '../../src/store/store.ts'
import { createScriptedReceiver } from '../support/scripted-receiver.ts'
import { until } from '../support/until.ts'

type Facts = {
  [name in keyof DeliverEvents]: Parameters<DeliverEvents[name]>[0][]
}

export interface Log extends Facts {
  readonly events: DeliverEvents
}

export function createLog(): Log {
  const facts: Facts = {
    attempted: [],
    ended: [],
    handedOver: [],
    circuit: [],
    egressBlocked: [],
    storeFailed: [],
    leaseLost: [],
    tookOver: [],
    reconciled: [],
    authFailed: [],
    confirmed: [],
  }
  const events = Object.fromEntries(
    Object.entries(facts).map(([name, list]) => [name, (fact: never) => void list.push(fact)]),
  ) as unknown as DeliverEvents
  return { ...facts, events }
}

/** The store with some of its methods replaced. */
export function withMethods(store: Store, methods: Partial<Store>): Store {
  return Object.assign(Object.create(store) as Store, methods)
}

export interface Setup {
  readonly store: Store
  readonly dispatcher: Dispatcher
  readonly log: Log
  readonly destinations: Map<string, Destination>
  /** As the pipeline does it: place, accept, offer. */
  accept(
    transaction: string,
    to: readonly string[],
    more?: { status?: Status; receivedAt?: number },
  ): Promise<AcceptVerdict>
  /** Many in one call, as the batcher of a busy turn makes it. */
  acceptAll(transactions: readonly string[], to: readonly string[]): Promise<AcceptVerdict[]>
  /** Delivered, dead and pending of a destination; fails where the ledger does not add up. */
  ledger(destination: string): Promise<{ delivered: number; dead: number; pending: number }>
  /** Until nothing is pending anywhere. */
  settled(): Promise<void>
  attemptsAt(destination: string): readonly Attempt[]
}

export interface SetupOptions {
  readonly store?: Store
  readonly isOpen?: boolean
  readonly clock?: Clock
  readonly started?: boolean
  readonly dispatcher?: Partial<DispatcherOptions>
}

export async function setUp(
  t: Test,
  list: readonly Destination[],
  options: SetupOptions = {},
): Promise<Setup> {
  const clock = options.clock ?? systemClock
  const store = options.store ?? createMemoryStore({ clock, leaseMs: 5_000 })
  if (!options.isOpen) await store.open()
  const destinations = new Map(list.map(destination => [destination.id, destination]))
  const log = createLog()
  const dispatcher = createDispatcher({
    store,
    transport: createTransport({ clock, version: '0' }),
    clock,
    events: log.events,
    destinations: () => destinations,
    random: () => 0,
    breakerOpenMs: 40,
    ...options.dispatcher,
  })
  t.teardown(async () => {
    await dispatcher.drain(0)
    await store.close()
  })
  if (options.started !== false) dispatcher.start()

  async function acceptAll(
    transactions: readonly string[],
    to: readonly string[],
    more: { status?: Status; receivedAt?: number } = {},
  ): Promise<AcceptVerdict[]> {
    const status = more.status ?? 'approved'
    const entries = transactions.map(transaction => {
      const key = dedupeHash(store.hashKey, 'net', transaction)
      const conversion = {
        id: key,
        network: 'net',
        status,
        transaction_id: transaction,
        received_at: more.receivedAt ?? clock.now(),
        q: {},
      }
      const record: DeliveryRecord = { id: store.newRecord(key), conversion }
      const placements = to.map(destination =>
        dispatcher.place({ destination, delayMs: 0, share: undefined }),
      )
      const body = JSON.stringify(record)
      return { record, entry: toEntry(record, key, status, body, placements) }
    })
    const accepted = await store.accept(entries.map(({ entry }) => entry))
    return accepted.map(({ verdict, memory }, i) => {
      const { record, entry } = entries[i] as (typeof entries)[number]
      dispatcher.offer(record, entry.body, memory)
      if (memory.length < to.length) dispatcher.queued(0)
      return verdict
    })
  }

  return {
    store,
    dispatcher,
    log,
    destinations,
    acceptAll,
    accept: async (transaction, to, more) =>
      (await acceptAll([transaction], to, more))[0] as AcceptVerdict,
    ledger: async name => {
      const found = (await store.ledgers()).find(ledger => ledger.destination === name)
      if (!found) return { delivered: 0, dead: 0, pending: 0 }
      const pending = found.pending.journal + found.pending.queued
      t.equal(found.enqueued, found.delivered + found.dead + found.discarded + pending, 'ledger')
      return { delivered: found.delivered, dead: found.dead, pending }
    },
    settled: () =>
      until('nothing is pending', async () =>
        (await store.ledgers()).every(({ pending }) => pending.journal + pending.queued === 0),
      ),
    attemptsAt: name => log.attempted.filter(attempt => attempt.destination === name),
  }
}

function toEntry(
  record: DeliveryRecord,
  key: string,
  status: Status,
  body: string,
  placements: readonly Placement[],
): AcceptEntry {
  return {
    record: record.id,
    key,
    windowMs: 60_000_000,
    status,
    amount: '',
    onAmountChange: 'ignore',
    allow: [],
    body,
    placements,
  }
}

export async function receive(t: Test, options: Parameters<typeof createScriptedReceiver>[0] = {}) {
  const made = await createScriptedReceiver(options)
  t.teardown(() => made.close())
  return made
}
