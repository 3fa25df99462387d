/** Metrics: what is counted, what bounds them, and that Prometheus itself finds no fault. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import type { Clock } from '../../src/base/clock.ts'
import type { EgressReason } from '../../src/deliver/egress.ts'
import type { HandOverCause } from '../../src/deliver/events.ts'
import {
  ATTEMPT_RESULTS,
  CONFIRMATION_RESULTS,
  DEAD_REASONS,
  type Attempt,
} from '../../src/model/delivery.ts'
import { STATUSES } from '../../src/model/status.ts'
import {
  CATALOGUE,
  MAX_CURRENCIES,
  type MetricKey,
  type MetricSpec,
} from '../../src/observe/catalogue.ts'
import { createCollector, type LaneView } from '../../src/observe/collector.ts'
import { AUTHENTICATION_REASONS } from '../../src/observe/configured.ts'
import { createEvents, type PostbackFact } from '../../src/observe/events.ts'
import { seriesText } from '../../src/observe/exposition.ts'
import { createLogger, type LogLevel } from '../../src/observe/logger.ts'
import { createMerger } from '../../src/observe/merge.ts'
import { metricsPage } from '../../src/observe/metrics-page.ts'
import { createMetrics } from '../../src/observe/metrics.ts'
import { watchStore } from '../../src/observe/watch-store.ts'
import type { TapResult } from '../../src/proxy/ports.ts'
import type { ShadowResult } from '../../src/proxy/shadow.ts'
import { REASON_CODES, REASONS } from '../../src/reasons.ts'
import { StoreError, type Ledger, type Store } from '../../src/store/store.ts'
import { promtool } from '../support/prometheus.ts'

const NOW = 1_700_000_000_000

function createTime(): Clock & { pass(ms: number): void } {
  let at = 0
  return { now: () => NOW + at, monotonic: () => at, pass: ms => void (at += ms) }
}

function createScene(limit?: number) {
  const clock = createTime()
  const metrics = createMetrics(limit)
  const lines: Record<string, unknown>[] = []
  const logger = createLogger({
    level: 'debug',
    format: 'json',
    isTerminal: false,
    secrets: () => [],
    clock,
    write: line => void lines.push(JSON.parse(line) as Record<string, unknown>),
    counted: (level: LogLevel) => metrics.logMessages.inc(level),
  })
  const events = createEvents(logger, metrics, () => clock.now() / 1000)
  const values = async (name: string) => {
    const found = new Map<string, number>()
    for (const line of (await metrics.registry.metrics()).split('\n')) {
      const match = /^(\w+)(\{.*\})? (\S+)$/.exec(line)
      if (match?.[1] === name) found.set(match[2] ?? '', Number(match[3]))
    }
    return Object.fromEntries(found)
  }
  return { clock, metrics, events, values, lines }
}

const CONFIGURED = {
  networks: [
    { id: 'net', maxSilenceSeconds: 3600, currency: 'EUR' },
    { id: 'other', maxSilenceSeconds: 0, currency: 'USD' },
  ],
  destinations: ['a', 'b'],
  proxy: { upstreams: ['tracker'], isShadowed: true },
}

function postback(fact: Partial<PostbackFact> = {}): PostbackFact {
  return {
    network: 'net',
    method: 'GET',
    outcome: 'accepted',
    reason: 'new',
    detail: undefined,
    httpStatus: 200,
    durationMs: 3,
    client: '203.0.113.7',
    receivedAt: NOW,
    conversion: { network: 'net', status: 'approved', payout: '2.50', currency: 'EUR', received_at: NOW, q: {} },
    record: 'o-1-0',
    destinations: ['a', 'b'],
    ...fact,
  } // prettier-ignore
}

const ATTEMPT: Attempt = {
  deliveryId: 'o-1-0_a',
  record: 'o-1-0',
  destination: 'a',
  network: 'net',
  status: 'approved',
  attempt: 1,
  result: 'ok',
  httpStatus: 200,
  durationMs: 40,
  detail: undefined,
}

const LEDGER: Ledger = {
  destination: 'a',
  enqueued: 100,
  delivered: 80,
  discarded: 1,
  dead: 4,
  pending: { journal: 5, queued: 9 },
  deadKept: 4,
  overdueMs: 2000,
}

t.test('a postback counts once under everything it is', async t => {
  const { events, values, lines } = createScene()
  events.postback(postback())
  t.same(await values('postern_postbacks_total'), { '{network="net",outcome="accepted"}': 1 })
  t.same(await values('postern_inbound_requests_total'), {
    '{network="net",method="GET",code="200"}': 1,
  })
  t.same(await values('postern_conversions_total'), { '{network="net",status="approved"}': 1 })
  t.same(await values('postern_deliveries_enqueued_total'), {
    '{destination="a"}': 1,
    '{destination="b"}': 1,
  })
  const labels = 'network="net",currency="EUR",status="approved"'
  t.same(await values('postern_conversion_payout_sum'), {
    [`{${labels}}`]: 2.5,
    // Other statuses of a currency that is met begin at 0.
    ...Object.fromEntries(
      ['pending', 'hold', 'declined', 'reversed'].map(status => [
        `{network="net",currency="EUR",status="${status}"}`,
        0,
      ]),
    ),
  })
  const buckets = await values('postern_conversion_payout_bucket')
  t.equal(buckets[`{${labels},le="1"}`], 0)
  t.equal(buckets[`{${labels},le="2.5"}`], 1, 'a bound is inclusive')
  t.equal(buckets[`{${labels},le="+Inf"}`], 1)
  t.equal(lines[0]?.['msg'], 'postback.accepted')
  t.equal(lines[0]?.['client'], '203.0.113.0/24', 'the address is truncated')
})

t.test('a payout keeps its size and loses its sign', async t => {
  const { events, values } = createScene()
  const conversion = {
    network: 'net',
    status: 'reversed',
    payout: '-7',
    received_at: NOW,
    q: {},
  } as const
  events.postback(postback({ conversion }))
  const sums = Object.values(await values('postern_conversion_payout_sum'))
  t.same(sums.filter(sum => sum !== 0), [7]) // prettier-ignore
})

t.test('only what the network itself sent breaks its silence', async t => {
  const { events, clock, values } = createScene()
  events.configured(CONFIGURED)
  const last = async () =>
    (await values('postern_network_last_postback_timestamp_seconds'))['{network="net"}']
  t.equal(await last(), NOW / 1000, 'the start, until it sends')
  clock.pass(1000)
  for (const reason of REASON_CODES) {
    const { outcome } = REASONS[reason]
    if (outcome === 'rejected') events.postback(postback({ outcome, reason }))
  }
  events.postback(postback({ outcome: 'ignored', reason: 'probe' }))
  events.postback(postback({ outcome: 'deferred', reason: 'overloaded' }))
  t.equal(await last(), NOW / 1000)
  for (const [outcome, reason] of [
    ['duplicate', 'duplicate'],
    ['ignored', 'test'],
    ['deferred', 'store_full'],
  ] as const) {
    // prettier-ignore
    clock.pass(1000)
    events.postback(postback({ outcome, reason }))
    t.equal(await last(), clock.now() / 1000, reason)
  }
})

t.test('what is configured exists with 0, what was removed goes', async t => {
  const { events, values, metrics } = createScene()
  events.configured({ ...CONFIGURED, judgingLater: ['b'] })
  const later = await values('postern_destination_confirmations_total')
  t.same(Object.values(later), [0, 0, 0, 0, 0])
  t.equal(later['{destination="b",result="refused"}'], 0, 'only where something is judged later')
  const rejected = await values('postern_postbacks_rejected_total')
  t.equal(Object.keys(rejected).length, 2 * AUTHENTICATION_REASONS.length)
  t.ok(AUTHENTICATION_REASONS.includes('signature_invalid'))
  t.notOk(AUTHENTICATION_REASONS.includes('param_missing'))
  t.equal(
    Object.keys(await values('postern_delivery_attempts_total')).length,
    2 * ATTEMPT_RESULTS.length,
  )
  t.equal((await values('postern_network_max_silence_seconds'))['{network="net"}'], 3600)
  const payouts = await values('postern_conversion_payout_count')
  t.equal(payouts['{network="net",currency="EUR",status="approved"}'], 0)

  events.postback(postback())
  events.circuit({ destination: 'a', state: 'open' })
  const before = metrics.postbacks.size()
  events.configured({
    networks: [{ id: 'net', maxSilenceSeconds: 60, currency: 'EUR' }],
    destinations: ['a'],
  })
  t.equal(metrics.postbacks.size(), before / 2)
  const text = await metrics.registry.metrics()
  t.notMatch(text, /network="other"/)
  t.notMatch(text, /destination="b"/)
  t.equal((await values('postern_postbacks_total'))['{network="net",outcome="accepted"}'], 1)
  t.equal((await values('postern_network_max_silence_seconds'))['{network="net"}'], 60)
  t.equal(
    (await values('postern_destination_circuit_state'))['{destination="a",state="open"}'],
    1,
    'a reload does not close a circuit',
  )
})

t.test('every metric exists before the first event', async t => {
  const { events, metrics, values } = createScene()
  /** Labels that nobody can know before. */
  const unknown = ['postern_admin_requests_total']
  events.configured({ ...CONFIGURED, judgingLater: ['a'] })
  for (const [key, { name, type, labels }] of Object.entries<MetricSpec>(CATALOGUE)) {
    if (type === 'gauge' && labels.length > 0) continue
    const isThere = metrics[key as MetricKey].size() > 0
    t.equal(isThere, !unknown.includes(name) && !name.includes('_store_operation_'), name)
  }
  // Told by stages, which this level may not ask: these lists must be whole.
  const causes: Record<HandOverCause, true> = { circuit: true, paused: true, memory_full: true, claim_lapsed: true, removed: true, drain: true } // prettier-ignore
  const kinds: Record<EgressReason, true> = { private: true, loopback: true, link_local: true, metadata: true, reserved: true, embedded_v4: true, port: true } // prettier-ignore
  const taps: Record<TapResult, true> = { copied: true, stored: true, refused: true, unread: true, dropped: true } // prettier-ignore
  const answers: Record<ShadowResult, true> = { agree: true, differ: true, failed: true, skipped: true } // prettier-ignore
  for (const [name, label, all] of [
    ['postern_deliveries_handed_over_total', 'cause', causes],
    ['postern_egress_blocked_total', 'reason', kinds],
    ['postern_proxy_taps_total', 'result', taps],
    ['postern_proxy_shadow_answers_total', 'result', answers],
  ] as const) {
    const found = Object.keys(await values(name)).map(
      series => new RegExp(`${label}="(\\w+)"`).exec(series)?.[1],
    )
    t.same(new Set(found), new Set(Object.keys(all)), name)
  }
  events.configured({ networks: CONFIGURED.networks, destinations: [] })
  t.equal(metrics.handedOver.size(), 0, 'and goes with its destination')
  t.equal(metrics.proxyTaps.size(), 10, 'but not with a proxy, which stays until the end')
  events.configured({ networks: [], destinations: [] })
  t.equal(metrics.proxyTaps.size(), 0)
})

t.test('a flood of labels folds into one series and is counted', async t => {
  const { events, values, metrics } = createScene(10)
  for (let i = 0; i < 500; i++) events.postback(postback({ network: `n${i}` }))
  t.equal(metrics.postbacks.size(), 11)
  const counts = await values('postern_postbacks_total')
  t.equal(counts['{network="_other",outcome="_other"}'], 490)
  const sum = Object.values(counts).reduce((a, b) => a + b, 0)
  t.equal(sum, 500, 'nothing is lost')
  const overflow = await values('postern_metrics_label_overflow_total')
  t.equal(overflow['{metric="postern_postbacks_total"}'], 490)
})

t.test('with 100 networks and 30 destinations no metric has more series than it says', async t => {
  const { events, metrics } = createScene()
  const names = (kind: string, length: number) => Array.from({ length }, (_, i) => `${kind}${i}`)
  const many = { N: names('n', 100), D: names('d', 30) }
  events.configured({
    networks: many.N.map(id => ({ id, maxSilenceSeconds: 60, currency: 'EUR' })),
    destinations: many.D,
    judgingLater: many.D,
    proxy: { upstreams: ['tracker'], isShadowed: true },
  })
  for (const network of many.N) {
    for (const reason of REASON_CODES) {
      const { outcome, http } = REASONS[reason]
      const method = reason.length % 2 ? 'GET' : 'POST'
      events.postback(postback({ network, outcome, reason, httpStatus: http, method, destinations: many.D })) // prettier-ignore
    }
    for (const status of STATUSES) {
      const conversion = { network, status, payout: '1', currency: 'USD', received_at: NOW, q: {} }
      events.postback(postback({ network, conversion, destinations: many.D }))
    }
  }
  for (const destination of many.D) {
    for (const result of ATTEMPT_RESULTS) events.attempted({ ...ATTEMPT, destination, result })
    const end = { destination, network: 'n0', attempts: 3, latencyMs: 900 }
    events.ended({ ...end, outcome: 'delivered', reason: undefined })
    for (const reason of DEAD_REASONS) events.ended({ ...end, outcome: 'dead', reason })
    for (const result of [...CONFIRMATION_RESULTS, 'unknown']) {
      events.confirmed({ destination, record: 'r', request: 'q', result, reasons: [] })
    }
  }
  const collector = createCollector({
    store: {
      type: 'redis',
      ledgers: async () => many.D.map(destination => ({ ...LEDGER, destination })),
      safety: async () => [],
      size: async () => ({ usedBytes: 1, limitBytes: 2 }),
    },
    metrics,
    clock: createTime(),
    intervalMs: 1,
    snapshot: () =>
      many.D.map(destination => ({ destination, waiting: 1, inFlight: 1, circuit: 'open' })),
    answered: () => {},
    failed: ({ error }) => t.fail(String(error)),
  })
  await collector.collect()
  const found = new Map<string, number>()
  for (const line of (await metrics.registry.metrics()).split('\n')) {
    const [name = ''] = /^[a-z_]+/.exec(line) ?? []
    found.set(name, (found.get(name) ?? 0) + 1)
  }
  for (const { name, type, bound } of Object.values<MetricSpec>(CATALOGUE)) {
    const parts = type === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']
    const series = parts.reduce((sum, part) => sum + (found.get(name + part) ?? 0), 0)
    const [, factor = '', kind] = /^(\d*) ?([ND])?$/.exec(bound) ?? []
    const times = factor === '' ? 1 : Number(factor)
    if (kind === 'N' || kind === 'D') t.equal(series, times * many[kind].length, name)
    else if (factor !== '') t.ok(series <= times, `${name}: ${series} of ${times}`)
  }
  const overflow = await metrics.registry.metrics()
  t.notMatch(overflow, /_label_overflow_total\{[^}]+\} [1-9]/, 'nothing folds')
})

t.test('a network has a few currencies of its own', async t => {
  const { events, values } = createScene()
  for (let i = 0; i < 40; i++) {
    const currency = `X${String.fromCharCode(65 + Math.floor(i / 26), 65 + (i % 26))}`
    const conversion = { network: 'net', status: 'approved', payout: '1', currency, received_at: NOW, q: {} } as const // prettier-ignore
    events.postback(postback({ conversion }))
  }
  const sums = await values('postern_conversion_payout_sum')
  const approved = Object.keys(sums).filter(labels => labels.includes('status="approved"'))
  t.equal(approved.length, MAX_CURRENCIES + 1)
  t.equal(sums['{network="net",currency="other",status="approved"}'], 40 - MAX_CURRENCIES)
})

t.test('attempts, ends, circuits and refusals', async t => {
  const { events, values, lines } = createScene()
  for (const result of ATTEMPT_RESULTS) events.attempted({ ...ATTEMPT, result })
  const attempts = await values('postern_delivery_attempts_total')
  for (const result of ATTEMPT_RESULTS) {
    t.equal(attempts[`{destination="a",result="${result}"}`], 1, result)
  }
  const end = { destination: 'a', network: 'net', attempts: 3, latencyMs: 900 }
  events.ended({ ...end, outcome: 'delivered', reason: undefined })
  events.ended({ ...end, outcome: 'dead', reason: 'expired', detail: 'HTTP 500' })
  t.same(await values('postern_deliveries_total'), {
    '{destination="a",outcome="delivered"}': 1,
    '{destination="a",outcome="dead"}': 1,
  })
  t.same(await values('postern_deliveries_dead_total'), { '{destination="a",reason="expired"}': 1 })
  t.same(await values('postern_delivery_latency_seconds_sum'), { '{destination="a"}': 0.9 })
  t.equal(lines.find(line => line['msg'] === 'delivery.died')?.['level'], 'warn')

  events.circuit({ destination: 'a', state: 'half_open' })
  t.same(await values('postern_destination_circuit_state'), {
    '{destination="a",state="closed"}': 0,
    '{destination="a",state="half_open"}': 1,
    '{destination="a",state="open"}': 0,
  })
  events.egressBlocked({ destination: 'a', reason: 'metadata' })
  t.same(await values('postern_egress_blocked_total'), {
    '{destination="a",reason="metadata"}': 1,
  })
  events.handedOver({ destination: 'a', cause: 'drain', count: 7 })
  t.same(Object.values(await values('postern_deliveries_handed_over_total')), [7])
  const asked = { destination: 'a', record: 'r-1-0', request: 'q-1', reasons: ['EVENT_TOO_OLD'] }
  events.confirmed({ ...asked, result: 'refused' })
  t.same(await values('postern_destination_confirmations_total'), {
    '{destination="a",result="refused"}': 1,
  })
  t.match(
    lines.find(line => line['msg'] === 'delivery.confirmed'),
    { level: 'warn', request: 'q-1', reasons: 'EVENT_TOO_OLD' },
  )
})

t.test('the gateway tells of itself', async t => {
  const { events, values, lines } = createScene()
  events.reloaded({ ok: true, networks: 1, destinations: 2, faults: [] })
  events.reloaded({ ok: false, networks: 1, destinations: 2, faults: ['x.yaml:1:1'] })
  t.same(await values('postern_config_last_reload_successful'), { '': 0 })
  t.same(await values('postern_config_last_reload_success_timestamp_seconds'), { '': NOW / 1000 })
  events.leaseLost({ dropped: 3 })
  events.tookOver({ count: 5 })
  events.reconciled({ count: 6 })
  t.same(await values('postern_deliveries_recovered_total'), {
    '{how="taken_over"}': 5,
    '{how="reconciled"}': 6,
  })
  events.proxied({ upstream: 'keitaro', httpStatus: 200, durationMs: 12 })
  t.same(await values('postern_proxy_requests_total'), { '{upstream="keitaro",code="200"}': 1 })
  events.administered({ route: '/metrics', httpStatus: 200 })
  t.same(await values('postern_admin_requests_total'), { '{route="/metrics",code="200"}': 1 })
  events.unrouted('unknown_network')
  t.same(await values('postern_unrouted_requests_total'), { '{reason="unknown_network"}': 1 })
  events.storeFailed({ operation: 'settle', error: new StoreError('timeout', 'no answer') })
  events.storeFailed({ operation: 'settle', error: new TypeError('a bug') })
  t.same(await values('postern_store_errors_total'), {
    '{operation="settle",reason="timeout"}': 1,
    '{operation="settle",reason="unexpected"}': 1,
  })
  events.deduped('stale')
  t.same(await values('postern_dedupe_lookups_total'), { '{result="stale"}': 1 })
  events.replayed(true)
  t.same(await values('postern_dedupe_cache_lookups_total'), { '{result="hit"}': 1 })
  const levels = await values('postern_log_messages_total')
  t.equal(
    Object.values(levels).reduce((a, b) => a + b, 0),
    lines.length,
    'every line is counted',
  )
  t.equal(levels['{level="error"}'], 1)
})

t.test('the collector shows shared state, and withdraws it when it cannot know', async t => {
  const { clock, metrics, values } = createScene()
  let ledgers: readonly Ledger[] | Error = [LEDGER]
  let lanes: readonly LaneView[] = [
    { destination: 'a', waiting: 3, inFlight: 2, circuit: 'open' },
    { destination: 'b', waiting: 0, inFlight: 0, circuit: 'closed' },
  ]
  const failures: unknown[] = []
  const answers: boolean[] = []
  const collector = createCollector({
    store: {
      type: 'lmdb',
      ledgers: async () => {
        if (ledgers instanceof Error) throw ledgers
        return ledgers
      },
      size: async () => ({ usedBytes: 10, limitBytes: undefined }),
      safety: async () => [{ check: 'disk_space', ok: false, fatal: false, detail: '' }],
    },
    metrics,
    clock,
    intervalMs: 5000,
    snapshot: () => lanes,
    inFlight: () => 12,
    answered: isUp => void answers.push(isUp),
    failed: ({ error }) => void failures.push(error),
  })
  t.same(await values('postern_deliveries_pending'), {}, 'a scrape before the first look answers')
  t.same(await values('postern_metrics_collected_timestamp_seconds'), { '': 0 })
  await collector.collect()
  t.same(await values('postern_ledger_unaccounted_deliveries'), {
    '{destination="a"}': 1,
    '{destination="b"}': 0,
  })
  t.same(await values('postern_deliveries_pending'), {
    '{destination="a",state="journal"}': 5,
    '{destination="a",state="queue"}': 9,
    '{destination="b",state="journal"}': 0,
    '{destination="b",state="queue"}': 0,
  })
  const accounts = await values('postern_ledger_deliveries')
  t.equal(accounts['{destination="a",account="discarded"}'], 1)
  t.equal(accounts['{destination="b",account="enqueued"}'], 0)
  t.same(await values('postern_delivery_oldest_overdue_timestamp_seconds'), {
    '{destination="a"}': NOW / 1000 - 2,
    '{destination="b"}': 0,
  })
  t.same(await values('postern_store_safety_check'), { '{store="lmdb",check="disk_space"}': 0 })
  t.same(await values('postern_store_size_bytes'), { '{store="lmdb"}': 10 })
  t.same(await values('postern_store_size_limit_bytes'), {}, 'no limit, no series')
  t.same(await values('postern_deliveries_in_memory'), {
    '{destination="a"}': 5,
    '{destination="b"}': 0,
  })
  t.same(await values('postern_inbound_requests_in_flight'), { '': 12 })
  t.equal((await values('postern_destination_circuit_state'))['{destination="a",state="open"}'], 1)
  t.same(await values('postern_store_up'), { '{store="lmdb"}': 1 })

  lanes = lanes.slice(0, 1)
  ledgers = [LEDGER, { ...LEDGER, destination: 'gone', enqueued: 85, pending: { journal: 0, queued: 0 }, dead: 4 }] // prettier-ignore
  await collector.collect()
  t.ok(
    '{destination="gone"}' in (await values('postern_dead_letters')),
    'it still has dead letters',
  )
  t.notOk(
    '{destination="b"}' in (await values('postern_dead_letters')),
    'the look is replaced whole',
  )

  ledgers = new StoreError('timeout', 'no answer')
  await collector.collect()
  t.same(await values('postern_store_up'), { '{store="lmdb"}': 0 })
  t.equal(failures.length, 1)
  t.same(answers, [true, true, false], 'whoever asks for readiness is told')
  t.ok('{destination="a"}' in (await values('postern_dead_letters')), 'a short failure keeps it')
  clock.pass(61_000)
  await collector.collect()
  t.same(await values('postern_dead_letters'), {}, 'a long one does not')
  t.same(await values('postern_ledger_unaccounted_deliveries'), {})
})

t.test('the collector looks by itself, one look at a time, and stops', async t => {
  const { metrics } = createScene()
  let looks = 0
  let sideBySide = 0
  let looked = () => {}
  const third = new Promise<void>(resolve => (looked = resolve))
  const collector = createCollector({
    store: {
      type: 'redis',
      ledgers: async () => {
        sideBySide += 1
        t.equal(sideBySide, 1)
        await new Promise(resolve => setImmediate(resolve))
        sideBySide -= 1
        looks += 1
        if (looks === 3) looked()
        return []
      },
      safety: async () => [],
      size: async () => undefined,
    },
    metrics,
    clock: createTime(),
    intervalMs: 1,
    snapshot: () => [],
    answered: () => {},
    failed: ({ error }) => t.fail(String(error)),
  })
  const keepAlive = setInterval(() => {}, 1000)
  t.teardown(() => clearInterval(keepAlive))
  collector.start()
  await Promise.all([collector.collect(), collector.collect()])
  await third
  await collector.stop()
  const after = looks
  await new Promise(resolve => setTimeout(resolve, 20))
  t.equal(looks, after)
})

t.test('a watched store is timed, also when it fails', async t => {
  const { metrics, clock, values } = createScene()
  let owner = 'o1'
  let isBroken = false
  const store = {
    type: 'redis',
    get owner() {
      return owner
    },
    leaseMs: 10,
    accept: async (entries: readonly unknown[]) => {
      clock.pass(3)
      if (isBroken) throw new StoreError('timeout', 'no answer')
      return entries.map(() => ({ verdict: 'new', memory: [] }))
    },
    heartbeat: async () => {
      if (isBroken) throw new TypeError('a bug')
      return 'held'
    },
  }
  const unused = async () => []
  const watched = watchStore(
    new Proxy(store, { get: (target, key, self) => Reflect.get(target, key, self) ?? unused }) as unknown as Store,
    metrics,
    clock,
  ) // prettier-ignore
  const entries = [{}, {}] as unknown as Parameters<Store['accept']>[0]
  t.equal((await watched.accept(entries)).length, 2)
  t.equal(await watched.heartbeat(), 'held')
  owner = 'o2'
  t.equal(watched.owner, 'o2', 'what changes is asked again')
  t.equal(CATALOGUE.storeDuration.bound, `16 × ${metrics.storeDuration.size()} operations`)
  isBroken = true
  await t.rejects(watched.accept(entries), StoreError)
  await t.rejects(watched.heartbeat(), TypeError)
  const counts = await values('postern_store_operation_duration_seconds_count')
  t.equal(counts['{store="redis",operation="accept"}'], 2)
  const sums = await values('postern_store_operation_duration_seconds_sum')
  t.equal(sums['{store="redis",operation="accept"}'], 0.006)
})

t.test('workers are one gateway, and what a dead one counted stays counted', async t => {
  const scenes = [createScene(), createScene()] as const
  const merger = createMerger()
  const values = (name: string) =>
    Object.fromEntries(
      [...merger.text().matchAll(new RegExp(`^${name}(\\{.*\\})? (\\S+)$`, 'gm'))].map(
        ([, labels = '', value]) => [labels, Number(value)],
      ),
    )
  const hear = async () => {
    for (const [i, { metrics }] of scenes.entries()) {
      merger.heard(i, await metrics.registry.metrics())
    }
  }
  for (const { events, metrics } of scenes) {
    events.configured(CONFIGURED)
    events.reloaded({ ok: true, networks: 2, destinations: 2, faults: [] })
    metrics.storeUp.set(1, 'redis')
    metrics.storeSize.set(100, 'redis')
    metrics.inMemory.set(4, 'a')
    for (let i = 0; i < 5; i++) events.postback(postback())
  }
  scenes[0].metrics.storeUp.set(0, 'redis')
  await hear()
  const accepted = '{network="net",outcome="accepted"}'
  t.equal(values('postern_postbacks_total')[accepted], 10)
  t.equal(values('postern_inbound_request_duration_seconds_count')['{network="net"}'], 10)
  t.same(values('postern_store_up'), { '{store="redis"}': 0 }, 'one that fails is seen')
  t.same(values('postern_store_size_bytes'), { '{store="redis"}': 100 }, 'shared, not doubled')
  t.equal(values('postern_deliveries_in_memory')['{destination="a"}'], 8)
  t.same(values('postern_config_last_reload_successful'), { '': 1 })
  const { heapTotal } = process.memoryUsage()
  t.ok((values('nodejs_heap_size_total_bytes')[''] ?? 0) > heapTotal, 'each has its own')

  merger.gone(0)
  t.equal(values('postern_postbacks_total')[accepted], 10, 'a sum never falls')
  t.same(values('postern_store_up'), { '{store="redis"}': 1 }, 'what it held is gone')
  merger.heard(2, await createScene().metrics.registry.metrics())
  t.equal(values('postern_postbacks_total')[accepted], 10)
  scenes[1].events.postback(postback())
  merger.heard(1, await scenes[1].metrics.registry.metrics())
  t.equal(values('postern_postbacks_total')[accepted], 11)

  const primary = createScene()
  primary.events.administered({ route: '/metrics', httpStatus: 200 })
  const text = merger.text(await primary.metrics.registry.metrics())
  t.match(text, /^postern_admin_requests_total\{route="\/metrics",code="200"\} 1$/m)
  t.match(text, /^postern_store_up\{store="redis"\} 1$/m)
  const { code, output } = promtool(['check', 'metrics'], text)
  t.equal(`${code} ${output}`, '0 ')
})

t.test('any label value survives the text format', async () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 20 }), value => {
      const text = seriesText('m', ['l'], [value])
      const quoted = /^m\{l="((?:[^"\\\n]|\\["\\n])*)"\}$/.exec(text)?.[1]
      const read = quoted?.replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c))
      return read === value
    }),
  )
})

t.test('promtool finds no fault in what is exposed', async t => {
  const { events, metrics } = createScene()
  events.configured(CONFIGURED)
  for (const reason of REASON_CODES) {
    events.postback(postback({ reason, outcome: REASONS[reason].outcome }))
  }
  events.attempted(ATTEMPT)
  const text = await metrics.registry.metrics()
  const { code, output } = promtool(['check', 'metrics'], text)
  t.equal(output, '')
  t.equal(code, 0)
})

t.test('the catalogue keeps its own rules', async t => {
  const allowed = new Set(
    'network destination upstream outcome reason status result state store operation check method code currency level route metric cause how account version node_version'.split(' '),
  ) // prettier-ignore
  const names = new Set<string>()
  for (const { name, labels, type, help } of Object.values(CATALOGUE)) {
    t.notOk(names.has(name), name)
    names.add(name)
    t.match(name, /^postern_[a-z_]+$/)
    t.equal(name.endsWith('_total'), type === 'counter', `${name}: only counters end in _total`)
    t.match(help, /^[A-Z1].*\.$/, `${name}: a sentence`)
    for (const label of labels) t.ok(allowed.has(label), `${name}: ${label}`)
  }
})

t.test('docs/metrics.md is what the catalogue says', async t => {
  const page = readFileSync(join(import.meta.dirname, '..', '..', 'docs', 'metrics.md'), 'utf8')
  t.equal(page, metricsPage(), 'run `npm run generate`')
})
