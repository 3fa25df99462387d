/**
 * Watched by a real Prometheus: every outcome, reason, status and attempt result happens on a real
 * gateway with a real Redis, and afterwards every number in Prometheus is that of the driver's own
 * journal, every panel of every dashboard shows something, and no rule fails. A second gateway, in
 * front of a tracker, is a job of its own in the same Prometheus.
 */
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { parse, stringify } from 'yaml'
import { ATTEMPT_RESULTS } from '../../src/model/delivery.ts'
import { STATUSES } from '../../src/model/status.ts'
import { REASON_CODES, REASONS, type Reason } from '../../src/reasons.ts'
import {
  DESTINATIONS,
  everyReason,
  everyReasonConfig,
  expectedStatus,
  main,
  pathOf,
  SECRET,
  SPARE,
  TOKEN,
} from '../support/every-reason.ts'
import {
  MAIN,
  ROOT,
  startGateway,
  temporaryFolder,
  writeConfig,
  type Gateway,
} from '../support/gateway.ts'
import { startPrometheus, type Prometheus, type Sample } from '../support/prometheus.ts'
import { panelsIn, previewPage, shownQuery, type PreviewDashboard } from '../support/preview.ts'
import { JUDGEMENTS, startJudge } from '../support/judge.ts'
import { open } from '../support/raw-client.ts'
import { readPromql } from '../support/promql.ts'
import { startRedis } from '../support/redis-server.ts'
import { install, TOKEN as INSTALLED } from '../support/installation.ts'
import { series } from '../support/ledger.ts'
import { say, startOrigin, type Origin, type Seen } from '../support/origin.ts'
import { startTracker } from '../support/tracker.ts'
import { until } from '../support/until.ts'

t.setTimeout(180_000)

const run = promisify(execFile)
/** Long enough for everything that is driven here. */
const WINDOW = '2m'
const ROUNDS = 20
/** Token of the admin listener. */
const OPERATOR = 'operators-only'
/** The gateway that is alone, and the one in front of a tracker. */
const ALONE = 'postern'
const FRONT = 'front'

interface Journal {
  readonly reasons: Map<string, number>
  readonly unrouted: Map<string, number>
  readonly statuses: Map<number, number>
  answered: number
}
const IDLE = { job: ALONE, network: 'main', destination: 'good' }
/** What can be chosen in a dashboard, one at a time. */
const ONE_OF: Readonly<Record<string, readonly Readonly<Record<string, string>>[]>> = {
  'destination.json': Object.keys(DESTINATIONS).map(destination => ({ destination })),
  'network.json': ['main', 'signed', 'listed', 'keyed', 'off'].map(network => ({ network })),
}

const count = <K>(map: Map<K, number>, key: K, by = 1) => map.set(key, (map.get(key) ?? 0) + by)

t.test('every number is right and nothing is empty', async t => {
  const folder = temporaryFolder(t)
  const redis = await startRedis(t, {
    args: ['--appendonly', 'yes', '--appendfsync', 'always', '--maxmemory', '256mb'],
  })
  const tracker = await startTracker(t)
  for (const [name, { answers }] of Object.entries(DESTINATIONS)) {
    if (answers !== undefined) tracker.behave.set(pathOf(name), answers)
  }
  const judge = await startJudge(t)
  const adminToken = join(folder, 'admin-token')
  writeFileSync(adminToken, `${OPERATOR}\n`, { mode: 0o600 })
  const { admin, ...config } = everyReasonConfig(folder, {
    tracker: tracker.url,
    cutting: await startCutter(t),
    judging: judge.url,
    redis: redis.url,
  })
  const file = writeConfig(folder, {
    ...config,
    admin: { ...(admin as object), token: `\${file:${adminToken}}` },
  })
  const environment = { TEST_TOKEN: TOKEN, TEST_SECRET: SECRET }
  const gateway = await startGateway(t, file, environment)
  const front = await startFront(t)
  const prometheus = await startPrometheus(t, {
    folder,
    jobs: { [ALONE]: [new URL(gateway.admin).host], [FRONT]: [new URL(front.gateway.admin).host] },
    ruleFiles: copyRules(folder),
    intervalSeconds: 1,
    credentialsFile: adminToken,
    past: lastWeek(),
  })
  await scraped(prometheus)
  await until('both have a rate of scrapes', async () => {
    // A scrape is counted in the one after it, and a rate needs two.
    const [both] = await prometheus.query(`count(sum_over_time(up[${WINDOW}]) >= 3)`)
    return both?.value === 2
  })
  for (const name of readdirSync(join(ROOT, 'grafana/dashboards'))) {
    await t.test(`${name} of a gateway that has nothing to show`, t =>
      saysSomething(t, name, prometheus),
    )
  }
  for (const name of ['overview', 'network', 'destination', 'runtime']) {
    await preview(`${name}-idle`, prometheus, dashboardOf(`${name}.json`), IDLE, false)
  }
  await t.test('in front of a tracker', t => driveFront(t, front, prometheus))

  const journal: Journal = { reasons: new Map(), unrouted: new Map(), statuses: new Map(), answered: 0 } // prettier-ignore
  const tell = (reason: Reason, status: number, network: string | undefined) => {
    if (network === undefined) return count(journal.unrouted, reason)
    count(journal.reasons, `${network} ${reason}`)
    count(journal.statuses, status)
    journal.answered += 1
  }

  for (const { reason, network, send } of everyReason()) {
    const status = await send(gateway.url)
    t.equal(status, expectedStatus(reason), reason)
    tell(reason, status, network)
  }
  // At once, for the rate is one a second.
  const pair = await Promise.all(
    ['x', 'y'].map(tid => sendTo(gateway, `cid=c&tid=${tid}&payout=1`, 'slow')),
  )
  t.same(new Set(pair), new Set([200, 429]))
  tell('new', 200, 'slow')
  tell('rate_limited', 429, 'slow')
  const enqueued = new Map([['good', 5]])
  const deliver = async (name: string, round: number) => {
    const query = `cid=c&gclid=g&tid=${name}-${round}&payout=${round + 1}.50&to=${name}&ip=203.0.113.9&agent=test`
    tell('new', await sendTo(gateway, query), 'main')
    count(enqueued, name)
  }
  for (const name of Object.keys(DESTINATIONS)) {
    const rounds = roundsOf(name)
    await Promise.all(Array.from({ length: rounds }, (_, round) => deliver(name, round)))
  }
  await deferrals(gateway, redis, tell)
  await reloads(t, gateway, file, OPERATOR)
  await until(
    'all is judged',
    () => told(gateway, 'delivery.confirmed').length === JUDGEMENTS.length,
  )
  await settled(prometheus, gateway)
  // Not the blocking way: the tracker answers from this process.
  await run(process.execPath, [MAIN, 'dead', 'discard', '--destination', 'needy', '--config', file], {
    env: { ...process.env, ...environment },
  }) // prettier-ignore
  await settled(prometheus, gateway)

  /** Of the gateway that is alone; series of 0 are left out. */
  const by = async (label: string, metric: string, more = '') => {
    const samples = await prometheus.query(`sum by (${label}) (${own(metric, more)})`)
    return new Map(
      samples
        .filter(({ value }) => value !== 0)
        .map(({ metric, value }) => [label.split(', ').map(name => metric[name]).join(' '), value]),
    ) // prettier-ignore
  }
  const sorted = <K>(map: ReadonlyMap<K, number>) =>
    [...map].sort(([a], [b]) => (String(a) < String(b) ? -1 : 1))

  /** Everything that was answered so far: in Prometheus, and in the log. */
  async function agrees(t: Test): Promise<void> {
    const outcomes = new Map<string, number>()
    const refused = { rejected: new Map<string, number>(), deferred: new Map<string, number>() }
    for (const [key, times] of journal.reasons) {
      const [network = '', reason] = key.split(' ')
      const { outcome } = REASONS[reason as Reason]
      count(outcomes, `${network} ${outcome}`, times)
      if (outcome === 'rejected' || outcome === 'deferred') count(refused[outcome], key, times)
    }
    t.same(sorted(await by('network, outcome', 'postern_postbacks_total')), sorted(outcomes))
    for (const [outcome, expected] of Object.entries(refused)) {
      t.same(sorted(await by('network, reason', `postern_postbacks_${outcome}_total`)), sorted(expected)) // prettier-ignore
    }
    t.same(sorted(await by('reason', 'postern_unrouted_requests_total')), sorted(journal.unrouted))
    const codes = new Map([...journal.statuses].map(([code, times]) => [String(code), times]))
    t.same(sorted(await by('code', 'postern_inbound_requests_total')), sorted(codes))
    const methods = await by('method', 'postern_inbound_requests_total')
    t.equal(methods.get('other'), journal.reasons.get('main method_not_allowed'), 'also what was refused unread has its method') // prettier-ignore
    const timed = await prometheus.query(`sum(${own('postern_inbound_request_duration_seconds_count')})`) // prettier-ignore
    t.equal(timed[0]?.value, journal.answered, 'each was timed once')

    const lines = new Map<string, number>()
    const unrouted = new Map<string, number>()
    for (const { msg, network, reason } of gateway.lines) {
      if (msg === 'request.unrouted') count(unrouted, String(reason))
      else if (String(msg).startsWith('postback.'))
        count(lines, `${String(network)} ${String(reason)}`)
    }
    t.same(sorted(lines), sorted(journal.reasons), 'the log says the same')
    t.same(sorted(unrouted), sorted(journal.unrouted))
  }

  await t.test('what networks were answered', agrees)

  await t.test('nothing in the catalogue of statuses and results is missing', async t => {
    const statuses = await by('status', 'postern_conversions_total')
    t.same([...statuses.keys()].sort(), [...STATUSES].sort())
    const results = await by('result', 'postern_delivery_attempts_total')
    t.same([...results.keys()].sort(), [...ATTEMPT_RESULTS].sort())
    for (const [destination, { result }] of Object.entries(DESTINATIONS)) {
      const found = await by('result', 'postern_delivery_attempts_total', `destination="${destination}"`) // prettier-ignore
      t.same([...found.keys()], [result], destination)
    }
    const judged = new Map<string, number>()
    for (const judgement of judge.taken) count(judged, judgement)
    t.same([...judged.keys()].sort(), [...JUDGEMENTS].sort())
    t.same(
      sorted(await by('result', 'postern_destination_confirmations_total', 'destination="judges"')),
      sorted(judged),
    )
  })

  await t.test('deliveries add up', async t => {
    t.same(sorted(await by('destination', 'postern_deliveries_enqueued_total')), sorted(enqueued))
    const accounts = await by('account', 'postern_ledger_deliveries')
    const waiting = await prometheus.query(`sum(${own('postern_deliveries_pending')})`)
    const pending = waiting[0]?.value ?? -1
    const sent = [...enqueued.values()].reduce((a, b) => a + b, 0)
    t.equal(accounts.get('enqueued'), sent, 'the store counted the same')
    const delivered = accounts.get('delivered') ?? 0
    const dead = accounts.get('dead') ?? 0
    const discarded = accounts.get('discarded') ?? 0
    t.equal(discarded, 1, 'by the command line')
    t.equal(sent, delivered + dead + discarded + pending)
    const ended = await by('outcome', 'postern_deliveries_total')
    t.equal(ended.get('delivered'), delivered)
    t.equal(ended.get('dead'), dead + discarded)
    const gaps = await prometheus.query(own('postern_ledger_unaccounted_deliveries'))
    t.equal(gaps.length, Object.keys(DESTINATIONS).length)
    for (const { metric, value } of gaps) t.equal(value, 0, String(metric['destination']))
    for (const [name, { answers }] of Object.entries(DESTINATIONS)) {
      if (answers === undefined) continue
      // Probes of an open circuit go on while we look: wait for a moment at which both agree.
      await until(`${name} saw every attempt that is counted`, async () => {
        const query = own('postern_delivery_attempts_total', `destination="${name}"`)
        const [attempts] = await prometheus.query(`sum(${query})`)
        return attempts?.value === tracker.on(pathOf(name)).length
      })
    }
    const open = await by('destination', 'postern_destination_circuit_state', 'state!="closed"')
    t.ok(open.has('fails'), 'ten failures in a row opened its circuit')
  })

  await t.test('money is what was sent', async t => {
    const sums = await by('currency, status', 'postern_conversion_payout_sum', 'network="main"')
    const sent = Object.keys(DESTINATIONS).flatMap(name =>
      Array.from({ length: roundsOf(name) }, (_, i) => i + 1.5),
    )
    t.equal(sums.get('EUR approved'), 10)
    t.equal(sums.get('EUR reversed'), 10)
    t.equal(sums.get('USD declined'), 3)
    t.equal(sums.get('USD approved'), sent.reduce((a, b) => a + b, 0)) // prettier-ignore
  })

  await t.test('every rule works and every recording has values', async t => {
    const rules = await prometheus.rules()
    t.equal(rules.length, RULES)
    for (const { name, health, lastError } of rules) t.equal(health, 'ok', `${name} ${lastError}`)
    for (const { name } of rules.filter(rule => rule.name.includes(':'))) {
      t.ok((await prometheus.query(name)).length > 0, name)
    }
  })

  await t.test('alerts look at series that exist', async t => {
    const text = readFileSync(join(ROOT, 'grafana/prometheus/rules/alerts.yml'), 'utf8')
    const { groups } = parse(text) as { groups: { rules: { alert: string; expr: string }[] }[] }
    for (const { alert, expr } of groups.flatMap(group => group.rules)) {
      for (const { metric, matchers } of readPromql(expr).selectors) {
        const inner = matchers.map(
          ({ label, op, value }) => `${label}${op}${JSON.stringify(value)}`,
        )
        const found = await prometheus.query(`${metric}{${inner.join(',')}}`)
        t.ok(found.length > 0, `${alert}: ${metric}{${inner.join(',')}}`)
      }
    }
  })

  for (const name of readdirSync(join(ROOT, 'grafana/dashboards'))) {
    await t.test(`every panel of ${name} shows something`, async t => {
      for (const { title, targets = [] } of panelsIn(dashboardOf(name))) {
        for (const { expr } of targets) {
          t.ok(hasNumber(await prometheus.query(shownQuery(expr, WINDOW))), `${title}: ${expr}`)
        }
      }
      await saysSomething(t, name, prometheus)
    })
  }
  for (const [file, name, chosen, isOpened] of [
    ['overview', 'overview', {}, true],
    ['network', 'network', { network: 'main' }, true],
    ['destination', 'destination', { destination: 'fails' }, true],
    ['destination-locked', 'destination', { destination: 'locked' }, true],
    ['destination-judges', 'destination', { destination: 'judges' }, true],
    ['runtime', 'runtime', { job: ALONE }, false],
    ['runtime-no-proxy', 'runtime', { job: ALONE }, true],
    ['runtime-front', 'runtime', { job: FRONT }, true],
  ] as const) {
    await preview(file, prometheus, dashboardOf(`${name}.json`), chosen, isOpened)
  }

  await t.test('a gateway that ends counts what it still refuses', async t => {
    // What hangs keeps the process, and with it its metrics, while it drains.
    const { length: before } = tracker.on('/good')
    tracker.behave.set('/good', 'hang')
    tell('new', await sendTo(gateway, 'cid=c&tid=held&payout=1&to=good'), 'main')
    await until('an attempt hangs', () => tracker.on('/good').length > before)
    await endWhile(t, { gateway, tell })
    await scraped(prometheus)
    const ready = await fetch(`${gateway.admin}/readyz`)
    t.same([ready.status, gateway.process.exitCode], [503, null], 'it still drains')
    t.same(await by('reason', 'postern_postbacks_deferred_total', 'reason="draining"'), new Map([['draining', 3]])) // prettier-ignore
    await agrees(t)
    await tracker.close()
    t.equal((await gateway.exited).code, 0)
  })

  const seen = new Set([
    ...[...journal.reasons.keys()].map(key => key.split(' ')[1]),
    ...journal.unrouted.keys(),
  ])
  t.same([...REASON_CODES].filter(reason => !seen.has(reason)), [], 'every reason was seen') // prettier-ignore
})

interface Front {
  readonly gateway: Gateway
  readonly redis: Awaited<ReturnType<typeof startRedis>>
  readonly origin: Origin
}

/** A gateway in front of a tracker, compared with a second one. */
async function startFront(t: Test): Promise<Front> {
  const folder = temporaryFolder(t)
  const redis = await startRedis(t, { args: ['--maxmemory', '256mb'] })
  const destinations = await startTracker(t)
  const statusOf = ({ target }: Seen) => Number(/[?&]say=(\d+)/.exec(target)?.[1] ?? 200)
  const origin = await startOrigin(t, (seen, response) => {
    // Longer than the gateway waits.
    if (!seen.target.includes('hang')) say(statusOf(seen))(seen, response, undefined as never)
  })
  const shadow = await startOrigin(t, (seen, response) => {
    if (seen.target.includes('differ')) say(500)(seen, response, undefined as never)
    else if (seen.target.includes('cut')) response.destroy()
    else if (!seen.target.includes('slow')) say(200)(seen, response, undefined as never)
  })
  const networks = ['net', 'flood']
  const file = install(folder, {
    store: { type: 'redis', redis: { url: redis.url } },
    tracker: destinations.url,
    more: {
      networks: Object.fromEntries(
        networks.map(name => [name, { rule: 'net', tokens: ['${TEST_TOKEN}'] }]),
      ),
      proxy: {
        upstream: origin.url,
        timeout_ms: 500,
        body_bytes: 1024,
        postbacks: [{ path: '/{network}/{token}' }],
        delivery: { retry_schedule_ms: [50] },
        shadow: { upstream: shadow.url, timeout_ms: 3000, in_flight: 1 },
      },
    },
  })
  return { gateway: await startGateway(t, file, { TEST_TOKEN: INSTALLED }), redis, origin }
}

async function driveFront(
  t: Test,
  { gateway, redis, origin }: Front,
  prometheus: Prometheus,
): Promise<void> {
  const taps = new Map<string, number>()
  const codes = new Map<string, number>()
  const compared = new Map<string, number>()
  const shown = async (metric: string, label: string) => {
    const found = new Map<string, number>()
    for (const [labels, value] of await series(gateway, metric)) {
      const name = new RegExp(`${label}="(\\w+)"`).exec(labels)?.[1] ?? ''
      if (value > 0) count(found, name, value)
    }
    return found
  }
  const agree = async (metric: string, label: string, journal: ReadonlyMap<string, number>) => {
    await until(`${metric} is that of the journal`, async () => {
      const found = await shown(metric, label)
      return found.size === journal.size && [...journal].every(([key, n]) => found.get(key) === n)
    }).catch(async () => t.same(await shown(metric, label), journal, metric))
  }
  const pass = async (path: string, expected: number, init: RequestInit = {}) => {
    const response = await fetch(gateway.url + path, init)
    await response.arrayBuffer()
    t.equal(response.status, expected, path.slice(0, 60))
    count(codes, String(expected))
  }
  /** `answer`: of the shadow; `hurries`: does not wait for it. */
  const tap = async (tid: string, result: string, answer: string, more = '', token = INSTALLED) => {
    const path = `/net/${token}?cid=c&tid=${tid}&payout=1.50${more}`
    await pass(path, Number(/say=(\d+)/.exec(more)?.[1] ?? 200))
    count(taps, result)
    count(compared, answer)
    if (!tid.startsWith('slow')) await agree('postern_proxy_shadow_answers_total', 'result', compared) // prettier-ignore
  }
  const other = { method: 'POST', body: 'x'.repeat(5000) }

  await pass('/landing', 200)
  await pass('/landing?say=404', 404)
  await pass('/hang', 504)
  await pass('/upload', 413, other)
  await tap('one', 'copied', 'agree')
  await tap('forged', 'copied', 'agree', '', 'wrong')
  // What the tracker refused is no conversion there: it is not verified either.
  await tap('forged-refused', 'refused', 'differ', '&say=404', 'wrong')
  await tap('refused', 'refused', 'differ', '&say=404')
  await tap('many', 'unread', 'agree', `&${Array.from({ length: 120 }, (_, i) => `p${i}=1`).join('&')}`) // prettier-ignore
  await tap('differ', 'copied', 'differ')
  await tap('cut', 'copied', 'failed')
  // While the shadow is at one, others are not compared.
  await tap('slow', 'copied', 'failed')
  await tap('skipped', 'copied', 'skipped')
  await agree('postern_proxy_shadow_answers_total', 'result', compared)

  // One after the other: the shadow takes one at a time.
  for (const token of [INSTALLED, 'wrong']) {
    await origin.stop()
    await pass('/landing', 502)
    const answer = await fetch(`${gateway.url}/net/${token}?cid=c&tid=stored-${token}&payout=1.50`)
    t.equal(answer.status, 200, 'a postback is stored')
    count(taps, 'stored')
    await origin.start()
    count(compared, 'agree')
    await agree('postern_proxy_shadow_answers_total', 'result', compared)
  }
  await until('nothing waits for the tracker', async () => {
    const [waiting] = await prometheus.query('sum(postern_deliveries_pending{destination="proxy-upstream-tap"})') // prettier-ignore
    return waiting?.value === 0
  })

  // A store that takes nothing: a thousand copies wait for it, and the others are given up.
  const given = 3
  await redis.admin.config('SET', 'maxmemory', '1mb')
  for (let sent = 0; sent < 1000 + given; sent += 59) {
    const ids = Array.from({ length: 59 }, (_, i) => sent + i)
    await Promise.all(
      ids.map(id => pass(`/flood/${INSTALLED}?cid=c&tid=flood-${id}&payout=1.50`, 200)),
    )
  }
  count(taps, 'dropped', given)
  await agree('postern_proxy_taps_total', 'result', taps)
  await redis.admin.config('SET', 'maxmemory', '256mb')
  count(taps, 'copied', 1000)
  await agree('postern_proxy_taps_total', 'result', taps)
  await agree('postern_proxy_requests_total', 'code', codes)
  await agree('postern_proxy_taps_unverified_total', 'reason', new Map([['secret_mismatch', 2]]))
  await agree('postern_proxy_taps_unverified_total', 'network', new Map([['net', 2]]))
  const answered = [...codes.values()].reduce((a, b) => a + b, 0)
  const timed = await shown('postern_proxy_request_duration_seconds_count', 'upstream')
  t.same(timed, new Map([['tracker', answered]]), 'each was timed once')

  await settled(prometheus, gateway)
}

const dashboardOf = (name: string) =>
  JSON.parse(readFileSync(join(ROOT, 'grafana/dashboards', name), 'utf8')) as PreviewDashboard

/** Nothing shows "No data": where a panel is empty, by itself it says why. */
async function saysSomething(t: Test, name: string, prometheus: Prometheus): Promise<void> {
  for (const { title, targets = [], fieldConfig } of panelsIn(dashboardOf(name))) {
    if (fieldConfig?.defaults.noValue !== undefined) continue
    for (const one of ONE_OF[name] ?? [{}]) {
      const shown = targets.map(({ expr }) =>
        prometheus.query(shownQuery(expr, WINDOW, { job: ALONE, ...one })),
      )
      const found = (await Promise.all(shown)).flat()
      t.ok(found.length > 0, `${title} says something of ${JSON.stringify(one)}`)
    }
  }
}

/** With POSTERN_PREVIEW=folder: the dashboard as a page, to be looked at. */
async function preview(
  file: string,
  prometheus: Prometheus,
  dashboard: PreviewDashboard,
  chosen: Readonly<Record<string, string>>,
  isOpened: boolean,
): Promise<void> {
  const folder = process.env['POSTERN_PREVIEW']
  if (folder === undefined) return
  const page = await previewPage(dashboard, prometheus.url, WINDOW, chosen, isOpened)
  writeFileSync(join(folder, `${file}.html`), page)
}

/** Many at once for two of them: the circuit of one opens while deliveries wait in memory. */
function roundsOf(destination: string): number {
  if (destination === 'judges') return JUDGEMENTS.length
  return destination === 'good' || destination === 'fails' ? ROUNDS : 1
}

const own = (metric: string, more = '') => `${metric}{job="${ALONE}"${more && ','}${more}}`
const told = (gateway: Gateway, fact: string) => gateway.lines.filter(line => line['msg'] === fact)

/** One network in the same hour of a week ago, which panels and rules compare with. */
function lastWeek(): string {
  const now = Math.floor(Date.now() / 1000) - 7 * 86_400
  const labels = `job="${ALONE}",instance="127.0.0.1:1",network="main",outcome="accepted"`
  const samples = Array.from({ length: 90 }, (_, minute) => {
    return `postern_postbacks_total{${labels}} ${minute} ${now + (minute - 70) * 60}\n`
  })
  return `# TYPE postern_postbacks counter\n${samples.join('')}# EOF\n`
}

const hasNumber = (samples: readonly Sample[]) => samples.some(({ value }) => !Number.isNaN(value))

async function sendTo(gateway: Gateway, query: string, network = 'main'): Promise<number> {
  const path = main(query).replace('/in/main/', `/in/${network}/`)
  const response = await fetch(`${gateway.url}${path}`)
  await response.arrayBuffer()
  return response.status
}

/** The store full, away, and more postbacks at once than the limit. */
async function deferrals(
  gateway: Gateway,
  redis: Awaited<ReturnType<typeof startRedis>>,
  tell: (reason: Reason, status: number, network: string) => void,
): Promise<void> {
  // To nowhere: whether Redis runs it later must not change what is counted.
  const query = (i: number) => `cid=c&tid=later-${i}&to=nowhere`
  await redis.admin.config('SET', 'maxmemory', '1mb')
  tell('store_full', await sendTo(gateway, query(0)), 'main')
  await redis.admin.config('SET', 'maxmemory', '256mb')
  await redis.kill('SIGSTOP')
  const statuses = await Promise.all(
    Array.from({ length: 60 }, (_, i) => sendTo(gateway, query(i + 1))),
  )
  await redis.kill('SIGCONT')
  const overloaded = gateway.lines.filter(line => line['reason'] === 'overloaded').length
  statuses.forEach((status, i) => {
    tell(i < overloaded ? 'overloaded' : 'store_unavailable', status, 'main')
  })
  await until('the store is back', async () => (await fetch(`${gateway.admin}/readyz`)).ok)
}

/** SIGTERM while requests are on their way in, on connections that are open: they are refused. */
async function endWhile(
  t: Test,
  { gateway, tell }: { gateway: Gateway; tell: (reason: Reason, status: number, network?: string) => void }, // prettier-ignore
): Promise<void> {
  const port = Number(new URL(gateway.url).port)
  const probe = `GET ${main('').replace('?', '')} HTTP/1.1\r\nhost: a\r\n`
  const late: [path: string, network: string | undefined][] = [
    [main('cid=c&tid=late-1&payout=1'), 'main'],
    [main('cid=c&tid=late-2&payout=1'), 'main'],
    ['/in/signed?cid=c&tid=late-3&payout=1', 'signed'],
    ['/in/nobody?cid=c', undefined],
  ]
  const ask = async (connection: ReturnType<typeof open>) => {
    connection.send(`${probe}\r\n`)
    tell('probe', (await connection.next())?.status ?? 0, 'main')
  }
  const begun = []
  for (const [path, network] of late) {
    const connection = open(port)
    await ask(connection)
    connection.send(`GET ${path} HTTP/1.1\r\nhost: a\r\n`)
    begun.push({ connection, network })
  }
  // What was sent before this was read before it.
  const other = open(port)
  await ask(other)
  other.end()
  gateway.process.kill('SIGTERM')
  await until('it is stopping', () => told(gateway, 'gateway.stopping').length > 0)
  for (const { connection, network } of begun) {
    connection.send('\r\n')
    const answer = await connection.next()
    t.same([answer?.status, answer?.headers['connection']], [503, 'close'])
    tell('draining', answer?.status ?? 0, network)
  }
}

/** A broken configuration is refused; one without the spare network and destination is taken. */
async function reloads(t: Test, gateway: Gateway, file: string, token: string): Promise<void> {
  const good = readFileSync(file, 'utf8')
  const spare = async () => {
    const headers = { authorization: `Bearer ${token}` }
    const text = await (await fetch(`${gateway.admin}/metrics`, { headers })).text()
    return text.split('\n').filter(line => line.includes(`="${SPARE}"`)).length
  }
  t.ok((await spare()) > 0, 'what is configured has series')
  const { length: loaded } = told(gateway, 'config.loaded')
  writeFileSync(file, `${good}\nnonsense: true\n`)
  await until('the fault is seen', () => told(gateway, 'config.refused').length > 0)
  const { networks, destinations, ...rest } = parse(good) as Record<string, object>
  const without = (all: object | undefined) =>
    Object.fromEntries(Object.entries(all ?? {}).filter(([name]) => name !== SPARE))
  writeFileSync(file, stringify({ ...rest, networks: without(networks), destinations: without(destinations) })) // prettier-ignore
  await until('the file is taken again', () => told(gateway, 'config.loaded').length > loaded)
  await until('what was removed has none', async () => (await spare()) === 0)
}

/** Every gauge is from after now, and Prometheus has it, and rules have run over it. */
async function settled(prometheus: Prometheus, gateway: Gateway): Promise<void> {
  await until('nothing is on its way', async () => {
    const [busy] = await prometheus.query(
      'sum(postern_deliveries_in_memory) + sum(postern_deliveries_pending{state="journal"})',
    )
    return busy?.value === 0
  })
  await scraped(prometheus)
  if (gateway.process.exitCode !== null) throw new Error('the gateway ended')
}

/** Prometheus has looked at the gateway after it looked at the store after now. */
async function scraped(prometheus: Prometheus): Promise<void> {
  const now = Date.now() / 1000
  for (const query of [
    'min(postern_metrics_collected_timestamp_seconds)',
    'max(timestamp(job_network:postern_postbacks:rate15m)) - 2',
  ]) {
    await until(`Prometheus has ${query} of now`, async () => {
      const [sample] = await prometheus.query(query)
      return (sample?.value ?? 0) > now
    })
  }
}

const RULES = ['recording', 'alerts']
  .map(name => readFileSync(join(ROOT, `grafana/prometheus/rules/${name}.yml`), 'utf8'))
  .flatMap(text => (parse(text) as { groups: { rules: unknown[] }[] }).groups)
  .flatMap(group => group.rules).length

/** The rules as they are, but evaluated at once and not every 15 minutes. */
function copyRules(folder: string): string[] {
  return ['recording', 'alerts'].map(name => {
    const text = readFileSync(join(ROOT, `grafana/prometheus/rules/${name}.yml`), 'utf8')
    const rules = parse(text) as { groups: { interval?: string }[] }
    for (const group of rules.groups) delete group.interval
    const file = join(folder, `${name}.yml`)
    writeFileSync(file, stringify(rules))
    return file
  })
}

/** Reads a request, and hangs up without an answer. */
async function startCutter(t: Test): Promise<string> {
  const server = createServer(socket => {
    socket.on('error', () => undefined)
    socket.once('data', () => socket.destroy())
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
