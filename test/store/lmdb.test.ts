import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import * as fc from 'fast-check'
import { open } from 'lmdb'
import t, { type Test } from 'tap'
import { readLedgers } from '../../src/store/embedded/ledgers.ts'
import { createLmdbStore, type LmdbStoreOptions } from '../../src/store/lmdb.ts'
import { bucketOf } from '../../src/store/lmdb/buckets.ts'
import { openDatabases } from '../../src/store/lmdb/databases.ts'
import { hasAllPages } from '../../src/store/lmdb/pages.ts'
import { createLmdbTables } from '../../src/store/lmdb/tables.ts'
import type { Ledger, Store } from '../../src/store/store.ts'
import { createSettableClock, createTestClock } from './clock.ts'
import { balanced, conformance } from './conformance.ts'
import { bodyOf, CLAIM_MS, claim, dead, entry, fromJournal, journalOf } from './entries.ts'
import type { Harness } from './harness.ts'
import { modelTest } from './model.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const closed = { name: 'StoreError', reason: 'closed' }

const lmdb: Harness = {
  name: 'lmdb',
  isExact: true,
  leaseMs: 10_000,
  delayMs: 1000,
  windowMs: DAY,
  // Whole days are dropped.
  forgottenAfterMs: 2 * DAY,
  decisions: 50,
  create: async () => {
    const clock = createTestClock()
    const path = await mkdtemp(join(tmpdir(), 'postern-lmdb-'))
    const { leaseMs, decisions } = lmdb
    const stores: Store[] = []
    return {
      open: async () => {
        const store = createLmdbStore({ path, clock, leaseMs, decisions })
        await store.open()
        stores.push(store)
        return store
      },
      crash: async () => {},
      advance: async ms => clock.advance(ms),
      end: async () => {
        for (const store of stores) await store.close()
        await rm(path, { recursive: true, force: true })
      },
    }
  },
}

conformance(t, lmdb)
modelTest(t, lmdb, 25)

async function folder(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'postern-lmdb-'))
  t.teardown(() => rm(path, { recursive: true, force: true }))
  return path
}

async function opened(options: LmdbStoreOptions): Promise<Store> {
  const store = createLmdbStore(options)
  await store.open()
  return store
}

t.test('keeps everything over a restart', async t => {
  const path = await folder(t)
  const first = await opened({ path })
  const { hashKey } = first
  const batch = ['a', 'b', 'c'].map(name => entry(first, name, { to: ['x', 'q+0'] }))
  await first.accept(batch)
  const [a, b, c] = batch.map(({ record }) => record)
  await first.settle([fromJournal(a ?? '', [dead('x', 3)])])
  await first.note([
    {
      at: 1,
      network: 'net',
      reason: 'new',
      detail: undefined,
      record: a,
      click_id: 'click "1"',
      transaction_id: undefined,
      conversion_id: undefined,
      status: undefined,
      destinations: [],
    },
  ])
  const books = await first.ledgers()
  await first.close()

  const second = await opened({ path })
  t.teardown(() => second.close())
  t.same(second.hashKey, hashKey)
  t.match(await second.accept([entry(second, 'a')]), [{ verdict: 'duplicate' }])
  t.equal(await second.takeOver(10), 2, 'what the first gave up')
  t.same((await claim(second, ['x'])).map(d => d.record).sort(), [b ?? '', c ?? ''].sort())
  t.match(await second.dead({ limit: 5 }), {
    letters: [{ record: a, attempts: 3, body: bodyOf(a ?? '') }],
  })
  t.match(await second.decisions({ limit: 5 }), [{ record: a, click_id: 'click "1"' }])
  t.same(
    (await second.ledgers()).map(ledger => ledger.enqueued),
    books.map(ledger => ledger.enqueued),
  )
  await balanced(t, second)
})

t.test('a wall clock that is set moves nothing', async t => {
  const path = await folder(t)
  const machine = createSettableClock()
  const [one, two] = [
    await opened({ path, clock: machine }),
    await opened({ path, clock: machine }),
  ]
  await one.accept([entry(one, 'a', { to: ['q+1000', 'x'] })])
  machine.set(-2 * HOUR)
  const three = await opened({ path, clock: machine })
  t.same(await claim(three, ['q']), [], 'not before its time')
  machine.pass(1000)
  t.equal((await claim(three, ['q'])).length, 1, 'in its time, 2 h back')
  machine.set(HOUR)
  const four = await opened({ path, clock: machine })
  t.same(await claim(four, ['q']), [], 'a claim holds, 1 h ahead')
  t.equal(await four.takeOver(10), 0, 'so do leases')
  for (const store of [one, two, three, four]) {
    t.equal(await store.heartbeat(), 'held')
    await store.close()
  }

  machine.restart('two', HOUR - Date.now())
  const five = await opened({ path, clock: machine })
  t.teardown(() => five.close())
  t.match(await five.accept([entry(five, 'a')]), [{ verdict: 'duplicate' }], 'in 1970')
  t.equal(await five.takeOver(10), 1)
  machine.pass(CLAIM_MS + 1000)
  t.equal((await claim(five, ['q', 'x'])).length, 2, 'time goes on from when the file was written')
})

t.test('undoes a batch that cannot be written whole', async t => {
  const store = await opened({ path: await folder(t) })
  t.teardown(() => store.close())
  const long = 'd'.repeat(3000)
  const batch = [entry(store, 'good'), entry(store, 'bad', { to: ['x', `${long}+0`] })]
  await t.rejects(store.accept(batch), { message: /key/i })
  t.same(await store.journal(), [])
  t.same(await store.ledgers(), [])
  t.match(await store.accept([entry(store, 'good')]), [{ verdict: 'new' }])
  await balanced(t, store)
})

// --- other processes ------------------------------------------------------------------------

const PROGRAM = fileURLToPath(new URL('./lmdb-process.ts', import.meta.url))

interface Line {
  readonly batch?: number
  readonly failed?: string
  readonly again?: string
  readonly fatals?: number
  readonly unhandled?: number
}

/** Runs the program and collects its lines; `blocks` caps each file it writes, in KiB. */
function run(path: string, prefix: string, padding: number, blocks?: number) {
  const node = [process.execPath, ...process.execArgv, PROGRAM, path, prefix, `${padding}`]
  const limit = blocks === undefined ? '' : `trap "" XFSZ; ulimit -f ${blocks};`
  const child = spawn('bash', ['-c', `${limit} exec "$@"`, 'bash', ...node], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const lines: Line[] = []
  const reader = createInterface({ input: child.stdout })
  const waiters: { count: number; resolve: () => void }[] = []
  reader.on('line', line => {
    lines.push(JSON.parse(line) as Line)
    for (const { count, resolve } of waiters) if (lines.length >= count) resolve()
  })
  const ended = new Promise<void>(resolve => reader.once('close', resolve))
  return {
    lines,
    ended,
    /** Until there are so many lines, or the process is gone. */
    reached: (count: number) =>
      Promise.race([ended, new Promise<void>(resolve => waiters.push({ count, resolve }))]),
    kill: () => child.kill('SIGKILL'),
  }
}

/** Every conversion of every answered batch is known, and nothing is unaccounted for. */
async function holdsAll(t: Test, path: string, prefix: string, lines: readonly Line[]) {
  const store = await opened({ path })
  try {
    const answered = lines.flatMap(({ batch }) => batch ?? [])
    t.ok(answered.length > 0, `${prefix} was answered ${answered.length} batches`)
    const again = answered.flatMap(batch =>
      Array.from({ length: 5 }, (_, i) => entry(store, `${prefix}-${batch}-${i}`)),
    )
    const verdicts = new Set((await store.accept(again)).map(result => result.verdict))
    t.same([...verdicts], ['duplicate'], 'nothing that was answered is lost')
    for (const { pending } of await store.ledgers()) {
      t.ok(pending.journal + pending.queued >= again.length, 'nor is any delivery of it')
    }
    await balanced(t, store)
  } finally {
    await store.close()
  }
}

t.test('the books of a long journal are of one moment', async t => {
  const { databases } = await openDatabases(await folder(t))
  t.teardown(() => databases.root.close())
  const tables = createLmdbTables(databases)
  const write = (work: () => void) => databases.root.transaction(work)
  const row = (count: number) => ({ enqueued: count, delivered: 0, discarded: 0, dead: 0 })
  await write(() => {
    for (let i = 0; i < 7; i++) tables.journal.put(`o-${i}-0`, { destinations: ['x'], body: '{}' })
    tables.ledger.put('x', row(7))
  })
  const reading = readLedgers(tables, 0, 2)
  t.equal(reading.next().done, false)
  // What is written between two slices is in none of them.
  await write(() => {
    for (let i = 0; i < 6; i++) tables.journal.delete(`o-${i}-0`)
    for (let i = 7; i < 10; i++) tables.journal.put(`o-${i}-0`, { destinations: ['x'], body: '{}' })
    tables.ledger.put('x', row(10))
  })
  databases.root.resetReadTxn()
  let step = reading.next()
  let steps = 1
  for (; !step.done; steps++) step = reading.next()
  t.equal(steps, 3, 'two records a step, one in the last')
  t.match(step.value, [{ enqueued: 7, pending: { journal: 7, queued: 0 } }])
  databases.root.resetReadTxn()
  const again = [...readLedgers(tables, 0, 2)]
  t.equal(again.length, 2, 'of the four that are left')
})

t.test('the books of a long journal hold nobody up', async t => {
  const store = await opened({ path: await folder(t) })
  await store.accept(Array.from({ length: 2300 }, (_, i) => entry(store, `c${i}`)))
  let turns = 0
  let isRead = false
  const count = () => {
    turns += 1
    if (!isRead) setImmediate(count)
  }
  setImmediate(count)
  t.match(await store.ledgers(), [{ pending: { journal: 2300 } }])
  isRead = true
  t.ok(turns >= 4, `others had ${turns} turns meanwhile`)
  const cut = t.rejects(store.ledgers(), closed)
  await store.close()
  await cut
})

t.test('loses nothing when processes are killed', async t => {
  // Both make the store, at the same time.
  const path = join(await folder(t), 'deep', 'store')
  const one = run(path, 'one', 100)
  const two = run(path, 'two', 100)
  await Promise.all([one.reached(40), two.reached(40)])
  one.kill()
  await one.ended
  const before = two.lines.length
  await two.reached(before + 20)
  t.ok(two.lines.length >= before + 20, 'the other goes on')
  two.kill()
  await two.ended
  await holdsAll(t, path, 'one', one.lines)
  await holdsAll(t, path, 'two', two.lines)

  const clock = createTestClock(Date.now() + DAY)
  const heir = await opened({ path, clock })
  t.teardown(() => heir.close())
  const taken = one.lines.length + two.lines.length
  let moved = 0
  for (let last = -1; last !== moved;) {
    last = moved
    moved += await heir.takeOver(50)
  }
  t.ok(moved >= taken * 5, 'all of it is taken over')
  t.same(await journalOf(heir), [])
  await balanced(t, heir)
})

t.test('an exit in the middle of a write neither hangs nor holds the lock', async t => {
  const path = await folder(t)
  const program = fileURLToPath(new URL('./lmdb-exit.ts', import.meta.url))
  const child = spawn(process.execPath, [...process.execArgv, program, path], { stdio: 'ignore' })
  t.teardown(() => child.kill('SIGKILL'))
  await new Promise(resolve => child.once('exit', resolve))
  const store = await opened({ path })
  t.teardown(() => store.close())
  t.match(await store.accept([entry(store, 'before')]), [{ verdict: 'duplicate' }])
  t.match(await store.accept([entry(store, 'under way')]), [{ verdict: 'new' }], 'it can write')
  await balanced(t, store)
})

t.test('stops for good when the disk fails, and has what it answered', async t => {
  const path = await folder(t)
  const child = run(path, 'p', 20_000, 16_000)
  await child.ended
  const last = child.lines.at(-1)
  // A short write is EIO to LMDB, a full disk ENOSPC.
  t.match(last?.failed, /^(io|full)$/)
  t.equal(last?.again, last?.failed, 'the next write is refused too')
  t.equal(last?.fatals, 1, 'told once')
  t.equal(last?.unhandled, 0, 'no rejection is left unhandled')
  await holdsAll(t, path, 'p', child.lines)
})

// --- files that are not ours ----------------------------------------------------------------

t.test('refuses what it cannot read, and leaves it as it is', async t => {
  const refused = async (path: string, reason: string, message: RegExp) => {
    const file = join(path, 'data.mdb')
    const before = await readFile(file).catch(() => undefined)
    await t.rejects(opened({ path }), { name: 'StoreError', reason, message })
    t.ok((await readFile(file).catch(() => undefined))?.equals(before ?? Buffer.of()) ?? true)
  }

  const junk = await folder(t)
  await writeFile(join(junk, 'data.mdb'), 'not a database '.repeat(1000))
  await refused(junk, 'layout', /no LMDB file/)
  await writeFile(join(junk, 'data.mdb'), 'short')
  await refused(junk, 'layout', /no LMDB file/)

  const empty = await folder(t)
  await writeFile(join(empty, 'data.mdb'), '')
  await refused(empty, 'layout', /is empty/)

  const foreign = await folder(t)
  const other = open({ path: foreign, overlappingSync: false })
  await other.openDB({ name: 'theirs' }).put('a', 'b')
  await other.close()
  await refused(foreign, 'layout', /another program/)

  const newer = await folder(t)
  await (await opened({ path: newer })).close()
  const { databases } = await openDatabases(newer)
  await databases.meta.put('layout', 'postern 2')
  await databases.root.close()
  await refused(newer, 'layout', /"postern 2"/)

  const cut = await folder(t)
  const store = await opened({ path: cut })
  const body = 'x'.repeat(100_000)
  await store.accept(Array.from({ length: 30 }, (_, i) => ({ ...entry(store, `${i}`), body })))
  await store.close()
  await truncate(join(cut, 'data.mdb'), 64 * 1024)
  await refused(cut, 'layout', /cut off/)

  const blocked = join(await folder(t), 'file')
  await writeFile(blocked, '')
  await t.rejects(opened({ path: join(blocked, 'store') }), { name: 'StoreError', reason: 'io' })
})

t.test('sees that a file was cut, by however little', async t => {
  const path = await folder(t)
  const store = await opened({ path })
  // Of all kinds of pages: trees of some depth, and values too big for one page.
  const small = Array.from({ length: 2000 }, (_, i) => entry(store, `${i}`, { to: ['x', 'q+0'] }))
  const body = 'x'.repeat(50_000)
  const big = Array.from({ length: 5 }, (_, i) => ({ ...entry(store, `big ${i}`), body }))
  await store.accept(small)
  await store.accept(big)
  const books = await store.ledgers()
  await store.close()
  const file = join(path, 'data.mdb')
  const whole = await readFile(file)
  t.ok(hasAllPages(file, PAGE))
  let low = 0
  let high = whole.length / PAGE
  while (high - low > 1) {
    const middle = (low + high) >>> 1
    await writeFile(file, whole.subarray(0, middle * PAGE))
    if (hasAllPages(file, PAGE)) high = middle
    else low = middle
  }
  t.ok(low > whole.length / PAGE / 2, `it uses ${high} pages of ${whole.length / PAGE}`)
  await writeFile(file, whole.subarray(0, low * PAGE))
  await t.rejects(opened({ path }), { reason: 'layout', message: /cut off/ })
  await writeFile(file, whole.subarray(0, high * PAGE))
  const shorter = await opened({ path })
  t.teardown(() => shorter.close())
  t.same((await shorter.ledgers()).map(stable), books.map(stable), 'all of it is there')
  t.equal(await shorter.takeOver(10_000), 2005)
})

const PAGE = 4096
const stable = (ledger: Ledger) => ({ ...ledger, overdueMs: 0 })

t.test('checks the folder', async t => {
  const path = join(await folder(t), 'store')
  await mkdir(path)
  const store = await opened({ path })
  t.teardown(() => store.close())
  const checks = await store.safety()
  t.same(
    checks.map(check => check.check),
    ['path_writable', 'filesystem_local', 'filesystem_durable', 'disk_space'],
  )
  t.match(checks.slice(0, 2), [
    { ok: true, fatal: true },
    { ok: true, fatal: true },
  ])
})

// --- buckets --------------------------------------------------------------------------------

t.test('a bucket passes after the window, and few are alive', async () => {
  const windows = fc.integer({ min: 1, max: 366 })
  fc.assert(
    fc.property(windows, fc.integer({ min: 0, max: 400 * DAY }), (days, offset) => {
      const now = Date.UTC(2026, 0, 1) + offset
      const bucket = bucketOf(now, days * DAY)
      const width = days <= 8 ? 1 : days <= 32 ? 4 : days <= 96 ? 12 : 46
      const passes = bucket * DAY
      if (passes < now + days * DAY) throw new Error('forgotten inside the window')
      if (passes > now + days * DAY + width * DAY) throw new Error('kept too long')
      const alive = new Set<number>()
      for (let at = now - days * DAY; at <= now; at += DAY / 2) {
        const made = bucketOf(at, days * DAY)
        if (made > Math.floor(now / DAY)) alive.add(made)
      }
      if (alive.size > 10) throw new Error(`${alive.size} buckets are alive`)
    }),
  )
})

t.test('finds a state whatever window it had, and sweeps what has passed', async t => {
  const path = await folder(t)
  const clock = createTestClock()
  const store = await opened({ path, clock })
  t.teardown(() => store.close())
  const verdict = async (name: string, days: number, status: 'pending' | 'approved') => {
    await store.heartbeat()
    const sent = entry(store, name, { windowMs: days * DAY, status, to: [] })
    return (await store.accept([sent]))[0]?.verdict
  }
  t.equal(await verdict('a', 3, 'pending'), 'new')
  t.equal(await verdict('a', 90, 'approved'), 'update', 'the window was made longer')
  t.equal(await verdict('a', 3, 'approved'), 'duplicate')
  await store.accept(
    Array.from({ length: 1200 }, (_, i) => entry(store, `s${i}`, { windowMs: DAY, to: [] })),
  )
  const { databases } = await openDatabases(path)
  const size = () => databases.states.getKeysCount()
  t.equal(size(), 1201, 'an update moves its state')
  await store.expire({ deadKeepMs: DAY })
  t.equal(size(), 1201)
  clock.advance(2 * DAY)
  await store.expire({ deadKeepMs: DAY })
  await new Promise(setImmediate)
  databases.root.resetReadTxn()
  t.equal(size(), 1)
  t.equal(
    databases.meta.get('buckets')?.split(' ').length,
    1 + 1,
    'the emptied day is off the list',
  )
  t.equal(await verdict('a', 90, 'approved'), 'duplicate')
  clock.advance(102 * DAY)
  t.equal(await verdict('a', 90, 'approved'), 'new')
  await databases.root.close()
})
