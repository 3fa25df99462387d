/**
 * The store against a model: random processes accept, settle, claim, crash and take over, and after
 * every step the books of the store must equal those of the model.
 */
import * as fc from 'fast-check'
import assert from 'node:assert/strict'
import type { Test } from 'tap'
import { ownerOf } from '../../src/base/id.ts'
import { STATUSES } from '../../src/model/status.ts'
import { advance, decide, predecessor, type ConversionState } from '../../src/store/decide.ts'
import {
  StoreError,
  unaccounted,
  type AcceptEntry,
  type Accepted,
  type Ending,
  type Store,
} from '../../src/store/store.ts'
import { bodyOf, dead, delivered, entry, fromJournal, fromQueue, retry } from './entries.ts'
import { lapse, type Harness, type World } from './harness.ts'

// --- the model ------------------------------------------------------------------------------

interface Delivery {
  readonly record: string
  readonly destination: string
  readonly key: string
  /** Position among all accepted, for the order within a conversion. */
  readonly at: number
  place: 'journal' | 'queue' | 'dead' | 'delivered' | 'discarded'
  claimer: string
  /** Replayed by hand: it may come after what followed it. */
  isReplayed: boolean
}

interface Process {
  store: Store
  isLost: boolean
  /** Records whose deliveries this process holds in memory. */
  held: Map<string, Set<string>>
  claims: { record: string; destination: string; until: number }[]
}

interface Model {
  now: number
  accepted: number
  readonly states: Map<string, ConversionState>
  readonly deliveries: Map<string, Delivery>
  /** Owner → end of its lease, also of owners that are no more. */
  readonly leases: Map<string, number>
}

interface Real {
  readonly harness: Harness
  readonly world: World
  readonly processes: Process[]
}

const idOf = (record: string, destination: string) => `${record}/${destination}`
const isOutstanding = (delivery: Delivery | undefined) =>
  delivery?.place === 'journal' || delivery?.place === 'queue'

function acceptInModel(model: Model, entry: AcceptEntry): Accepted {
  const { key, record, placements } = entry
  const state = model.states.get(key)
  const verdict = decide(state, entry)
  if (verdict !== 'new' && verdict !== 'update') return { verdict, memory: [] }
  const memory: string[] = []
  for (const { destination, hold } of placements) {
    const before = state && model.deliveries.get(idOf(predecessor(state, destination), destination))
    const place = hold === 'memory' && !isOutstanding(before) ? 'journal' : 'queue'
    if (place === 'journal') memory.push(destination)
    model.deliveries.set(idOf(record, destination), {
      record,
      destination,
      key,
      at: model.accepted,
      place,
      claimer: '',
      isReplayed: false,
    })
  }
  model.accepted++
  model.states.set(key, advance(state, entry))
  return { verdict, memory }
}

function endInModel(delivery: Delivery, ending: Ending): void {
  delivery.claimer = ''
  delivery.place =
    ending.end === 'delivered' ? 'delivered' : ending.end === 'dead' ? 'dead' : 'queue'
}

const EMPTY = { enqueued: 0, journal: 0, queue: 0, dead: 0, delivered: 0, discarded: 0 }

async function check(model: Model, real: Real): Promise<void> {
  const store = real.processes[0]?.store
  assert(store)
  const expected = new Map<string, Record<string, number>>()
  for (const { destination, place } of model.deliveries.values()) {
    const books = expected.get(destination) ?? { ...EMPTY }
    expected.set(destination, books)
    books['enqueued'] = (books['enqueued'] ?? 0) + 1
    books[place] = (books[place] ?? 0) + 1
  }
  const found = new Map<string, Record<string, number>>()
  for (const ledger of await store.ledgers()) {
    const { destination, enqueued, pending, delivered, discarded, deadKept } = ledger
    found.set(destination, {
      enqueued,
      journal: pending.journal,
      queue: pending.queued,
      dead: deadKept,
      delivered,
      discarded,
    })
    assert.equal(unaccounted(ledger), 0, `${destination} does not balance`)
  }
  assert.deepEqual(Object.fromEntries(found), Object.fromEntries(expected))
}

// --- steps ----------------------------------------------------------------------------------

function extend(model: Model, real: Real, { owner }: Store): void {
  model.leases.set(owner, model.now + real.harness.leaseMs)
}

function isLeaseOver(model: Model, { store, isLost }: Process): boolean {
  return isLost || model.now >= (model.leases.get(store.owner) ?? 0)
}

async function start(real: Real, model: Model): Promise<Process> {
  const store = await real.world.open()
  extend(model, real, store)
  return {
    store,
    isLost: false,
    held: new Map(),
    claims: [],
  }
}

async function send(model: Model, real: Real, process: Process, batch: readonly AcceptEntry[]) {
  const { store } = process
  const isForeign = batch.some(({ record }) => ownerOf(record) !== store.owner)
  const mustFail = isForeign || isLeaseOver(model, process)
  let results: readonly Accepted[]
  try {
    results = await store.accept(batch)
  } catch (error) {
    if (!(error instanceof StoreError) || error.reason !== 'lease_lost') throw error
    assert(mustFail || !real.harness.isExact, 'the lease was good')
    if (!isForeign) process.isLost = true
    return
  }
  assert(!mustFail, 'the lease had ended')
  const expected = batch.map(entry => acceptInModel(model, entry))
  assert.deepEqual(results, expected)
  batch.forEach(({ record }, i) => {
    const names = expected[i]?.memory ?? []
    if (names.length > 0) process.held.set(record, new Set(names))
  })
}

async function beat(model: Model, real: Real, process: Process) {
  const mustBeLost = isLeaseOver(model, process)
  const state = await process.store.heartbeat()
  if (real.harness.isExact) assert.equal(state, mustBeLost ? 'lost' : 'held')
  else if (mustBeLost) assert.equal(state, 'lost')
  extend(model, real, process.store)
  process.isLost = false
  if (state === 'held') return
  process.held.clear()
  process.claims = []
}

async function takeOver(model: Model, real: Real, process: Process) {
  const before = [...model.deliveries.values()].filter(({ place }) => place === 'journal')
  const moved = await process.store.takeOver(1000)
  const kept = new Set(
    (await process.store.read([...new Set(before.map(delivery => delivery.record))])).map(
      row => row.record,
    ),
  )
  const gone = before.filter(({ record }) => !kept.has(record))
  const isAlive = (record: string) => model.now < (model.leases.get(ownerOf(record)) ?? 0)
  for (const delivery of gone) {
    const { record } = delivery
    assert.notEqual(ownerOf(record), process.store.owner, 'it took its own work over')
    if (real.harness.isExact) assert(!isAlive(record), 'its owner is alive')
    delivery.place = 'queue'
    delivery.claimer = ''
  }
  assert.equal(moved, new Set(gone.map(({ record }) => record)).size)
  if (!real.harness.isExact) return
  for (const { record } of before.filter(({ record }) => kept.has(record))) {
    assert(ownerOf(record) === process.store.owner || isAlive(record), 'a dead owner’s work stayed')
  }
}

async function claimSome(model: Model, real: Real, process: Process, max: number) {
  const leaseMs = real.harness.delayMs * 3
  const { owner } = process.store
  const requests = DESTINATIONS.map(destination => ({ destination, max, leaseMs }))
  const { deliveries } = await process.store.claim(requests)
  for (const { record, destination, body } of deliveries) {
    const delivery = model.deliveries.get(idOf(record, destination))
    assert.equal(delivery?.place, 'queue', 'claimed what does not wait')
    assert.equal(body, bodyOf(record))
    const rival = real.processes
      .flatMap(({ claims, store }) => (store.owner === delivery.claimer ? claims : []))
      .find(claim => claim.record === record && claim.destination === destination)
    if (real.harness.isExact && rival) assert(model.now >= rival.until, 'claimed twice')
    for (const other of model.deliveries.values()) {
      const isEarlier =
        other.key === delivery.key &&
        other.destination === destination &&
        other.at < delivery.at &&
        isOutstanding(other)
      assert(!isEarlier || other.isReplayed || delivery.isReplayed, 'overtook its predecessor')
    }
    delivery.claimer = owner
    process.claims = process.claims.filter(
      claim => claim.record !== record || claim.destination !== destination,
    )
    process.claims.push({ record, destination, until: model.now + leaseMs })
  }
  return deliveries.length
}

async function settleClaim(model: Model, process: Process, index: number, end: End) {
  const [claim] = process.claims.splice(index % process.claims.length, 1)
  if (!claim) return
  const { owner } = process.store
  const ending = toEnding(end, claim.destination)
  await process.store.settle([fromQueue(claim.record, ending)])
  const delivery = model.deliveries.get(idOf(claim.record, claim.destination))
  if (delivery?.place === 'queue' && delivery.claimer === owner) endInModel(delivery, ending)
}

async function settleHeld(model: Model, process: Process, index: number, ends: readonly End[]) {
  const [record, names] = [...process.held][index % process.held.size] ?? []
  if (record === undefined || !names) return
  const endings = [...names].flatMap((name, i) => {
    const end = ends[i]
    return end === undefined ? [] : [toEnding(end, name)]
  })
  for (const { destination } of endings) names.delete(destination)
  await process.store.settle([fromJournal(record, endings, [...names])])
  for (const ending of endings) {
    const delivery = model.deliveries.get(idOf(record, ending.destination))
    if (delivery?.place === 'journal') endInModel(delivery, ending)
  }
  if (names.size === 0) process.held.delete(record)
}

function toEnding(end: End, destination: string): Ending {
  if (end === 'delivered') return delivered(destination)
  return end === 'dead' ? dead(destination) : retry(destination, 0, 1)
}

/** At the end one survivor delivers everything that is left, in order. */
async function drain(model: Model, real: Real) {
  const [survivor, ...others] = real.processes
  assert(survivor)
  for (const { store } of others) await real.world.crash(store)
  await beat(model, real, survivor)
  const all: readonly End[] = ['delivered', 'delivered', 'delivered']
  while (survivor.held.size > 0) await settleHeld(model, survivor, 0, all)
  await pass(model, real, survivor)
  await takeOver(model, real, survivor)
  const left = () => [...model.deliveries.values()].some(isOutstanding)
  for (let round = 0; left(); round++) {
    assert(round < 200, 'some deliveries never come due')
    await real.world.advance(real.harness.delayMs)
    model.now += real.harness.delayMs
    await beat(model, real, survivor)
    await takeOver(model, real, survivor)
    await claimSome(model, real, survivor, 100)
    while (survivor.claims.length > 0) await settleClaim(model, survivor, 0, 'delivered')
  }
  await check(model, real)
}

async function pass(model: Model, real: Real, survivor: Process) {
  await beat(model, real, survivor)
  await lapse(real.harness, real.world, [survivor.store])
  model.now += Math.ceil(real.harness.leaseMs * 0.3) * 4
  extend(model, real, survivor.store)
}

// --- commands -------------------------------------------------------------------------------

const DESTINATIONS = ['x', 'y', 'z'] as const
type End = 'delivered' | 'retry' | 'dead'

class Step implements fc.AsyncCommand<Model, Real> {
  readonly name: string
  readonly index: number
  readonly action: (model: Model, real: Real, process: Process) => Promise<unknown>
  constructor(name: string, index: number, action: Step['action']) {
    this.name = name
    this.index = index
    this.action = action
  }
  check = () => true
  async run(model: Model, real: Real): Promise<void> {
    const process = real.processes[this.index]
    assert(process)
    await this.action(model, real, process)
    await check(model, real)
  }
  toString = () => `${this.index}: ${this.name}`
}

const who = fc.nat({ max: 1 })
const step = <T>(
  name: string,
  argument: fc.Arbitrary<T>,
  action: (argument: T, ...rest: Parameters<Step['action']>) => Promise<unknown>,
): fc.Arbitrary<Step> =>
  fc
    .tuple(who, argument)
    .map(
      ([index, value]) =>
        new Step(`${name} ${JSON.stringify(value)}`, index, (...rest) => action(value, ...rest)),
    )

const ends = fc.constantFrom<End>('delivered', 'retry', 'dead')
const postback = fc.record({
  conversion: fc.constantFrom('a', 'b', 'c'),
  status: fc.constantFrom(...STATUSES),
  amount: fc.constantFrom('', '1 USD', '2 USD'),
  onAmountChange: fc.constantFrom('ignore' as const, 'update' as const, 'add' as const),
  allow: fc.constantFrom([], ['reversed>approved' as const]),
  to: fc.subarray(['x', 'y', 'z']).chain(names =>
    fc.constantFrom(
      names,
      names.map(name => `${name}+0`),
    ),
  ),
})

const commands = [
  step(
    'accept',
    fc.array(postback, { minLength: 1, maxLength: 4 }),
    async (list, model, real, p) => {
      const batch = list.map(({ conversion, ...options }) => entry(p.store, conversion, options))
      await send(model, real, p, batch)
    },
  ),
  step(
    'settle',
    fc.tuple(fc.nat({ max: 9 }), fc.array(ends, { minLength: 1, maxLength: 3 })),
    ([index, list], model, _real, p) => settleHeld(model, p, index, list),
  ),
  step('claim', fc.integer({ min: 1, max: 4 }), (max, model, real, p) =>
    claimSome(model, real, p, max),
  ),
  step('settle claim', fc.tuple(fc.nat({ max: 9 }), ends), ([index, end], model, _real, p) =>
    settleClaim(model, p, index, end),
  ),
  step('wait', fc.integer({ min: 1, max: 4 }), async (times, model, { world, harness }) => {
    await world.advance(harness.delayMs * times)
    model.now += harness.delayMs * times
  }),
  step('heartbeat', fc.constant(null), (_, model, real, p) => beat(model, real, p)),
  step('lapse of others', fc.constant(null), (_, model, real, p) => pass(model, real, p)),
  step('take over', fc.constant(null), (_, model, real, p) => takeOver(model, real, p)),
  step('crash', fc.constant(null), async (_, model, real, p) => {
    await real.world.crash(p.store)
    Object.assign(p, await start(real, model))
  }),
  step('close', fc.constant(null), async (_, model, real, p) => {
    model.leases.delete(p.store.owner)
    await p.store.close()
    Object.assign(p, await start(real, model))
  }),
  step('replay', fc.nat({ max: 9 }), (index, model, _real, p) => mend(model, p, index, 'replay')),
  step('discard', fc.nat({ max: 9 }), (index, model, _real, p) => mend(model, p, index, 'discard')),
]

async function mend(model: Model, process: Process, index: number, how: 'replay' | 'discard') {
  const letters = [...model.deliveries.values()].filter(({ place }) => place === 'dead')
  const letter = letters[index % letters.length]
  if (!letter) return
  assert.equal(await process.store[how]([letter]), 1)
  letter.place = how === 'replay' ? 'queue' : 'discarded'
  letter.isReplayed = true
}

/**
 * POSTERN_MODEL_RUNS, where set, replaces `usualRuns`. `atOnce`: most runs side by side, for stores whose
 * time is waited for; each has a store of its own.
 */
export function modelTest(
  t: Test,
  harness: Harness,
  usualRuns: number,
  atOnce = 1,
): Promise<unknown> {
  const runs = Number(process.env['POSTERN_MODEL_RUNS'] ?? usualRuns)
  const lanes = Math.min(runs, atOnce)
  const numRuns = Math.ceil(runs / lanes)
  return t.test(`${harness.name} agrees with the model`, async t => {
    await Promise.all(Array.from({ length: lanes }, () => agrees(harness, numRuns)))
    t.pass(`${numRuns * lanes} runs`)
  })
}

function agrees(harness: Harness, numRuns: number): Promise<void> {
  const property = fc.asyncProperty(
    fc.commands(commands, { maxCommands: 60, size: '+2' }),
    async list => {
      const world = await harness.create()
      try {
        const real: Real = { harness, world, processes: [] }
        const model: Model = {
          now: 0,
          accepted: 0,
          states: new Map(),
          deliveries: new Map(),
          leases: new Map(),
        }
        real.processes.push(await start(real, model), await start(real, model))
        await fc.asyncModelRun(() => ({ model, real }), list)
        await drain(model, real)
      } finally {
        await world.end()
      }
    },
  )
  return fc.assert(property, { numRuns })
}
