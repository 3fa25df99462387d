/** The pure decisions of delivery: what an answer means, when to try again, where one may go. */
import fc from 'fast-check'
import t from 'tap'
import { parseAddress } from '../../src/deliver/address.ts'
import { retryDelayMs } from '../../src/deliver/backoff.ts'
import { createBreaker, type CircuitState } from '../../src/deliver/breaker.ts'
import { checkDestinationUrl, compileEgress } from '../../src/deliver/egress.ts'
import { createCustody } from '../../src/deliver/custody.ts'
import { createFifo } from '../../src/deliver/fifo.ts'
import { nextStep } from '../../src/deliver/next-step.ts'
import { createPace } from '../../src/deliver/pace.ts'
import { createRate } from '../../src/deliver/rate.ts'
import { parseRetryAfter, verdictOfStatus } from '../../src/model/answer.ts'
import type { Settlement } from '../../src/store/store.ts'
import { createTestClock } from '../store/clock.ts'
import { PLAIN_POLICY } from '../support/plain-destination.ts'

const NOW = Date.UTC(2026, 0, 15, 12, 0, 0)
const SECOND = 1_000
const DAY = 86_400_000

t.test('what a status means', async t => {
  const rows: [number, object][] = [
    [200, { kind: 'delivered', result: 'ok' }],
    [204, { kind: 'delivered', result: 'ok' }],
    [302, { kind: 'retry', result: 'http_3xx', maxAttempts: 3 }],
    [400, { kind: 'retry', result: 'http_4xx', maxAttempts: 3 }],
    [404, { kind: 'retry', result: 'http_4xx', maxAttempts: 3 }],
    [408, { kind: 'retry', result: 'http_4xx' }],
    [409, { kind: 'retry', result: 'http_4xx' }],
    [410, { kind: 'retry', result: 'http_410' }],
    [425, { kind: 'retry', result: 'http_4xx' }],
    [429, { kind: 'retry', result: 'http_429' }],
    [500, { kind: 'retry', result: 'http_5xx' }],
    [599, { kind: 'retry', result: 'http_5xx' }],
  ]
  for (const [status, verdict] of rows) t.same(verdictOfStatus(status, undefined, NOW), verdict)
  t.match(verdictOfStatus(503, '7', NOW), { result: 'http_5xx', afterMs: 7 * SECOND })
  t.match(verdictOfStatus(200, '7', NOW), { kind: 'delivered' })
})

t.test('Retry-After', async t => {
  const rows: [string, number | undefined][] = [
    ['7', 7 * SECOND],
    [' 7 ', 7 * SECOND],
    ['0', SECOND],
    ['0.25', SECOND],
    ['1.5', 1_500],
    ['99999999999999999999', DAY],
    ['-5', undefined],
    ['', undefined],
    ['soon', undefined],
    ['7s', undefined],
    ['0x10', undefined],
    ['1e3', undefined],
    ['Thu, 15 Jan 2026 12:01:00 GMT', 60 * SECOND],
    ['Thursday, 15-Jan-26 12:01:00 GMT', 60 * SECOND],
    ['Thu Jan 15 12:01:00 2026', 60 * SECOND],
    ['Thu Jan  5 12:01:00 2026', SECOND],
    ['Wed, 14 Jan 2026 12:00:00 GMT', SECOND],
    ['Sunday, 06-Nov-94 08:49:37 GMT', SECOND],
    ['Thu, 15 Jan 2099 12:00:00 GMT', DAY],
    ['Thu, 15 Jan 2026 25:00:00 GMT', undefined],
    ['Thu, 15 Foo 2026 12:00:00 GMT', undefined],
    ['Thu, 15 Jan 2026 12:01:00 CET', undefined],
    ['2026-01-15T12:01:00Z', undefined],
  ]
  for (const [text, expected] of rows) t.equal(parseRetryAfter(text, NOW), expected, text)

  fc.assert(
    fc.property(fc.string(), text => {
      const ms = parseRetryAfter(text, NOW)
      return ms === undefined || (ms >= SECOND && ms <= DAY)
    }),
  )
  const date = fc.date({ noInvalidDate: true }).map(at => at.toUTCString())
  const damaged = fc
    .tuple(date, fc.nat(40), fc.nat(3), fc.string({ maxLength: 3 }))
    .map(([text, at, remove, put]) => text.slice(0, at) + put + text.slice(at + remove))
  fc.assert(
    fc.property(damaged, text => {
      const ms = parseRetryAfter(text, NOW)
      return ms === undefined || (ms >= SECOND && ms <= DAY)
    }),
  )
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 200_000 }), seconds => {
      const clamped = Math.min(Math.max(seconds * SECOND, SECOND), DAY)
      const asDate = new Date(NOW + seconds * SECOND).toUTCString()
      return (
        parseRetryAfter(String(seconds), NOW) === clamped &&
        parseRetryAfter(asDate, NOW) === clamped
      )
    }),
  )
})

t.test('how long until the next attempt', async t => {
  const arbitrary = fc.record({
    scheduleMs: fc.array(fc.integer({ min: 1, max: DAY }), { minLength: 1, maxLength: 10 }),
    attempts: fc.integer({ min: 1, max: 20 }),
    random: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    afterMs: fc.option(fc.integer({ min: SECOND, max: DAY }), { nil: undefined }),
    result: fc.constantFrom('http_429' as const, 'http_5xx' as const, 'timeout' as const),
  })
  fc.assert(
    fc.property(arbitrary, options => {
      const { scheduleMs, attempts, afterMs, result } = options
      const delay = retryDelayMs(options)
      const wait = scheduleMs[Math.min(attempts, scheduleMs.length) - 1] as number
      if (afterMs !== undefined)
        return delay >= afterMs && delay <= Math.min(afterMs * 1.1 + 1, DAY)
      if (result === 'http_429') return delay >= SECOND && delay <= Math.max(wait, SECOND)
      return delay >= 0 && delay < wait
    }),
  )
  const wait = (attempts: number, random: number) =>
    retryDelayMs({
      scheduleMs: [100, 200],
      attempts,
      result: 'timeout',
      afterMs: undefined,
      random,
    })
  t.same([wait(1, 0.5), wait(2, 0.5), wait(9, 0.5)], [50, 100, 100], 'the last wait repeats')
})

t.test('what follows an attempt', async t => {
  const tried = {
    verdict: { kind: 'retry', result: 'timeout' },
    attempts: 1,
    isAmbiguous: true,
    policy: { ...PLAIN_POLICY, scheduleMs: [1_000], budgetMs: 5_000 },
    receivedAt: NOW,
    now: NOW + 4_999,
    random: 0.5,
  } as const
  t.same(nextStep(tried), { end: 'retry', delayMs: 500 })
  t.same(nextStep({ ...tried, now: NOW + 5_000 }), { end: 'dead', reason: 'exhausted' })
  const once = { ...tried.policy, retryAfterAmbiguous: false }
  t.same(nextStep({ ...tried, policy: once }), { end: 'dead', reason: 'rejected' })
  t.match(nextStep({ ...tried, policy: once, isAmbiguous: false }), { end: 'retry' })
  const limited = { kind: 'retry', result: 'http_4xx', maxAttempts: 3 } as const
  t.match(nextStep({ ...tried, verdict: limited, attempts: 2 }), { end: 'retry' })
  t.same(nextStep({ ...tried, verdict: limited, attempts: 3 }), { end: 'dead', reason: 'rejected' })
  const dead = { kind: 'dead', result: 'body_rejected', reason: 'expired' } as const
  t.same(nextStep({ ...tried, verdict: dead }), { end: 'dead', reason: 'expired' })
  t.same(nextStep({ ...tried, verdict: { kind: 'delivered', result: 'duplicate' } }), {
    end: 'delivered',
  })
})

t.test('the circuit', async t => {
  const clock = createTestClock()
  const seen: CircuitState[] = []
  const breaker = createBreaker({ clock, random: () => 0.5, changed: state => seen.push(state) })
  for (let i = 0; i < 9; i += 1) breaker.failed()
  breaker.succeeded()
  for (let i = 0; i < 9; i += 1) breaker.failed()
  t.equal(breaker.state(), 'closed', 'ten in a row, not ten in all')
  breaker.failed()
  t.same([breaker.state(), breaker.waitMs()], ['open', 2_000])
  breaker.failed()
  breaker.succeeded()
  breaker.trip('gone')
  t.same([breaker.state(), breaker.waitMs()], ['open', 2_000], 'late answers change nothing')
  const waits: number[] = []
  for (let i = 0; i < 7; i += 1) {
    clock.advance(breaker.waitMs())
    t.same([breaker.state(), breaker.waitMs()], ['half_open', 0])
    breaker.failed()
    waits.push(breaker.waitMs())
  }
  t.same(waits, [4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000])
  clock.advance(60_000)
  breaker.state()
  breaker.succeeded()
  t.equal(breaker.state(), 'closed')
  breaker.trip('gone')
  t.equal(breaker.waitMs(), 2_000, 'it starts small again')
  t.same(seen.slice(0, 3), ['open', 'half_open', 'open'])
})

t.test('the rate holds over any second', async t => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 2_000 }),
      fc.array(fc.integer({ min: 0, max: 50 }), { minLength: 100, maxLength: 400 }),
      (perSecond, gaps) => {
        const rate = createRate(perSecond)
        const taken: number[] = []
        let now = 0
        for (const gap of gaps) {
          now += gap
          const wait = rate.take(now)
          if (wait === 0) taken.push(now)
          else if (rate.take(now + wait + 1e-6) !== 0) return false
          else taken.push((now = now + wait + 1e-6))
        }
        const most = perSecond + Math.max(1, perSecond / 10)
        return taken.every((at, i) => {
          const inSecond = taken.slice(i).findIndex(other => other >= at + 1_000)
          return (inSecond < 0 ? taken.length - i : inSecond) <= Math.ceil(most) + 1
        })
      },
    ),
  )
  t.equal(createRate(undefined).take(0), 0)
})

t.test('a destination is asked for what it can start soon', async t => {
  const pace = createPace()
  t.equal(pace.startableSoon(32, undefined), 320)
  for (let i = 0; i < 200; i += 1) pace.took(5)
  const fast = pace.startableSoon(32, undefined)
  t.ok(fast > 60_000 && fast < 65_000, String(fast))
  t.equal(pace.startableSoon(32, 2), 20)
  for (let i = 0; i < 200; i += 1) pace.took(100_000)
  t.equal(pace.startableSoon(1, undefined), 1, 'never nothing')
})

t.test('first in, first out', async t => {
  fc.assert(
    fc.property(
      fc.array(fc.option(fc.integer(), { nil: undefined, freq: 1 }), {
        minLength: 500,
        maxLength: 3_000,
      }),
      list => {
        const fifo = createFifo<number>()
        const model: number[] = []
        return list.every(item => {
          if (item === undefined) return fifo.peek() === model[0] && fifo.shift() === model.shift()
          fifo.push(item)
          model.push(item)
          return fifo.size() === model.length
        })
      },
    ),
  )
  const fifo = createFifo<number>()
  for (let i = 0; i < 5_000; i += 1) fifo.push(i)
  const first = Array.from({ length: 4_000 }, () => fifo.shift())
  t.ok(first.every((item, i) => item === i))
  t.equal(fifo.size(), 1_000)
})

t.test('custody', async t => {
  const clock = createTestClock()
  const written: (() => void)[] = []
  const settlements: Settlement[] = []
  const queued: number[] = []
  const settler = {
    add: (settlement: Settlement, done: () => void) => {
      settlements.push(settlement)
      written.push(done)
    },
    pending: () => 0,
    flush: async () => undefined,
    stop: () => undefined,
  }
  const custody = createCustody(settler, clock, delayMs => queued.push(delayMs))
  const kept = (id: string, destination: string, from: 'journal' | 'queue' = 'journal') => ({
    record: { id },
    destination,
    from,
  })
  const delivered = (destination: string) => ({ destination, end: 'delivered' }) as const

  t.ok(custody.takeRecord('r1', 'body', ['a', 'b', 'c']))
  t.notOk(custody.takeRecord('r1', 'body', ['a']), 'not twice')
  custody.end(kept('r1', 'a'), delivered('a'))
  custody.end(kept('r1', 'a'), delivered('a'))
  custody.settlePartly(1_000)
  t.equal(settlements.length, 0, 'waits for the others')
  clock.advance(1_000)
  custody.settlePartly(1_000)
  t.match(settlements, [
    { record: 'r1', body: 'body', remaining: ['b', 'c'], endings: { length: 1 } },
  ])
  custody.drop(kept('r1', 'b'))
  custody.end(kept('r1', 'c'), { destination: 'c', end: 'retry', delayMs: 7, attempts: 1 })
  t.match(settlements[1], { remaining: ['b'], endings: [{ destination: 'c', end: 'retry' }] })
  t.ok(custody.knows('r1'), 'until it is written')
  for (const done of written.splice(0)) done()
  t.notOk(custody.knows('r1'))
  t.same(queued, [7])

  t.ok(custody.takeRecord('r2', 'body', ['a']))
  custody.drop(kept('r2', 'a'))
  t.notOk(custody.knows('r2'), 'nothing to write for what was only dropped')
  t.equal(settlements.length, 2)

  t.ok(custody.takeClaim('r3', 'a'))
  t.notOk(custody.takeClaim('r3', 'a'))
  custody.end(kept('r3', 'a', 'queue'), delivered('a'))
  t.notOk(custody.takeClaim('r3', 'a'), 'not while its end is being written')
  written[0]?.()
  t.ok(custody.takeClaim('r3', 'a'))
})

// --- egress ---------------------------------------------------------------------------------

t.test('every spelling of an address is the same address', async () => {
  const octet = fc.integer({ min: 0, max: 255 })
  fc.assert(
    fc.property(octet, octet, octet, octet, (a, b, c, d) => {
      const number = ((a * 256 + b) * 256 + c) * 256 + d
      const hex = (n: number) => n.toString(16)
      const spelled = [
        `${a}.${b}.${c}.${d}`,
        String(number),
        `0x${hex(number)}`,
        `0x${hex(a)}.0x${hex(b)}.0x${hex(c)}.0x${hex(d)}`,
        `0${a.toString(8)}.0${b.toString(8)}.0${c.toString(8)}.0${d.toString(8)}`,
        `${a}.${(b << 16) + (c << 8) + d}`,
      ]
      const direct = parseAddress(`${a}.${b}.${c}.${d}`)
      const embedded = [`${hex(a * 256 + b)}:${hex(c * 256 + d)}`, `${a}.${b}.${c}.${d}`]
      return (
        spelled.every(
          text => parseAddress(new URL(`http://${text}/`).hostname)?.kind === direct?.kind,
        ) &&
        embedded.every(text => {
          const mapped = parseAddress(`[::ffff:${text}]`)
          const nat64 = parseAddress(`64:ff9b::${text}`)
          // Whatever is inside: never public.
          return [mapped, nat64].every(
            address => address?.kind !== 'public' && address?.inner[0]?.text === direct?.text,
          )
        })
      )
    }),
  )
})

t.test('what an address is', async t => {
  const rows: [string, string][] = [
    ['93.184.216.34', 'public'], ['8.8.8.8', 'public'], ['2606:2800:220:1::1', 'public'],
    ['10.0.0.1', 'private'], ['172.16.0.1', 'private'], ['172.32.0.1', 'public'],
    ['192.168.1.1', 'private'], ['100.64.0.1', 'private'], ['fc00::1', 'private'], ['fec0::1', 'private'],
    ['127.0.0.1', 'loopback'], ['127.255.255.254', 'loopback'], ['0.0.0.0', 'loopback'], ['0.1.2.3', 'loopback'],
    ['::', 'loopback'], ['::1', 'loopback'],
    ['169.254.1.1', 'link_local'], ['fe80::1', 'link_local'], ['fe80::1%eth0', 'link_local'],
    ['169.254.169.254', 'metadata'], ['fd00:ec2::254', 'metadata'], ['100.100.100.200', 'metadata'],
    ['168.63.129.16', 'metadata'], ['::ffff:169.254.169.254', 'metadata'], ['64:ff9b::a9fe:a9fe', 'metadata'],
    ['2002:a9fe:a9fe::', 'metadata'], ['::169.254.169.254', 'metadata'],
    ['192.0.0.1', 'reserved'], ['192.0.2.1', 'reserved'], ['198.18.0.1', 'reserved'], ['224.0.0.1', 'reserved'],
    ['240.0.0.1', 'reserved'], ['255.255.255.255', 'reserved'], ['ff02::1', 'reserved'],
    ['2001:db8::1', 'reserved'], ['4000::1', 'reserved'], ['100::1', 'reserved'],
    ['::ffff:8.8.8.8', 'embedded_v4'], ['::8.8.8.8', 'embedded_v4'], ['::127.0.0.1', 'embedded_v4'],
    ['64:ff9b::808:808', 'embedded_v4'], ['64:ff9b:1::808:808', 'embedded_v4'], ['::ffff:0:8.8.8.8', 'embedded_v4'],
    ['2002:808:808::1', 'embedded_v4'], ['2001:0:808:808::f7f7:f7f7', 'embedded_v4'],
  ] // prettier-ignore
  for (const [text, kind] of rows) t.equal(parseAddress(text)?.kind, kind, text)
  for (const text of ['', 'localhost', '1.2.3.4:80', '1.2.3.4.5', 'g::1']) {
    t.equal(parseAddress(text), undefined, text)
  }
})

t.test('the guard', async t => {
  const guard = (allowPrivate: string[], own: { address: string; port: number }[] = []) => {
    const check = compileEgress({
      allowPrivate,
      ownAddresses: () => own,
      localAddresses: () => ['10.9.8.7'],
    })
    return (address: string, port = 443) => check(address, port)?.reason ?? 'allowed'
  }
  const strict = guard([])
  t.equal(strict('8.8.8.8'), 'allowed')
  t.equal(strict('10.0.0.1'), 'private')
  t.equal(strict('not an address'), 'reserved')
  const inside = guard(['10.0.0.0/8', '127.0.0.1', 'fd12::/16', '64:ff9b::/96'])
  t.equal(inside('10.1.2.3'), 'allowed')
  t.equal(inside('127.0.0.1'), 'allowed')
  t.equal(inside('127.0.0.2'), 'loopback')
  t.equal(inside('fd12::1'), 'allowed')
  t.equal(inside('fd13::1'), 'private')
  t.equal(inside('64:ff9b::808:808'), 'allowed', 'NAT64 to a public address')
  t.equal(inside('64:ff9b::c0a8:101'), 'private', 'NAT64 to a private one')
  t.equal(inside('::ffff:10.1.2.3'), 'embedded_v4', 'allowed as IPv4 only')
  const wide = guard(['0.0.0.0/0', '::/0'])
  for (const never of [
    '169.254.169.254',
    '169.254.0.1',
    'fe80::1',
    'fd00:ec2::254',
    '64:ff9b::a9fe:a9fe',
  ]) {
    t.match(wide(never), /metadata|link_local/, never)
  }
  const self = guard(
    ['0.0.0.0/0', '::/0'],
    [
      { address: '0.0.0.0', port: 8080 },
      { address: '10.1.1.1', port: 9 },
    ],
  )
  t.equal(self('127.0.0.1', 8080), 'port')
  t.equal(self('10.9.8.7', 8080), 'port')
  t.equal(self('::ffff:10.9.8.7', 8080), 'port')
  t.equal(self('10.9.8.7', 8081), 'allowed')
  t.equal(self('10.1.1.2', 8080), 'allowed')
  t.equal(self('10.1.1.1', 9), 'port')
  t.equal(self('8.8.8.8', 8080), 'allowed')
})

t.test('destination URLs at load', async t => {
  const good = ['https://example.com/x?y=1', 'http://93.184.216.34/', 'https://a-b.example.co.uk:8443/p@q', 'https://bücher.example/', 'HTTPS://EXAMPLE.COM', 'https://example.com./'] // prettier-ignore
  for (const url of good) t.ok(checkDestinationUrl(url, []).ok, url)
  const bad = [
    'http://127.0.0.1', 'http://127.1/', 'http://0x7f.1/', 'http://2130706433/', 'http://0177.0.0.1/',
    'http://①②⑦.⓪.⓪.①/', 'http://[::ffff:7f00:1]/', 'http://[::]/', 'http://0/', 'http://localhost./', 'http://a.localhost/',
    'http://10.0.0.1/', 'http://169.254.169.254/latest', 'http://[fd00:ec2::254]/', 'http://[64:ff9b::a9fe:a9fe]/',
    'file:///etc/passwd', 'gopher://a.example/', 'javascript:alert(1)', 'ftp://a.example/', 'data:,x', 'http:127.0.0.1', 'http:/a.example', '//a.example',
    'http://u:p@h.example/', 'http://u@h.example/', 'http://@h.example/', 'http://evil.com\\@127.0.0.1/', 'http://evil.com#@127.0.0.1/',
    'http://.com/', 'http://a..b/', 'http://a.example:0/', 'http://{sub}.com/', 'http://{{sub1}}/', 'http://a b.example/', 'http://a.example/\n', 'http:///x', 'http://', '', 'http://1.2.3.4.5/', 'http://a.example:99999/',
  ] // prettier-ignore
  for (const url of bad) {
    const checked = checkDestinationUrl(url, [])
    t.notOk(checked.ok, url)
    if (!checked.ok && url.includes('u:p')) t.notMatch(checked.error.message, /u:p/, 'no echo')
  }
  t.ok(checkDestinationUrl('http://localhost:3000/', ['127.0.0.0/8']).ok)
  t.ok(checkDestinationUrl('http://10.2.3.4/', ['10.0.0.0/8']).ok)
  t.notOk(checkDestinationUrl('http://169.254.169.254/', ['0.0.0.0/0']).ok)
})
