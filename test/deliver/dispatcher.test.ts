/** From accepted to settled: memory, queue, lease and store together, with real receivers. */
import t from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { fail } from '../../src/base/result.ts'
import { createConfirmations } from '../../src/deliver/confirmations.ts'
import type { Sent } from '../../src/deliver/exchange.ts'
import type { Transport } from '../../src/deliver/transport.ts'
import type { Confirm } from '../../src/model/delivery.ts'
import { createMemoryState, createMemoryStore } from '../../src/store/memory.ts'
import { StoreError, type Settlement } from '../../src/store/store.ts'
import { plainDestination } from '../support/plain-destination.ts'
import * as receiver from '../support/scripted-receiver.ts'
import { createScriptedReceiver, respond, type Answer } from '../support/scripted-receiver.ts'
import { until } from '../support/until.ts'
import { createTestClock } from '../store/clock.ts'
import { receive, setUp, withMethods } from './setup.ts'

t.test('one record, two destinations, one settlement', async t => {
  const [a, b] = [await receive(t), await receive(t)]
  const settlements: Settlement[] = []
  const memory = createMemoryStore()
  const store = withMethods(memory, {
    settle: list => {
      settlements.push(...list)
      return memory.settle(list)
    },
  })
  const s = await setUp(t, [plainDestination('a', a.origin), plainDestination('b', b.origin)], {
    store,
  })
  t.equal(await s.accept('t1', ['a', 'b']), 'new')
  await s.settled()
  t.same(await s.ledger('a'), { delivered: 1, dead: 0, pending: 0 })
  t.same(await s.ledger('b'), { delivered: 1, dead: 0, pending: 0 })
  t.equal(settlements.length, 1)
  t.match(settlements, [{ from: 'journal', remaining: [], endings: { length: 2 } }])
  t.match(s.log.ended, [
    { outcome: 'delivered', network: 'net', attempts: 1 },
    { outcome: 'delivered' },
  ])
  t.equal(await s.accept('t1', ['a', 'b']), 'duplicate')
  t.equal(a.received.length, 1)
})

t.test('what each answer leads to', async t => {
  const rows: [string, Answer, object, { attempts: number; result: string }][] = [
    ['204', respond(204), { delivered: 1 }, { attempts: 1, result: 'ok' }],
    ['404 three times', respond(404, 'no such click'), { reason: 'rejected' }, { attempts: 3, result: 'http_4xx' }],
    ['301 three times', respond(301, '', { location: 'http://169.254.169.254/' }), { reason: 'rejected' }, { attempts: 3, result: 'http_3xx' }],
    ['408 then fine', then(respond(408)), { delivered: 1 }, { attempts: 2, result: 'http_4xx' }],
    ['500 then fine', then(respond(500)), { delivered: 1 }, { attempts: 2, result: 'http_5xx' }],
    ['a reset then fine', then(receiver.reset), { delivered: 1 }, { attempts: 2, result: 'reset' }],
    ['not HTTP then fine', then(receiver.invalidHttp), { delivered: 1 }, { attempts: 2, result: 'reset' }],
    ['410 then fine', then(respond(410)), { delivered: 1 }, { attempts: 2, result: 'http_410' }],
    ['a hang then fine', then(receiver.hangMidBody), { delivered: 1 }, { attempts: 2, result: 'timeout' }],
  ] // prettier-ignore
  await Promise.all(
    rows.map(async ([name, answer, expected, { attempts, result }]) => {
      const there = await receive(t, { answer })
      const s = await setUp(t, [plainDestination('a', there.origin, { timeoutMs: 300 })])
      await s.accept('t1', ['a'])
      await s.settled()
      const tried = s.attemptsAt('a')
      t.equal(tried.length, attempts, `${name}: attempts`)
      t.equal(tried[0]?.result, result, `${name}: result`)
      const { letters } = await s.store.dead({ limit: 10 })
      const { delivered } = await s.ledger('a')
      t.match({ delivered, reason: letters[0]?.reason }, expected, name)
      t.same(
        new Set(there.received.map(r => r.headers['postern-delivery-id'])).size,
        1,
        'one delivery id',
      )
      t.same(
        tried.map(attempt => attempt.attempt),
        tried.map((_, i) => i + 1),
      )
    }),
  )
})

/** `first` once, then 200. */
function then(first: Answer): Answer {
  let isFirst = true
  return (socket, request) => {
    if (isFirst) first(socket, request)
    else respond(200, 'OK')(socket, request)
    isFirst = false
  }
}

t.test('what ends dead, and why', async t => {
  const gone = await receive(t, { answer: respond(500, 'token=hush\u001b[2J') })
  const silent = await receive(t, { answer: receiver.reset })
  const s = await setUp(t, [
    plainDestination('old', gone.origin, { budgetMs: 1 }, { secrets: ['hush'] }),
    plainDestination('once', silent.origin, { retryAfterAmbiguous: false }),
    plainDestination(
      'unbuilt',
      gone.origin,
      {},
      {
        request: () => fail({ reason: 'insufficient_identity', detail: 'no email' }),
      },
    ),
    plainDestination(
      'broken',
      gone.origin,
      {},
      {
        request: () => {
          throw new Error('a bug')
        },
      },
    ),
    plainDestination('inside', gone.origin, { allowPrivate: [] }),
  ])
  await s.accept('t1', ['old', 'once', 'unbuilt', 'broken', 'inside'], {
    receivedAt: Date.now() - 1000,
  })
  await s.settled()
  const { letters } = await s.store.dead({ limit: 10 })
  const byName = Object.fromEntries(letters.map(letter => [letter.destination, letter]))
  t.match(byName['old'], { reason: 'exhausted', attempts: 1, detail: 'HTTP 500 token=***\\x1b[2J' })
  t.match(byName['once'], { reason: 'rejected', attempts: 1 })
  t.match(byName['unbuilt'], { reason: 'insufficient_identity', detail: 'no email' })
  t.match(byName['broken'], { reason: 'template_error', detail: /fault in plain: Error: a bug/ })
  t.match(byName['inside'], { reason: 'egress_blocked', attempts: 3 })
  t.match(s.log.egressBlocked, [{ destination: 'inside' }, {}, {}])
  t.equal(silent.received.length, 1)
})

t.test('429 pauses the destination for as long as it asks', async t => {
  const there = await receive(t, { answer: respond(429, '', { 'retry-after': '86400' }) })
  const s = await setUp(t, [plainDestination('a', there.origin, { concurrency: 1 })])
  for (let i = 0; i < 5; i += 1) await s.accept(`t${i}`, ['a'])
  await until('memory is handed over', () => s.log.handedOver.length > 0)
  t.match(s.log.handedOver, [{ cause: 'paused', count: 4 }])
  t.equal(there.received.length, 1)
  t.match(s.dispatcher.place({ destination: 'a', delayMs: 0, share: undefined }), { hold: 'queue' })
  t.equal(s.log.circuit.length, 0, 'being throttled is not a failure')
})

t.test('the circuit opens, probes and closes, and nothing is dropped', async t => {
  const first = await createScriptedReceiver()
  const { port } = first
  await first.close()
  const s = await setUp(t, [plainDestination('a', `http://127.0.0.1:${port}`, { concurrency: 2 })])
  for (let i = 0; i < 40; i += 1) await s.accept(`t${i}`, ['a'])
  await until(
    'a probe failed',
    () => s.log.circuit.filter(fact => fact.state === 'open').length > 1,
  )
  t.match(
    s.log.circuit.slice(0, 3).map(fact => fact.state),
    ['open', 'half_open', 'open'],
  )
  t.ok(s.log.handedOver.some(fact => fact.cause === 'circuit'))
  t.match(s.dispatcher.place({ destination: 'a', delayMs: 0, share: undefined }), { hold: 'queue' })
  const failures = s.attemptsAt('a').length
  t.ok(failures >= 11 && failures <= 30, `${failures} attempts at a dead destination`)

  const there = await receive(t, { port })
  await s.settled()
  t.equal(s.log.circuit.at(-1)?.state, 'closed')
  t.match(await s.ledger('a'), { delivered: 40, dead: 0 })
  t.equal(new Set(there.received.map(r => r.path.split('?')[0])).size, 40)
  t.equal(there.received.length, 40)
})

t.test('a hanging destination delays no other', async t => {
  const [stuck, fine] = [await receive(t, { answer: receiver.hang }), await receive(t)]
  const s = await setUp(t, [
    plainDestination('stuck', stuck.origin, { concurrency: 3, memory: 20 }),
    plainDestination('fine', fine.origin),
  ])
  for (let i = 0; i < 100; i += 1) await s.accept(`t${i}`, ['stuck', 'fine'])
  await fine.count(100)
  t.equal(stuck.received.length, 3, 'its own concurrency is all it takes')
  t.equal(s.attemptsAt('stuck').length, 0)
  const snapshot = s.dispatcher.snapshot().find(lane => lane.destination === 'stuck')
  t.match(snapshot, { waiting: 17, inFlight: 3, circuit: 'closed' })
  t.match(s.dispatcher.place({ destination: 'stuck', delayMs: 0, share: undefined }), {
    hold: 'queue',
  })
  await until('the fine part is settled', async () => (await s.ledger('fine')).pending === 0)
  const entries = await s.store.read(await s.store.journal())
  t.ok(
    entries.length === 20 && entries.every(entry => entry.destinations.join() === 'stuck'),
    'settled in part',
  )
  t.match(await s.ledger('stuck'), { pending: 100 })
})

t.test('concurrency and rate are kept', async t => {
  const there = await receive(t, {
    answer: (socket, request) => void setTimeout(() => respond(200)(socket, request), 5),
  })
  const limited = await receive(t)
  const s = await setUp(t, [
    plainDestination('narrow', there.origin, { concurrency: 2 }),
    plainDestination('slow', limited.origin, { ratePerSecond: 50 }),
  ])
  const started = performance.now()
  for (let i = 0; i < 30; i += 1) await s.accept(`t${i}`, ['narrow', 'slow'])
  await s.settled()
  t.equal(there.peak(), 2)
  // 30 at 50 a second, 5 of them as a burst: not faster than half a second.
  t.ok(performance.now() - started >= 490, 'not faster than its rate')
  t.equal(limited.received.length, 30)
})

t.test('a backlog of 50,000 keeps memory bounded and drains', async t => {
  let isUp = false
  let most = 0
  const delivered = new Set<string>()
  const transport: Transport = {
    channel: () => ({
      send: async (_request, id): Promise<Sent> => {
        if (!isUp)
          return { kind: 'failed', result: 'connect_error', detail: 'down', isAmbiguous: false }
        await new Promise(resolve => setImmediate(resolve))
        delivered.add(id)
        return { kind: 'answered', response: { status: 200, headers: {}, body: '' } }
      },
      close: () => undefined,
    }),
  }
  const s = await setUp(
    t,
    [plainDestination('a', 'http://x.example', { memory: 500, concurrency: 32 })],
    {
      store: createMemoryStore({ leaseMs: 10_000 }),
      dispatcher: { transport },
    },
  )
  const watch = (): void => {
    const [lane] = s.dispatcher.snapshot()
    most = Math.max(most, (lane?.waiting ?? 0) + (lane?.inFlight ?? 0))
  }
  const watching = setInterval(watch, 1)
  t.teardown(() => clearInterval(watching))
  for (let i = 0; i < 50_000; i += 500) {
    await s.acceptAll(
      Array.from({ length: 500 }, (_, j) => `t${i + j}`),
      ['a'],
    )
    watch()
  }
  t.match(await s.ledger('a'), { pending: 50_000 })
  await until('the circuit is open', () => s.log.circuit.length > 0)
  t.match(await s.ledger('a'), { pending: 50_000 })
  isUp = true
  // Not by asking the ledger: counting 50,000 entries again and again would be the load.
  await until('all are delivered', () => delivered.size === 50_000, 60_000)
  await s.settled()
  watch()
  t.match(await s.ledger('a'), { delivered: 50_000, dead: 0 })
  t.ok(most > 0 && most <= 500, `at most ${most} in memory`)
})

t.test('where memory is full, the queue takes over', async t => {
  const there = await receive(t, { answer: receiver.hang })
  const s = await setUp(t, [plainDestination('a', there.origin, { memory: 2, concurrency: 1 })])
  // All are placed before any is offered, so each of them was promised the same room.
  await Promise.all(['t1', 't2', 't3', 't4'].map(name => s.accept(name, ['a'])))
  t.match(s.dispatcher.snapshot(), [{ waiting: 2 }])
  t.match(s.log.handedOver, [{ cause: 'memory_full' }, { cause: 'memory_full' }])
  t.match(s.dispatcher.place({ destination: 'a', delayMs: 0, share: undefined }), { hold: 'queue' })
  t.match(s.dispatcher.place({ destination: 'b', delayMs: 0, share: undefined }), { hold: 'queue' })
  there.answerWith(respond(200))
  there.dropConnections()
  await s.settled()
  t.match(await s.ledger('a'), { delivered: 4 })
})

t.test('two statuses of one conversion are never in memory together', async t => {
  let answerNow = (): void => undefined
  const there = await receive(t, {
    answer: (socket, request) => {
      answerNow = () => respond(200)(socket, request)
    },
  })
  const s = await setUp(t, [plainDestination('a', there.origin)])
  await s.accept('t1', ['a'], { status: 'pending' })
  await there.count(1)
  t.equal(await s.accept('t1', ['a'], { status: 'approved' }), 'update')
  t.equal(await s.accept('t1', ['a'], { status: 'reversed' }), 'update')
  t.match(s.dispatcher.snapshot(), [{ waiting: 0, inFlight: 1 }])
  for (let i = 2; i <= 3; i += 1) {
    answerNow()
    await there.count(i)
    t.match(s.dispatcher.snapshot(), [{ waiting: 0, inFlight: 1 }])
  }
  answerNow()
  await s.settled()
  t.same(
    there.received.map(r => /status=(\w+)/.exec(r.path)?.[1]),
    ['pending', 'approved', 'reversed'],
  )
})

t.test('a store that fails to settle never makes an attempt happen again', async t => {
  const there = await receive(t)
  const memory = createMemoryStore()
  let refusals = 3
  const store = withMethods(memory, {
    settle: async list => {
      if (refusals-- > 0) throw new StoreError('connection', 'gone')
      return memory.settle(list)
    },
  })
  const s = await setUp(t, [plainDestination('a', there.origin)], { store })
  await s.accept('t1', ['a'])
  await s.settled()
  t.match(
    s.log.storeFailed.filter(fact => fact.operation === 'settle'),
    { length: 3 },
  )
  t.equal(there.received.length, 1)
  t.match(await s.ledger('a'), { delivered: 1 })
})

t.test('records nobody told about are found in the journal, once', async t => {
  const clock = createTestClock()
  const there = await receive(t)
  const s = await setUp(t, [plainDestination('a', there.origin)], {
    // A clock that stands still: sweeps come often and the lease never ends, however slow it is here.
    clock,
    store: createMemoryStore({ clock, leaseMs: 60 }),
  })
  const key = 'a'.repeat(32)
  const id = s.store.newRecord(key)
  const conversion = { id: key, network: 'net', status: 'approved', transaction_id: 'lost', received_at: Date.now(), q: {} } // prettier-ignore
  await s.store.accept([
    {
      record: id,
      key,
      windowMs: 60_000,
      status: 'approved',
      amount: '',
      onAmountChange: 'ignore',
      allow: [],
      body: JSON.stringify({ id, conversion }),
      placements: [{ destination: 'a', hold: 'memory', delayMs: 0 }],
    },
  ])
  for (let i = 0; i < 20; i += 1) await s.accept(`t${i}`, ['a'])
  await s.settled()
  t.match(s.log.reconciled, [{ count: 1 }])
  t.equal(there.received.length, 21)
  t.equal(there.received.filter(r => r.path.startsWith('/lost')).length, 1)
})

t.test(
  'a lost lease: what waited is another’s, what was in flight is not repeated by this one',
  async t => {
    const state = createMemoryState()
    const held: (() => void)[] = []
    const there = await receive(t, {
      answer: (socket, request) => void held.push(() => respond(200)(socket, request)),
    })
    // Time passes only where the test says so, so that a slow machine loses no lease by itself.
    const clock = createTestClock()
    const memory = createMemoryStore({ shared: state, clock, leaseMs: 150 })
    let isStuck = false
    const store = withMethods(memory, {
      heartbeat: async () => {
        await until('the heartbeat may go through', () => !isStuck)
        return memory.heartbeat()
      },
    })
    const destination = plainDestination('a', there.origin, { concurrency: 1 })
    const s = await setUp(t, [destination], { store, clock })
    const owner = memory.owner
    await s.accept('t1', ['a'])
    await s.accept('t2', ['a'])
    await there.count(1)
    isStuck = true

    const other = await receive(t)
    const healthy = createMemoryStore({ shared: state, clock, leaseMs: 150 })
    let beats = 0
    const second = await setUp(t, [plainDestination('a', other.origin)], {
      clock,
      store: withMethods(healthy, {
        heartbeat: async () => {
          const answer = await healthy.heartbeat()
          beats += 1
          return answer
        },
      }),
    })
    for (let passed = 0; passed <= 150; passed += 30) {
      const before = beats
      clock.advance(30)
      await until('the other is alive', () => beats > before)
    }
    await until('the other took over', () => second.log.tookOver.length > 0)
    t.same(second.log.leaseLost, [])
    await other.count(2)
    // Late by its own clock, this one starts nothing although its first attempt has ended.
    held[0]?.()
    await until('the first attempt ended', () => s.log.attempted.length === 1)
    t.equal(there.received.length, 1)
    t.match(s.dispatcher.place({ destination: 'a', delayMs: 0, share: undefined }), {
      hold: 'queue',
    })
    isStuck = false
    await until('the loss is noticed', () => s.log.leaseLost.length > 0)
    t.match(s.log.leaseLost, [{ dropped: 1 }])
    t.not(memory.owner, owner)
    await s.settled()
    t.equal(there.received.length, 1, 'what waited was not started')
    t.match(await s.ledger('a'), { delivered: 2, dead: 0 }, 'counted once each')

    const routed = { destination: 'a', delayMs: 0, share: undefined }
    await until('it may deliver again', () => s.dispatcher.place(routed).hold === 'memory')
    await s.accept('t3', ['a'])
    await there.count(2)
    held[1]?.()
    await s.settled()
    t.match(await s.ledger('a'), { delivered: 3 })
  },
)

t.test('a drain ends what is in flight and gives the rest away', async t => {
  const held: (() => void)[] = []
  const there = await receive(t, {
    answer: (socket, request) => void held.push(() => respond(200)(socket, request)),
  })
  const state = createMemoryState()
  const s = await setUp(t, [plainDestination('a', there.origin, { concurrency: 2 })], {
    store: createMemoryStore({ shared: state }),
  })
  for (let i = 0; i < 6; i += 1) await s.accept(`t${i}`, ['a'])
  await there.count(2)
  const drained = s.dispatcher.drain(10_000)
  t.match(s.dispatcher.place({ destination: 'a', delayMs: 0, share: undefined }), { hold: 'queue' })
  t.match(s.log.handedOver, [{ cause: 'drain', count: 4 }])
  for (const answer of held) answer()
  await drained
  t.equal(there.received.length, 2)
  t.match(await s.ledger('a'), { delivered: 2, pending: 4 })
  t.same(await s.store.journal(), [])
  t.equal(s.dispatcher.drain(0), s.dispatcher.drain(0), 'once')

  there.answerWith(respond(200))
  const next = await setUp(t, [plainDestination('a', there.origin)], {
    store: createMemoryStore({ shared: state }),
  })
  await next.settled()
  t.match(await next.ledger('a'), { delivered: 6 })
  t.equal(there.received.length, 6)
})

t.test('a drain does not wait for ever; what hangs is taken over', async t => {
  const [stuck, fine] = [await receive(t, { answer: receiver.hang }), await receive(t)]
  const state = createMemoryState()
  const s = await setUp(
    t,
    [plainDestination('stuck', stuck.origin), plainDestination('fine', fine.origin)],
    {
      store: createMemoryStore({ shared: state }),
    },
  )
  await s.accept('t1', ['stuck', 'fine'])
  await Promise.all([stuck.count(1), fine.count(1)])
  await until('fine has ended', () => s.log.ended.length === 1)
  await s.dispatcher.drain(20)
  await s.store.close()
  stuck.answerWith(respond(200))
  const next = await setUp(
    t,
    [plainDestination('stuck', stuck.origin), plainDestination('fine', fine.origin)],
    {
      store: createMemoryStore({ shared: state }),
    },
  )
  await next.settled()
  t.equal(fine.received.length, 1, 'what was settled is not repeated')
  t.equal(stuck.received.length, 2)
  t.equal(new Set(stuck.received.map(r => r.headers['postern-delivery-id'])).size, 1)
})

t.test('a reload takes destinations away and brings them back', async t => {
  const held: (() => void)[] = []
  const there = await receive(t, {
    answer: (socket, request) => void held.push(() => respond(200)(socket, request)),
  })
  const destination = plainDestination('a', there.origin, { concurrency: 1 })
  const s = await setUp(t, [destination])
  for (let i = 0; i < 3; i += 1) await s.accept(`t${i}`, ['a'])
  await there.count(1)
  s.destinations.delete('a')
  s.dispatcher.reload()
  t.match(s.log.handedOver, [{ cause: 'removed', count: 2 }])
  t.same(s.dispatcher.snapshot(), [])
  held[0]?.()
  await until('the running attempt is settled', async () => (await s.ledger('a')).delivered === 1)
  t.match(await s.ledger('a'), { pending: 2 })

  const elsewhere = await receive(t)
  s.destinations.set('a', plainDestination('a', there.origin, { concurrency: 1 }))
  s.dispatcher.reload()
  s.destinations.set('a', plainDestination('a', elsewhere.origin))
  s.dispatcher.reload()
  await s.settled()
  t.match(await s.ledger('a'), { delivered: 3 })
  t.equal(elsewhere.received.length, 2, 'sent as the configuration says now')
})

t.test('a stored record that cannot be read ends dead, in sight', async t => {
  const s = await setUp(t, [plainDestination('a', 'http://127.0.0.1:9')])
  await s.store.accept([
    {
      record: s.store.newRecord('b'.repeat(32)),
      key: 'b'.repeat(32),
      windowMs: 60_000,
      status: 'approved',
      amount: '',
      onAmountChange: 'ignore',
      allow: [],
      body: '{"half":',
      placements: [{ destination: 'a', hold: 'queue', delayMs: 0 }],
    },
  ])
  await s.settled()
  t.match((await s.store.dead({ limit: 1 })).letters, [{ reason: 'template_error' }])
})

t.test('what became of a delivered request is asked later, and changes nothing', async t => {
  const words = new Map([
    ['good', ['later', 'confirmed']],
    ['bad', ['', 'refused']],
    ['slow', [...Array.from({ length: 5 }, () => 'later'), 'confirmed']],
  ])
  const there = await receive(t, {
    answer: (socket, request) => {
      const [, kind = '', id = ''] = /^\/(\w+)\/(\w+)/.exec(request.path) ?? []
      if (kind !== 'status') return respond(200, id)(socket, request)
      t.equal(request.headers['authorization'], 'Bearer T1')
      respond(200, words.get(id)?.shift() ?? '')(socket, request)
    },
  })
  const tokens = await receive(t, { answer: respond(200, '{"access_token":"T1"}') })
  const grant = { kind: 'refresh_token', url: tokens.origin, clientId: 'c', clientSecret: 's', refreshToken: 'r' } as const // prettier-ignore
  const confirm: Confirm = {
    waitMs: 1,
    question: ({ body: id }) => {
      const request = { method: 'GET', url: `${there.origin}/status/${id}`, headers: {}, body: undefined } as const // prettier-ignore
      return id === 'none' ? undefined : { id, request }
    },
    read: ({ body }) =>
      body === 'confirmed' || body === 'refused' ? { result: body, reasons: ['WHY'] } : undefined,
  }
  const destination = plainDestination('a', `${there.origin}/send`, {}, { confirm, grant })
  const s = await setUp(t, [destination])
  await s.acceptAll(['good', 'bad', 'slow', 'none'], ['a'])
  await until('all is told', () => s.log.confirmed.length === 3)
  const results = Object.fromEntries(
    s.log.confirmed.map(({ request, result }) => [request, result]),
  )
  t.same(results, { good: 'confirmed', bad: 'refused', slow: 'unknown' })
  t.match(s.log.confirmed[0], { destination: 'a', record: /^.+-.+-/, reasons: ['WHY'] })
  t.same(await s.ledger('a'), { delivered: 4, dead: 0, pending: 0 })
  t.equal(words.get('slow')?.length, 1, 'given up after five questions')
  t.equal(s.log.attempted.length, 4, 'questions are no attempts')
})

t.test('questions about delivered requests are bounded and end with the lane', async t => {
  const told: string[] = []
  const asked: string[] = []
  const question = (id: string) => ({
    record: `rec-${id}`,
    id,
    request: { method: 'GET', url: 'http://127.0.0.1:9/', headers: {}, body: undefined } as const,
  })
  const make = (waitMs: number) =>
    createConfirmations({
      clock: systemClock,
      waitMs: () => waitMs,
      max: 2,
      ask: async ({ id }) => void asked.push(id),
      told: ({ id }, found) => told.push(`${id} ${found?.result ?? 'unknown'}`),
    })
  const full = make(60_000)
  for (const id of ['1', '2', '3']) full.watch(question(id))
  t.same(told, ['3 unknown'], 'no room: told so at once')
  full.stop()
  full.watch(question('4'))
  t.same(told, ['3 unknown'])
  const brief = make(1)
  brief.watch(question('5'))
  await until('it is given up', () => told.length === 2)
  t.same([told[1], asked], ['5 unknown', ['5', '5', '5', '5', '5']])
  brief.stop()
})
