import * as fc from 'fast-check'
import t from 'tap'
import { STATUSES } from '../../src/model/status.ts'
import { createHmac } from 'node:crypto'
import { systemClock } from '../../src/base/clock.ts'
import { prepareHmac } from '../../src/base/hmac.ts'
import { createBatcher } from '../../src/store/batch.ts'
import { advance, decide, type ConversionState } from '../../src/store/decide.ts'
import { dedupeHash } from '../../src/store/dedupe.ts'
import { createReplays } from '../../src/store/replays.ts'
import type { AcceptEntry } from '../../src/store/store.ts'
import { createTestClock } from './clock.ts'

const DAY = 86_400_000

const rules = fc.record({
  onAmountChange: fc.constantFrom('ignore', 'ignore', 'update', 'add'),
  allow: fc.uniqueArray(
    fc
      .tuple(fc.constantFrom(...STATUSES), fc.constantFrom(...STATUSES))
      .map(([from, to]) => `${from}>${to}` as const),
    { maxLength: 2 },
  ),
})
const postbacks = fc.array(
  fc.record({
    status: fc.constantFrom(...STATUSES),
    amount: fc.constantFrom('', '1 USD', '2 USD'),
  }),
  { minLength: 3, maxLength: 12, size: 'max' },
)

function toEntry(
  record: string,
  rule: Pick<AcceptEntry, 'onAmountChange' | 'allow'>,
  postback: Pick<AcceptEntry, 'status' | 'amount'>,
): AcceptEntry {
  return { record, key: 'k', windowMs: DAY, body: '{}', placements: [], ...rule, ...postback }
}

t.test('what is repeated at once is a duplicate', async () => {
  fc.assert(
    fc.property(rules, postbacks, (rule, sequence) => {
      let state: ConversionState | undefined
      sequence.forEach((postback, i) => {
        const entry = toEntry(`o-${i}-0`, rule, postback)
        const verdict = decide(state, entry)
        if (verdict === 'new' || verdict === 'update') state = advance(state, entry)
        const again = decide(state, entry)
        if (again === 'new') throw new Error('a known conversion is not new')
        if (again === 'update' && !rule.allow.some(step => step.endsWith(`>${entry.status}`))) {
          throw new Error(`${verdict}, then update again`)
        }
      })
    }),
  )
})

t.test(
  'a replay is answered without the store only where the store would send nothing',
  async t => {
    let answered = 0
    fc.assert(
      fc.property(rules, postbacks, (rule, sequence) => {
        const replays = createReplays({ max: 100, clock: createTestClock() })
        let state: ConversionState | undefined
        sequence.forEach((postback, i) => {
          const entry = toEntry(`o-${i}-0`, rule, postback)
          const verdict = decide(state, entry)
          if (replays.has(entry)) {
            answered++
            if (verdict !== 'duplicate' && verdict !== 'stale') {
              throw new Error(`said duplicate, would be ${verdict}`)
            }
          }
          if (verdict === 'new' || verdict === 'update') state = advance(state, entry)
          replays.remember(entry, verdict)
        })
      }),
      { numRuns: 2000 },
    )
    t.ok(answered > 100, 'the property was put to the test', { answered })
  },
)

t.test('remembers replays for less than the window', async t => {
  const clock = createTestClock()
  const replays = createReplays({ max: 10, clock })
  const entry = toEntry(
    'o-0-0',
    { onAmountChange: 'ignore', allow: [] },
    { status: 'pending', amount: '' },
  )
  t.equal(replays.has(entry), false)
  replays.remember(entry, 'duplicate')
  t.equal(replays.has(entry), false, 'only what this process wrote')
  replays.remember(entry, 'new')
  t.equal(replays.has(entry), true)
  t.equal(replays.has({ ...entry, amount: '1 USD' }), false)
  t.equal(replays.has({ ...entry, status: 'hold' }), false)
  t.equal(replays.has({ ...entry, key: 'other' }), false)
  clock.advance(DAY - 60_000)
  t.equal(replays.has(entry), false)
  replays.remember(entry, 'new')
  replays.clear()
  t.equal(replays.has(entry), false)
})

t.test('hashes the key with the network', async t => {
  const hashKey = Buffer.alloc(32, 1)
  t.match(dedupeHash(hashKey, 'a', 'tx'), /^[0-9a-f]{32}$/)
  t.equal(dedupeHash(hashKey, 'a', 'tx'), dedupeHash(hashKey, 'a', 'tx'))
  t.not(dedupeHash(hashKey, 'a', 'tx'), dedupeHash(hashKey, 'b', 'tx'))
  t.not(dedupeHash(hashKey, 'a', 'tx'), dedupeHash(Buffer.alloc(32, 2), 'a', 'tx'))
})

t.test('shares one call among all of a turn', async t => {
  const calls: number[][] = []
  const batcher = createBatcher<number, number>(
    async items => {
      calls.push([...items])
      if (items.includes(7)) throw new Error('no sevens')
      return items.map(item => item * 2)
    },
    systemClock,
    3,
  )
  const settled = await Promise.allSettled([1, 2, 3, 4, 7].map(item => batcher.add(item)))
  t.same(calls, [
    [1, 2, 3],
    [4, 7],
  ])
  t.match(settled, [
    { value: 2 },
    { value: 4 },
    { value: 6 },
    { status: 'rejected', reason: { message: 'no sevens' } },
    { status: 'rejected' },
  ])
  t.equal(await batcher.add(9), 18, 'and goes on')
})

t.test('shares one call among the turns that follow a flush closely', async t => {
  const calls: number[][] = []
  const flush = async (items: readonly number[]) => {
    calls.push([...items])
    return items
  }
  let now = 0
  const batcher = createBatcher(flush, { monotonic: () => now })
  await batcher.add(1)
  const second = batcher.add(2)
  await new Promise(setImmediate)
  t.same(calls, [[1]], 'the second waits')
  await Promise.all([second, batcher.add(3)])
  now = 2
  const late = batcher.add(4)
  await new Promise(setImmediate)
  t.same(calls, [[1], [2, 3], [4]], 'what comes later does not')
  await late
})

t.test('an HMAC with a prepared key is the HMAC', t => {
  const keys = [
    '',
    'k',
    'x'.repeat(64),
    'x'.repeat(65),
    'x'.repeat(200),
    'ключ',
    Buffer.alloc(32, 9),
  ]
  const texts = ['', 'text', 'ä€𝄞', '\ud800', 'y'.repeat(1365), 'y'.repeat(1366), '€'.repeat(5000)]
  for (const algorithm of ['md5', 'sha1', 'sha256', 'sha512'] as const) {
    for (const key of keys) {
      const hmac = prepareHmac(algorithm, key)
      for (const text of [
        ...texts,
        Buffer.from('bytes'),
        Buffer.alloc(4096, 1),
        Buffer.alloc(4097),
      ]) {
        const expected = createHmac(algorithm, key).update(text).digest('hex')
        t.equal(hmac(text), expected, `${algorithm} ${String(key).length} ${text.length}`)
      }
    }
  }
  t.end()
})
