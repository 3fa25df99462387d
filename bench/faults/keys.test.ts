/**
 * F19: a million distinct conversions in ten days, with a window of one day. The store is used
 * directly and its clock is set a day ahead each time, so that days pass in seconds. What is
 * forgotten must make room: after the fourth day the file and the process must not grow.
 * FAULT_KEYS: how many, a million by default.
 */
import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { createLmdbStore } from '../../src/store/lmdb.ts'
import { openDatabases } from '../../src/store/lmdb/databases.ts'
import type { AcceptEntry } from '../../src/store/store.ts'
import { temporaryFolder } from '../../test/support/gateway.ts'
import { record, spread } from './record.ts'

const DAYS = 10
const A_DAY = Number(process.env['FAULT_KEYS'] ?? 1_000_000) / DAYS
const DAY_MS = 86_400_000
const BATCH = 1000
/** When the first keys have been forgotten, and room is used again. */
const STEADY = 4
const BODY = JSON.stringify({ id: 'churned', conversion: { filler: 'x'.repeat(280) } })
const MIB = 1024 * 1024
t.setTimeout(600_000)

const keyOf = (i: number) => createHash('sha256').update(`${i}`).digest('hex').slice(0, 32)

t.test('F19', async t => {
  const path = temporaryFolder(t)
  /** By which the clock is ahead. */
  let aheadMs = 0
  const store = createLmdbStore({
    path,
    clock: { now: () => Date.now() + aheadMs, monotonic: () => performance.now() + aheadMs },
    // Days pass in seconds, and the lease is not what is asked here.
    leaseMs: 2 * DAYS * DAY_MS,
    decisions: 0,
  })
  await store.open()

  const entry = (i: number): AcceptEntry => {
    const key = keyOf(i)
    return {
      record: store.newRecord(key),
      key,
      windowMs: DAY_MS,
      status: 'approved',
      amount: '12.5 USD',
      onAmountChange: 'ignore',
      allow: [],
      body: BODY,
      placements: [{ destination: 'a', hold: 'memory', delayMs: 0 }],
    }
  }
  const verdicts = async (from: number) => {
    const entries = Array.from({ length: 100 }, (_, i) => ({ ...entry(from + i), placements: [] }))
    return new Set((await store.accept(entries)).map(({ verdict }) => verdict))
  }
  const days: { file: number; memory: number; batchMs: number[] }[] = []
  let accepted = 0

  for (let day = 0; day < DAYS; day++) {
    const batchMs: number[] = []
    for (let start = 0; start < A_DAY; start += BATCH) {
      const entries = Array.from({ length: BATCH }, (_, i) => entry(day * A_DAY + start + i))
      const from = performance.now()
      const results = await store.accept(entries)
      batchMs.push(performance.now() - from)
      accepted += results.filter(({ verdict }) => verdict === 'new').length
      await store.settle(
        entries.map(({ record, body }) => ({
          from: 'journal',
          record,
          body,
          endings: [{ destination: 'a', end: 'delivered' }],
          remaining: [],
        })),
      )
    }
    if (day > 0) {
      const known = await verdicts((day - 1) * A_DAY)
      t.same([...known], ['duplicate'], `day ${day}: the day before is remembered`)
    }
    aheadMs += DAY_MS
    await store.expire({ deadKeepMs: 30 * DAY_MS })
    const { size } = await stat(join(path, 'data.mdb'))
    days.push({ file: size, memory: process.memoryUsage().rss, batchMs })
  }
  t.equal(accepted, DAYS * A_DAY, 'every key was new')
  const [ledger] = await store.ledgers()
  t.match(ledger, { enqueued: accepted, delivered: accepted, dead: 0, pending: { journal: 0, queued: 0 } }) // prettier-ignore
  await store.close()

  const { databases } = await openDatabases(path)
  const left = databases.states.getCount()
  await databases.root.close()
  // The last two days: those of a window, and of the bucket it ends in.
  t.ok(left <= 2 * A_DAY, `${left} keys are left of ${accepted}`)

  const early = days.slice(0, STEADY)
  const late = days.slice(STEADY)
  const most = (part: typeof days, of: 'file' | 'memory') => Math.max(...part.map(day => day[of]))
  const mib = (bytes: number) => Math.round(bytes / MIB)
  for (const of of ['file', 'memory'] as const) {
    const text = days.map(day => mib(day[of])).join(', ')
    t.ok(
      most(late, of) <= most(early, of) * 1.15,
      `${of} does not grow after day ${STEADY}: ${text} MiB`,
    )
  }
  if (!t.passing()) return
  const found = [
    `${left} keys left`,
    `file ${days.map(day => mib(day.file)).join(', ')} MiB by day`,
    `memory ${mib(most(early, 'memory'))} MiB at most until day ${STEADY}, ${mib(most(late, 'memory'))} after it`,
    `an accept of ${BATCH} took ${spread(early.at(-1)?.batchMs ?? [])} ms on day ${STEADY}, ${spread(days.at(-1)?.batchMs ?? [])} on day ${DAYS}`,
  ].join('; ')
  t.comment(found)
  record({
    fault: 'F19 many keys',
    setting: 'LMDB, window of 1 day, 10 days',
    runs: 1,
    acknowledged: accepted,
    lost: 0,
    found,
  })
})
