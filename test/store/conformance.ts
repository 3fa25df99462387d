/** What every store must do, whatever it keeps its data in. */
import type { Test } from 'tap'
import { partitionOf, ownerOf } from '../../src/base/id.ts'
import { unaccounted, type Decision, type Store } from '../../src/store/store.ts'
import {
  bodyOf,
  claim,
  dead,
  delivered,
  entry,
  fromJournal,
  fromQueue,
  journalOf,
  keyOf,
  retry,
  type EntryOptions,
} from './entries.ts'
import { lapse, type Harness, type World } from './harness.ts'

type Part = (t: Test, world: World, store: Store) => Promise<void>

export function conformance(t: Test, harness: Harness): Promise<unknown> {
  return t.test(`${harness.name} conforms`, async t => {
    /** A part runs on a state of its own, and leaves books that balance. */
    const part = (title: string, run: Part) =>
      t.test(title, async t => {
        const world = await harness.create()
        t.teardown(() => world.end())
        const store = await world.open()
        await run(t, world, store)
        const reader = await world.open()
        await balanced(t, reader)
      })
    await opening(part)
    await accepting(part, harness)
    await settling(part, harness)
    await claiming(part, harness)
    await lanes(part, harness)
    await leases(part, harness)
    await letters(part, harness)
    await looking(part, harness)
    await expiring(part, harness)
    await erasing(part)
  })
}

type Parts = (title: string, run: Part) => Promise<unknown>

export async function balanced(t: Test, store: Store): Promise<void> {
  for (const ledger of await store.ledgers()) {
    t.equal(unaccounted(ledger), 0, `${ledger.destination} balances`, { ledger })
    t.equal(ledger.deadKept, ledger.dead, `${ledger.destination} keeps its dead`, { ledger })
  }
}

async function accept(store: Store, conversion: string, options?: EntryOptions) {
  const sent = entry(store, conversion, options)
  const [accepted] = await store.accept([sent])
  return { record: sent.record, sent, ...accepted }
}

async function ledgerOf(store: Store, destination: string) {
  const ledger = (await store.ledgers()).find(ledger => ledger.destination === destination)
  if (!ledger) throw new Error(`no ledger of ${destination}`)
  return ledger
}

const lost = { name: 'StoreError', reason: 'lease_lost' }
const closed = { name: 'StoreError', reason: 'closed' }

async function opening(part: Parts) {
  await part('opens', async (t, world, store) => {
    t.ok(store.hashKey.length >= 16)
    const other = await world.open()
    t.same(other.hashKey, store.hashKey, 'the hash key belongs to the state')
    t.not(other.owner, store.owner, 'two processes are two owners')
    const key = keyOf(store, 'a')
    const first = store.newRecord(key)
    t.equal(ownerOf(first), store.owner)
    t.equal(partitionOf(store.newRecord(key)), partitionOf(first), 'one key, one partition')
    t.not(store.newRecord(key), first)
    t.equal(await store.heartbeat(), 'held')
    t.ok(Array.isArray(await store.safety()))
    await other.close()
    await other.close()
    await t.rejects(other.accept([]), closed)
    await t.rejects(other.heartbeat(), closed)
    await t.rejects(other.ledgers(), closed)
  })

  await part('is found again after a crash', async (t, world, store) => {
    const { hashKey } = store
    const a = await accept(store, 'a', { to: ['x', 'q+0'] })
    await world.crash(store)
    const next = await world.open()
    t.same(next.hashKey, hashKey)
    t.match(await next.accept([entry(next, 'a')]), [{ verdict: 'duplicate', memory: [] }])
    t.same(
      (await claim(next, ['q'])).map(d => d.record),
      [a.record],
    )
  })
}

async function accepting(part: Parts, harness: Harness) {
  await part('decides by status and amount', async (t, _world, store) => {
    const verdict = async (conversion: string, options?: EntryOptions) =>
      (await accept(store, conversion, options)).verdict
    t.equal(await verdict('a', { status: 'pending' }), 'new')
    t.equal(await verdict('a', { status: 'pending' }), 'duplicate')
    t.equal(await verdict('a', { status: 'hold' }), 'update')
    t.equal(await verdict('a', { status: 'pending' }), 'stale')
    t.equal(await verdict('a', { status: 'approved' }), 'update')
    t.equal(await verdict('a', { status: 'declined' }), 'update', 'equal rank, other status')
    t.equal(await verdict('a', { status: 'reversed' }), 'update')
    t.equal(await verdict('a', { status: 'approved' }), 'stale')
    const back = { status: 'approved', allow: ['reversed>approved'] } as const
    t.equal(await verdict('a', back), 'update', 'the rule permits this step back')
    t.equal(await verdict('a', back), 'duplicate')

    t.equal(await verdict('b'), 'new', 'another key is another conversion')
    t.equal(await verdict('b', { amount: '10.00 EUR' }), 'conflict')
    t.equal(await verdict('b', { amount: '' }), 'duplicate', 'no amount contradicts nothing')
    const update = { onAmountChange: 'update' } as const
    t.equal(await verdict('b', { amount: '11 USD', ...update }), 'update')
    t.equal(await verdict('b', { amount: '11 USD', ...update }), 'duplicate')
    t.equal(await verdict('b', { amount: '10.00 USD', ...update }), 'update')

    const add = { onAmountChange: 'add' } as const
    t.equal(await verdict('c', { amount: '1 USD', ...add }), 'new')
    t.equal(await verdict('c', { amount: '2 USD', ...add }), 'update')
    t.equal(await verdict('c', { amount: '1 USD', ...add }), 'duplicate', 'was counted before')
    t.equal(await verdict('c', { amount: '3 USD', ...add }), 'update')
    t.equal(await verdict('c', { amount: '2 USD', ...add }), 'duplicate')

    t.equal(await verdict('d', { amount: '' }), 'new')
    t.equal(await verdict('d', { amount: '5 USD' }), 'conflict')
    t.equal(await verdict('d', { amount: '5 USD', ...update }), 'update', 'the amount came later')
    t.equal(await verdict('d', { amount: '', status: 'reversed' }), 'update')
    t.equal(await verdict('d', { amount: '5 USD', status: 'reversed' }), 'duplicate')
  })

  await part('writes one record for all destinations', async (t, _world, store) => {
    const a = await accept(store, 'a', { to: ['x', 'y', 'q+0'] })
    t.match(a, { verdict: 'new', memory: ['x', 'y'] })
    t.same(await journalOf(store), [
      { record: a.record, body: bodyOf(a.record), destinations: ['x', 'y'] },
    ])
    t.match(await ledgerOf(store, 'x'), { enqueued: 1, pending: { journal: 1, queued: 0 } })
    t.match(await ledgerOf(store, 'q'), { enqueued: 1, pending: { journal: 0, queued: 1 } })
    t.same(await claim(store, ['q']), [
      { record: a.record, destination: 'q', body: bodyOf(a.record), attempts: 0 },
    ])

    const b = await accept(store, 'b', { to: ['q+0'] })
    t.match(b, { verdict: 'new', memory: [] })
    t.same(await store.journal(), [a.record], 'no journal entry without work for memory')
    const c = await accept(store, 'c', { to: [] })
    t.match(c, { verdict: 'new', memory: [] }, 'a conversion may go nowhere')
    t.same(await store.journal(), [a.record])
    t.equal((await accept(store, 'c', { to: [] })).verdict, 'duplicate', 'and is still known')
  })

  await part('writes nothing for what changes nothing', async (t, _world, store) => {
    const a = await accept(store, 'a', { status: 'approved' })
    const before = await store.ledgers()
    for (const options of [{}, { amount: '99 USD' }, { status: 'pending' }] as const) {
      const again = await accept(store, 'a', { ...options, to: ['x', 'y', 'q+0'] })
      t.same(again.memory, [])
    }
    t.same(await store.ledgers(), before)
    t.same(await store.journal(), [a.record])
  })

  await part('answers a batch in order', async (t, _world, store) => {
    t.same(await store.accept([]), [])
    const batch = Array.from({ length: 60 }, (_, i) => entry(store, `k${i % 40}`))
    const results = await store.accept(batch)
    t.same(
      results.map(result => result.verdict),
      batch.map((_, i) => (i < 40 ? 'new' : 'duplicate')),
    )
    t.equal((await store.journal()).length, 40)
    t.match(await ledgerOf(store, 'x'), { enqueued: 40 })
  })

  await part('delays what waits in the queue', async (t, world, store) => {
    const { delayMs } = harness
    const late = await accept(store, 'late', { to: [`q+${delayMs * 2}`] })
    const soon = await accept(store, 'soon', { to: [`q+${delayMs}`] })
    const wait = await store.claim([{ destination: 'q', max: 5, leaseMs: 60_000 }])
    t.same(wait.deliveries, [])
    t.ok(wait.nextDueMs !== undefined && wait.nextDueMs > 0 && wait.nextDueMs <= delayMs)
    await world.advance(delayMs * 2 + 1)
    t.ok(((await ledgerOf(store, 'q')).overdueMs ?? -1) >= delayMs, 'overdue by the oldest')
    t.same(
      (await claim(store, ['q'])).map(d => d.record),
      [soon.record, late.record],
      'oldest first',
    )
    t.equal((await ledgerOf(store, 'q')).overdueMs, undefined)
  })
}

async function settling(part: Parts, harness: Harness) {
  await part('settles what memory delivered', async (t, world, store) => {
    const { record } = await accept(store, 'a', { to: ['x', 'y', 'z'] })
    await store.settle([fromJournal(record, [delivered('x')], ['y', 'z'])])
    t.match(await journalOf(store), [{ record, destinations: ['y', 'z'], body: bodyOf(record) }])
    await store.settle([fromJournal(record, [delivered('x')], ['y', 'z'])])
    t.match(await ledgerOf(store, 'x'), { delivered: 1 }, 'a settlement sent twice counts once')

    const { delayMs } = harness
    await store.settle([fromJournal(record, [retry('y', delayMs, 3), dead('z', 2)])])
    t.same(await store.journal(), [], 'the record goes with its last destination')
    t.match(await ledgerOf(store, 'y'), { pending: { journal: 0, queued: 1 } })
    t.match(await ledgerOf(store, 'z'), { dead: 1, deadKept: 1, pending: { journal: 0 } })
    t.match(await store.deadLetter({ record, destination: 'z' }), {
      record,
      destination: 'z',
      body: bodyOf(record),
      attempts: 2,
      reason: 'rejected',
      detail: 'z said no',
    })
    t.same(await claim(store, ['y']), [])
    await world.advance(delayMs + 1)
    t.match(await claim(store, ['y']), [{ record, destination: 'y', attempts: 3 }])
    await store.settle([fromJournal(record, [delivered('y'), retry('z')])])
    t.match(await ledgerOf(store, 'y'), { delivered: 0, pending: { queued: 1 } }, 'not in journal')
  })

  await part('settles what was claimed', async (t, world, store) => {
    const { record } = await accept(store, 'a', { to: ['x+0', 'y+0', 'z+0'] })
    await store.settle([fromQueue(record, delivered('x'))])
    t.match(await ledgerOf(store, 'x'), { delivered: 0 }, 'nobody claimed it')
    t.equal((await claim(store, ['x', 'y', 'z'])).length, 3)
    const { delayMs } = harness
    const settlements = [
      fromQueue(record, delivered('x')),
      fromQueue(record, retry('y', delayMs, 1)),
      fromQueue(record, dead('z', 7)),
    ]
    await store.settle(settlements)
    await store.settle(settlements)
    t.match(await ledgerOf(store, 'x'), { delivered: 1, pending: { queued: 0 } })
    t.match(await ledgerOf(store, 'y'), { delivered: 0, pending: { queued: 1 } })
    t.match(await ledgerOf(store, 'z'), { dead: 1, pending: { queued: 0 } })
    t.match(await store.deadLetter({ record, destination: 'z' }), {
      attempts: 7,
      body: bodyOf(record),
    })
    t.same(await claim(store, ['y']), [])
    await world.advance(delayMs + 1)
    t.match(await claim(store, ['y']), [{ record, attempts: 1, body: bodyOf(record) }])
    await store.settle([fromQueue('no-such-0', delivered('y')), fromJournal('no-such-0', [])])
  })
}

async function claiming(part: Parts, harness: Harness) {
  await part('claims each delivery once, by destination', async (t, world, store) => {
    const other = await world.open()
    for (let i = 0; i < 7; i++) await accept(store, `k${i}`, { to: ['x+0', 'y+0'] })
    const mine = await claim(store, ['x'], 3)
    const rest = await store.claim([
      { destination: 'x', max: 3, leaseMs: 60_000 },
      { destination: 'y', max: 1, leaseMs: 60_000 },
    ])
    t.equal(mine.length, 3)
    t.equal(rest.deliveries.length, 4)
    t.equal(rest.nextDueMs, 0, 'more is due now')
    const theirs = await claim(other, ['x', 'y', 'nowhere'])
    t.equal(theirs.length, 7)
    const all = [...mine, ...rest.deliveries, ...theirs]
    t.equal(new Set(all.map(d => `${d.record} ${d.destination}`)).size, 14)
    t.match(await store.claim([{ destination: 'nowhere', max: 1, leaseMs: 1000 }]), {
      deliveries: [],
      nextDueMs: undefined,
    })
  })

  await part('gives a lapsed claim to the next, and fences the first', async (t, world, store) => {
    const other = await world.open()
    const { record } = await accept(store, 'a', { to: ['x+0'] })
    const { delayMs } = harness
    t.match(await claim(store, ['x'], 1, delayMs), [{ record }])
    const { deliveries, nextDueMs } = await other.claim([
      { destination: 'x', max: 1, leaseMs: 60_000 },
    ])
    t.same(deliveries, [])
    t.ok(nextDueMs !== undefined && nextDueMs > 0 && nextDueMs <= delayMs, 'due when it lapses')
    await world.advance(delayMs + 1)
    t.match(await claim(other, ['x']), [{ record, attempts: 0 }])
    await store.settle([fromQueue(record, dead('x'))])
    t.match(await ledgerOf(store, 'x'), { dead: 0, pending: { queued: 1 } }, 'late: no effect')
    await other.settle([fromQueue(record, delivered('x'))])
    t.match(await ledgerOf(store, 'x'), { delivered: 1, pending: { queued: 0 } })
  })

  await part('believes a late settle that nobody contradicts', async (t, world, store) => {
    const { record } = await accept(store, 'a', { to: ['x+0'] })
    await claim(store, ['x'], 1, harness.delayMs)
    await world.advance(harness.delayMs + 1)
    await store.settle([fromQueue(record, delivered('x'))])
    t.match(await ledgerOf(store, 'x'), { delivered: 1, pending: { queued: 0 } })
  })
}

async function lanes(part: Parts, harness: Harness) {
  const { delayMs } = harness
  /** Long enough for a passed-over delivery to be looked at again. */
  const AGAIN = 150

  await part('keeps an update behind what is in memory', async (t, world, store) => {
    const a = await accept(store, 'a', { status: 'pending', to: ['x', 'y'] })
    await store.settle([fromJournal(a.record, [delivered('y')], ['x'])])
    const b = await accept(store, 'a', { status: 'approved', to: ['x', 'y', 'z'] })
    t.match(b, { verdict: 'update', memory: ['y', 'z'] })
    const blocked = await store.claim([{ destination: 'x', max: 9, leaseMs: 60_000 }])
    t.same(blocked.deliveries, [])
    t.ok((blocked.nextDueMs ?? 0) > 0 && (blocked.nextDueMs ?? 0) <= AGAIN, 'a little later')
    await store.settle([fromJournal(a.record, [delivered('x')])])
    await world.advance(AGAIN)
    t.match(await claim(store, ['x']), [{ record: b.record, destination: 'x', attempts: 0 }])
    t.match(await ledgerOf(store, 'x'), { enqueued: 2, delivered: 1 })
  })

  await part('keeps an update behind what waits in the queue', async (t, world, store) => {
    const a = await accept(store, 'a', { status: 'pending', to: [`x+${delayMs}`, 'y'] })
    await store.settle([fromJournal(a.record, [retry('y', delayMs)])])
    const b = await accept(store, 'a', { status: 'approved', to: ['x', 'y+0'] })
    t.same(b.memory, [])
    t.same(await claim(store, ['x', 'y']), [], 'neither is due or may overtake')
    await world.advance(delayMs + AGAIN)
    const first = await claim(store, ['x', 'y'])
    t.same(
      first.map(d => d.record),
      [a.record, a.record],
    )
    await world.advance(AGAIN)
    t.same(await claim(store, ['x', 'y']), [], 'claimed is still outstanding')
    await store.settle([
      fromQueue(a.record, delivered('x')),
      fromQueue(a.record, retry('y', delayMs * 2, 2)),
    ])
    await world.advance(AGAIN)
    t.match(await claim(store, ['x', 'y']), [{ record: b.record, destination: 'x' }])
    await world.advance(delayMs * 2 + AGAIN)
    t.match(await claim(store, ['y']), [{ record: a.record, attempts: 2 }])
    await store.settle([fromQueue(a.record, dead('y', 3))])
    await world.advance(AGAIN)
    t.match(await claim(store, ['y']), [{ record: b.record }], 'a dead letter holds nobody up')
  })

  await part('finds the predecessor past records that went elsewhere', async (t, world, store) => {
    const a = await accept(store, 'a', { status: 'pending', to: ['x', 'y'] })
    const b = await accept(store, 'a', { status: 'hold', to: ['x'] })
    const c = await accept(store, 'a', { status: 'approved', to: ['x', 'y', 'z'] })
    t.same(b.memory, [])
    t.same(c.memory, ['z'])
    await store.settle([fromJournal(a.record, [delivered('x')], ['y'])])
    await world.advance(AGAIN)
    t.match(await claim(store, ['x', 'y']), [{ record: b.record, destination: 'x' }])
    await store.settle([fromJournal(a.record, [delivered('y')])])
    await world.advance(AGAIN)
    t.match(await claim(store, ['x', 'y']), [{ record: c.record, destination: 'y' }])
    await store.settle([fromQueue(b.record, delivered('x'))])
    await world.advance(AGAIN)
    t.match(await claim(store, ['x', 'y']), [{ record: c.record, destination: 'x' }])
  })

  await part('keeps the order within one batch', async (t, world, store) => {
    const a = entry(store, 'a', { status: 'pending', to: ['x', 'y'] })
    const b = entry(store, 'a', { status: 'approved', to: ['x', 'z'] })
    const c = entry(store, 'a', { status: 'reversed', to: ['x', 'y', 'z'] })
    t.match(await store.accept([a, b, c]), [
      { verdict: 'new', memory: ['x', 'y'] },
      { verdict: 'update', memory: ['z'] },
      { verdict: 'update', memory: [] },
    ])
    await store.settle([fromJournal(a.record, [delivered('x'), delivered('y')])])
    const order: string[] = []
    for (let i = 0; i < 4; i++) {
      await world.advance(AGAIN)
      for (const { record, destination } of await claim(store, ['x'])) {
        order.push(record)
        await store.settle([fromQueue(record, delivered(destination))])
      }
    }
    t.same(order, [b.record, c.record])
    await world.advance(AGAIN)
    t.match(await claim(store, ['y', 'z']), [{ record: c.record, destination: 'y' }])
  })

  await part('keeps the order across processes and a takeover', async (t, world, store) => {
    const other = await world.open()
    const a = await accept(store, 'a', { status: 'pending' })
    const b = await accept(other, 'a', { status: 'approved' })
    t.match(b, { verdict: 'update', memory: [] }, 'its predecessor is in another’s memory')
    t.same(await claim(other, ['x']), [])
    await world.crash(store)
    await lapse(harness, world, [other])
    t.same(await claim(other, ['x']), [], 'dead, but not taken over yet')
    t.equal(await other.takeOver(10), 1)
    await world.advance(AGAIN)
    t.match(await claim(other, ['x']), [{ record: a.record }])
    await other.settle([fromQueue(a.record, delivered('x'))])
    await world.advance(AGAIN)
    t.match(await claim(other, ['x']), [{ record: b.record }])
  })
}

async function leases(part: Parts, harness: Harness) {
  await part('moves the work of a dead owner', async (t, world, store) => {
    const other = await world.open()
    const records = []
    for (let i = 0; i < 5; i++) {
      records.push((await accept(store, `k${i}`, { to: ['x', 'y'] })).record)
    }
    const mine = await accept(other, 'mine')
    await store.settle([fromJournal(records[0] ?? '', [delivered('x')], ['y'])])
    t.equal(await other.takeOver(100), 0, 'it is alive')
    await world.crash(store)
    await lapse(harness, world, [other])
    let moved = 0
    for (let i = 0; moved < 5 && i < 20; i++) moved += await other.takeOver(2)
    t.equal(moved, 5)
    t.equal(await other.takeOver(2), 0, 'nothing is left')
    t.same(await other.journal(), [mine.record], 'its own stays')
    t.match(await ledgerOf(other, 'x'), { pending: { journal: 1, queued: 4 } })
    t.match(await ledgerOf(other, 'y'), { pending: { journal: 0, queued: 5 } })
    const taken = await claim(other, ['x', 'y'])
    t.equal(taken.length, 9, 'due at once')
    t.ok(taken.every(d => d.attempts === 0 && d.body === bodyOf(d.record)))
  })

  await part('lets go at once when it closes', async (t, world, store) => {
    const other = await world.open()
    const { record } = await accept(store, 'a')
    await store.close()
    t.equal(await other.takeOver(10), 1)
    t.match(await claim(other, ['x']), [{ record }])
  })

  await part('fences an owner whose lease ended', async (t, world, store) => {
    const other = await world.open()
    const a = await accept(store, 'a', { to: ['x', 'y'] })
    const before = store.owner
    const late = entry(store, 'late')
    await lapse(harness, world, [other])
    t.ok((await other.takeOver(10)) > 0)
    await store.settle([fromJournal(a.record, [delivered('x'), dead('y')])])
    t.match(await ledgerOf(other, 'x'), { delivered: 0, pending: { queued: 1 } })
    t.match(await ledgerOf(other, 'y'), { dead: 0, pending: { queued: 1 } })
    await t.rejects(store.accept([entry(store, 'b'), late]), lost)
    t.not(store.owner, before, 'a new name')
    await t.rejects(store.accept([entry(store, 'b')]), lost, 'that has no lease yet')
    t.equal(await store.heartbeat(), 'lost')
    t.equal(await store.heartbeat(), 'held', 'told once')
    await t.rejects(store.accept([late]), lost, 'a record of the old name has no home')
    t.equal((await accept(store, 'b')).verdict, 'new', 'nothing of it had been written')
    t.equal((await accept(store, 'late')).verdict, 'new')
    t.same((await store.journal()).length, 2)
  })

  await part('says so when a heartbeat comes too late', async (t, world, store) => {
    const a = await accept(store, 'a')
    const before = store.owner
    await world.advance(harness.leaseMs + 1)
    t.equal(await store.heartbeat(), 'lost')
    t.not(store.owner, before)
    t.same(await store.journal(), [])
    t.equal(await store.takeOver(10), 1, 'it takes over from itself')
    t.match(await claim(store, ['x']), [{ record: a.record }])
    t.equal((await accept(store, 'b')).verdict, 'new')
    t.equal(await store.heartbeat(), 'held')
  })

  await part('keeps a lease that is extended', async (t, world, store) => {
    await accept(store, 'a')
    await lapse(harness, world, [store])
    t.equal((await accept(store, 'b')).verdict, 'new')
    t.equal((await store.journal()).length, 2)
  })
}

async function letters(part: Parts, harness: Harness) {
  async function kill(world: World, store: Store, names: readonly string[], to: string) {
    const records: string[] = []
    for (const name of names) {
      const { record } = await accept(store, name, { to: [to] })
      await store.settle([fromJournal(record, [dead(to)])])
      records.push(record)
      await world.advance(2)
    }
    return records
  }

  await part('lists dead letters newest first, page by page', async (t, world, store) => {
    const x = await kill(world, store, ['a', 'b', 'c', 'd', 'e'], 'x')
    const y = await kill(world, store, ['f', 'g'], 'y')
    const all: string[] = []
    let after: string | undefined
    let pages = 0
    do {
      const page = await store.dead({ limit: 3, ...(after === undefined ? {} : { after }) })
      all.push(...page.letters.map(letter => letter.record))
      after = page.next
    } while (after !== undefined && ++pages < 9)
    t.same(all, [...x, ...y].reverse())
    const page = await store.dead({ destination: 'x', limit: 3 })
    t.same(
      page.letters.map(letter => letter.record),
      x.slice(2).reverse(),
    )
    t.match(page.letters[0], { destination: 'x', body: bodyOf(x[4] ?? ''), attempts: 1 })
    t.ok(page.next)
    const rest = await store.dead({ destination: 'x', limit: 3, after: page.next ?? '' })
    t.same(
      rest.letters.map(letter => letter.record),
      x.slice(0, 2).reverse(),
    )
    t.equal(rest.next, undefined)
    const exact = await store.dead({ destination: 'y', limit: 2 })
    t.equal(exact.letters.length, 2)
    t.equal(exact.next, undefined, 'a full last page is the last')
    t.same(await store.dead({ destination: 'nowhere', limit: 3 }), {
      letters: [],
      next: undefined,
    })
    t.same((await store.dead({ limit: 3, after: 'not a cursor' })).letters, [])
    t.equal(await store.deadLetter({ record: 'no-such-0', destination: 'x' }), undefined)
    t.equal(await store.deadLetter({ record: x[0] ?? '', destination: 'y' }), undefined)
  })

  await part('replays and discards', async (t, world, store) => {
    const [a = '', b = '', c = ''] = await kill(world, store, ['a', 'b', 'c'], 'x')
    const id = (record: string) => ({ record, destination: 'x' })
    t.equal(await store.replay([id(a), id(a), id('no-such-0')]), 1)
    t.match(await ledgerOf(store, 'x'), { dead: 2, deadKept: 2, pending: { queued: 1 } })
    t.equal(await store.deadLetter(id(a)), undefined)
    t.match(await claim(store, ['x']), [{ record: a, attempts: 0, body: bodyOf(a) }])
    t.equal(await store.discard([id(b), id(a)]), 1)
    t.match(await ledgerOf(store, 'x'), { dead: 1, deadKept: 1, discarded: 1 })
    t.same(
      (await store.dead({ limit: 9 })).letters.map(letter => letter.record),
      [c],
    )
    await store.settle([fromQueue(a, dead('x', 4))])
    t.match(await store.deadLetter(id(a)), { attempts: 4 }, 'it can die again')
    await balanced(t, store)
  })

  await part('drops dead letters past their time', async (t, world, store) => {
    const [old = ''] = await kill(world, store, ['a'], 'x')
    await world.advance(harness.delayMs)
    const [young = ''] = await kill(world, store, ['b'], 'x')
    await store.expire({ deadKeepMs: harness.delayMs })
    t.same(
      (await store.dead({ limit: 9 })).letters.map(letter => letter.record),
      [young],
    )
    t.equal(await store.deadLetter({ record: old, destination: 'x' }), undefined)
    t.match(await ledgerOf(store, 'x'), { enqueued: 2, dead: 1, discarded: 1, deadKept: 1 })
  })
}

async function looking(part: Parts, harness: Harness) {
  const decision = (at: number, more: Partial<Decision> = {}): Decision => ({
    at,
    network: 'net',
    reason: 'new',
    detail: undefined,
    record: `r-${at}-0`,
    click_id: `click ${at}`,
    transaction_id: undefined,
    conversion_id: undefined,
    status: 'approved',
    destinations: ['x'],
    ...more,
  })

  await part('keeps the newest decisions', async (t, world, store) => {
    const count = harness.decisions + 20
    const notes = Array.from({ length: count }, (_, i) => decision(i))
    await store.note(notes.slice(0, 5))
    await store.note([])
    await store.note(notes.slice(5))
    const all = await store.decisions({ limit: count * 2 })
    t.ok(all.length >= 5 && all.length <= harness.decisions, 'bounded')
    t.same(all[0], notes.at(-1), 'newest first, as noted')
    t.same(
      all.map(d => d.at),
      Array.from({ length: all.length }, (_, i) => count - 1 - i),
    )
    t.equal((await store.decisions({ limit: 3 })).length, 3)
    const other = await world.open()
    await other.note([
      decision(9001, { transaction_id: 'TX "é" 7' }),
      decision(9002, { network: 'needle' }),
      decision(9003, { record: 'zz-needle-0' }),
      decision(9004, { detail: 'needle' }),
    ])
    const found = async (text: string) => (await store.decisions({ limit: 9, text })).map(d => d.at)
    t.same(await found('TX "é"'), [9001])
    t.same(await found('needle'), [9003, 9002])
    t.same(await found('click 9004'), [9004])
    t.same(await found('no such text'), [])
  })

  await part('reads only what is there', async (t, _world, store) => {
    const a = await accept(store, 'a')
    const b = await accept(store, 'b', { to: ['y'] })
    t.same(
      (await store.read([b.record, 'no-such-0', a.record])).map(row => row.record),
      [b.record, a.record],
    )
    t.same([...(await store.journal())].sort(), [a.record, b.record].sort())
    t.same((await store.ledgers()).map(ledger => ledger.destination).sort(), ['x', 'y'])
  })
}

async function expiring(part: Parts, { windowMs, forgottenAfterMs }: Harness) {
  await part('forgets a conversion after its window', async (t, world, store) => {
    await accept(store, 'a', { windowMs, status: 'pending', to: [] })
    await world.advance(Math.floor(windowMs / 2))
    await store.expire({ deadKeepMs: 1e12 })
    await store.heartbeat()
    t.equal(
      (await accept(store, 'a', { windowMs, status: 'pending', to: [] })).verdict,
      'duplicate',
    )
    t.equal((await accept(store, 'a', { windowMs, to: [] })).verdict, 'update')
    await world.advance(Math.floor(windowMs * 0.75))
    await store.heartbeat()
    t.equal(
      (await accept(store, 'a', { windowMs, to: [] })).verdict,
      'duplicate',
      'the window runs from the last change',
    )
    await accept(store, 'b', { windowMs, to: [] })
    await world.advance(forgottenAfterMs)
    await store.heartbeat()
    t.equal((await accept(store, 'a', { windowMs, to: [] })).verdict, 'new', 'before it is swept')
    await store.expire({ deadKeepMs: 1e12 })
    t.equal((await accept(store, 'a', { windowMs, to: [] })).verdict, 'duplicate', 'and after')
    t.equal((await accept(store, 'b', { windowMs, to: [] })).verdict, 'new')
  })
}

async function erasing(part: Parts) {
  const noted = (more: Partial<Decision>): Decision => ({
    at: 1,
    network: 'net',
    reason: 'new',
    detail: undefined,
    record: undefined,
    click_id: undefined,
    transaction_id: undefined,
    conversion_id: undefined,
    status: undefined,
    destinations: [],
    ...more,
  })

  await part('erases a conversion wherever it is, and nothing else', async (t, world, store) => {
    const other = await world.open()
    const kept = await accept(store, 'kept', { to: ['x', 'y+0'] })
    // One conversion in every place: a journal of each process, a queue, a claim, a dead letter.
    const first = await accept(store, 'gone', { status: 'pending', to: ['x', 'y+0', 'z'] })
    await store.settle([fromJournal(first.record, [dead('z')], ['x'])])
    const claimed = await claim(other, ['y'])
    t.equal(claimed.length, 2)
    const second = await accept(other, 'gone', { to: ['w'] })
    const delivered_ = await accept(store, 'delivered', { to: ['x'] })
    await store.settle([fromJournal(delivered_.record, [delivered('x')])])
    const key = keyOf(store, 'gone')
    await store.note([
      noted({ at: 1, conversion_id: key, click_id: 'gone' }),
      noted({ at: 2, click_id: 'kept' }),
      noted({ at: 3, click_id: 'gone', reason: 'secret_mismatch' }),
      noted({ at: 4, click_id: 'delivered', conversion_id: keyOf(store, 'delivered') }),
    ])

    const mine = new Set([first.record, second.record].map(bodyOf))
    const erased = await store.erase({
      keys: [],
      keyOf: body => (mine.has(body) ? key : undefined),
      isNoted: decision => decision.click_id === 'gone',
    })
    t.same(erased, { states: 1, pending: 3, deadLetters: 1, decisions: 2 })
    t.same(
      (await store.read([first.record, second.record, kept.record])).map(row => row.record),
      [kept.record],
    )
    t.same((await store.dead({ limit: 9 })).letters, [])
    t.same(
      (await store.decisions({ limit: 9 })).map(({ at }) => at).sort((a, b) => a - b),
      [2, 4],
    )
    t.match(await ledgerOf(store, 'x'), { enqueued: 3, delivered: 1, discarded: 1 })
    t.match(await ledgerOf(store, 'y'), { enqueued: 2, discarded: 1, pending: { queued: 1 } })
    t.match(await ledgerOf(store, 'z'), { enqueued: 1, dead: 0, discarded: 1 })

    // What was claimed or held when it went is ended in vain.
    await other.settle(claimed.map(({ record }) => fromQueue(record, delivered('y'))))
    await store.settle([fromJournal(first.record, [delivered('x')])])
    t.match(await ledgerOf(store, 'y'), { delivered: 1, discarded: 1 })
    t.equal((await accept(store, 'gone', { to: [] })).verdict, 'new', 'it is forgotten')
    t.equal((await accept(store, 'kept', { to: [] })).verdict, 'duplicate')

    const again = await store.erase({ keys: [key], keyOf: () => undefined, isNoted: () => false })
    t.same(again, { states: 1, pending: 0, deadLetters: 0, decisions: 0 }, 'by its key alone')
    const byNote = await store.erase({
      keys: [],
      keyOf: () => undefined,
      isNoted: decision => decision.click_id === 'delivered',
    })
    t.same(byNote, { states: 1, pending: 0, deadLetters: 0, decisions: 1 }, 'by the log alone')
    t.equal((await accept(store, 'delivered', { to: [] })).verdict, 'new')
  })
}
