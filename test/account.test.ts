/** The accountant can say no: a true account passes, and every way to doctor it is found. */
import t from 'tap'
import { audit, type Books, type Check, type Life } from './support/account.ts'
import { newJournal } from './support/sender.ts'
import type { LedgerRow } from './support/ledger.ts'
import type { Arrival } from './support/tracker.ts'

const arrival = (id: string, more: Partial<Arrival> = {}): Arrival => ({
  path: '/a',
  query: new URLSearchParams({ tid: id }),
  deliveryId: `delivery-${id}`,
  target: `/a?tid=${id}`,
  headers: {},
  body: '',
  life: 1,
  answered: 200,
  at: 0,
  ...more,
})

const ledger = (more: Partial<LedgerRow> = {}): LedgerRow => ({
  destination: 'a',
  enqueued: 3,
  delivered: 3,
  dead: 0,
  discarded: 0,
  pending: 0,
  unaccounted: 0,
  ...more,
})

const life = (number: number, more: Partial<Life> = {}): Life => ({
  life: number,
  complaints: [],
  isKilled: false,
  hasLostLease: false,
  hasFailed: false,
  files: { before: 20, after: 25, spare: 10 },
  ...more,
})

/** Three ids were sent and acknowledged; gateway 1 was killed with two of them recorded. */
function books(more: Partial<Books> = {}): Books {
  const journal = newJournal()
  for (const id of ['x', 'y', 'z']) {
    journal.sent.add(id)
    journal.acknowledged.add(id)
  }
  return {
    journal,
    arrivals: new Map([
      ['a', [arrival('x'), arrival('y'), arrival('z'), arrival('z', { life: 2 })]],
    ]),
    idOf: ({ query }) => query.get('tid') ?? '',
    ledgers: [ledger()],
    lives: [life(1, { isKilled: true }), life(2)],
    kills: [{ life: 1, recorded: new Map([['a', 2]]) }],
    recoveriesMs: [400],
    ...more,
  }
}

const arrived = (...list: Arrival[]): Partial<Books> => ({ arrivals: new Map([['a', list]]) })
const failing = (found: Books): Check[] => [
  ...new Set(audit(found).flatMap(({ check, found }) => (found.length > 0 ? [check] : []))),
]

t.test('a true account passes, and speaks of every promise', async t => {
  t.same(failing(books()), [])
  const checks = new Set(audit(books()).map(({ check }) => check))
  t.same([...checks].sort(), ['P1', 'P2', 'P3', 'P4', 'P5', 'P6', 'P7', 'P8', 'P9'])
})

t.test('every way to doctor it is found', async t => {
  const [x, y, z] = ['x', 'y', 'z'].map(id => arrival(id))
  if (!x || !y || !z) throw new Error('there are three')
  const again = arrival('z', { life: 2 })
  const rows: readonly (readonly [string, Partial<Books>, readonly Check[]])[] = [
    ['an acknowledged id that never arrived', arrived(x, y), ['P1', 'P7']],
    [
      'an acknowledged id that was always refused',
      arrived(x, y, arrival('z', { answered: 500 })),
      ['P1', 'P7'],
    ],
    [
      'an id that is at one destination only',
      {
        arrivals: new Map([
          ['a', [x, y, z]],
          ['b', [x, y]],
        ]),
        ledgers: [ledger(), ledger({ destination: 'b' })],
      },
      ['P1', 'P7'],
    ],
    ['an id that nobody sent', arrived(x, y, z, arrival('other')), ['P2', 'P7']],
    [
      'another amount in the repeat',
      arrived(x, y, z, { ...again, query: new URLSearchParams({ tid: 'z', payout: '2' }) }),
      ['P3'],
    ],
    ['another body in the repeat', arrived(x, y, z, { ...again, body: 'other' }), ['P3']],
    ['a gateway that repeats by itself', arrived(x, y, z, z), ['P4']],
    [
      'a repeat of what a gateway that still runs has sent',
      { ...arrived(x, y, z, again), lives: [life(1), life(2)], kills: [] },
      ['P4'],
    ],
    [
      'a repeat of what the store had recorded',
      arrived(x, y, z, again, arrival('y', { life: 2 })),
      ['P4'],
    ],
    [
      'a second delivery of one conversion',
      { ...arrived(x, y, z, arrival('z', { deliveryId: 'delivery-2' })), ledgers: [ledger()] },
      ['P5', 'P7'],
    ],
    ['a gap in the ledger', { ledgers: [ledger({ unaccounted: -1 })] }, ['P6']],
    ['a delivery that is still pending', { ledgers: [ledger({ pending: 1 })] }, ['P6']],
    ['no ledger at all', { ledgers: [] }, ['P6']],
    ['more delivered than arrived', { ledgers: [ledger({ delivered: 4 })] }, ['P7']],
    ['a dead letter that is not there', { ledgers: [ledger({ dead: 1 })] }, ['P7']],
    ['fewer enqueued than acknowledged', { ledgers: [ledger({ enqueued: 2 })] }, ['P7']],
    ['more enqueued than were sent', { ledgers: [ledger({ enqueued: 4 })] }, ['P7']],
    ['an attempt that was not counted', { attempts: new Map([['a', 3]]) }, ['P7']],
    ['a recovery that never ended', { recoveriesMs: [400, undefined] }, ['P8']],
    [
      'a complaint',
      { lives: [life(1, { isKilled: true }), life(2, { complaints: ['x'] })] },
      ['P9'],
    ],
    [
      'a gateway that ended unasked',
      { lives: [life(1, { isKilled: true }), life(2, { hasFailed: true })] },
      ['P9'],
    ],
    [
      'files that stay open',
      {
        lives: [
          life(1, { isKilled: true }),
          life(2, { files: { before: 20, after: 31, spare: 10 } }),
        ],
      },
      ['P9'],
    ],
  ]
  for (const [what, doctored, checks] of rows) t.same(failing(books(doctored)), checks, what)
})

t.test('what is allowed is not found', async t => {
  const [x, y, z] = ['x', 'y', 'z'].map(id => arrival(id))
  if (!x || !y || !z) throw new Error('there are three')
  const rows: readonly (readonly [string, Partial<Books>])[] = [
    ['a retry after a refusal', arrived(arrival('x', { answered: 503 }), x, y, z)],
    [
      'a repeat after a lost lease',
      { ...arrived(x, y, z, z), lives: [life(1, { isKilled: true, hasLostLease: true }), life(2)] },
    ],
    [
      'a repeat of an answer that the test withheld',
      { ...arrived(x, y, z, z), isAnswerLost: ({ deliveryId }) => deliveryId === 'delivery-z' },
    ],
    [
      'a dead letter in place of an arrival',
      {
        ...arrived(x, y),
        dead: new Map([['a', new Set(['z'])]]),
        ledgers: [ledger({ delivered: 2, dead: 1 })],
      },
    ],
  ]
  for (const [what, allowed] of rows) t.same(failing(books(allowed)), [], what)
})
