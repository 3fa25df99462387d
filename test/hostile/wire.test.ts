/**
 * Every bad request, as bytes, at a running gateway. After each row: the process serves on, over a
 * new connection and over the same one where that survived; one counter has moved for each answer;
 * nothing is stored but what was accepted; and at the end no secret and nothing of what was refused
 * is in any log line or metric.
 */
import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { request } from 'undici'
import t, { type Test } from 'tap'
import { REASONS, type Reason } from '../../src/reasons.ts'
import { startGateway, temporaryFolder, writeConfig, type Gateway } from '../support/gateway.ts'
import { open, type RawConnection, type RawResponse } from '../support/raw-client.ts'
import { startTracker, type Tracker } from '../support/tracker.ts'
import { until } from '../support/until.ts'
import { ADMIN, bytesOf, head, readRows, SECRET, TOKEN, WIRE, type WireFile, type WireRow } from './rows.ts' // prettier-ignore

// Many rows, each with several round trips: a busy machine needs its time.
t.setTimeout(180_000)

const NETWORKS = ['net', 'tapped', 'prober', 'listed', 'fresh', 'signed', 'based', 'joined']

interface Scene {
  readonly gateway: Gateway
  readonly tracker: Tracker
  readonly ports: { readonly public: number; readonly admin: number }
  good(connection: RawConnection): Promise<RawResponse | undefined>
  /** Good requests so far. */
  goods(): number
  numbers: Numbers
}

for (const name of WIRE) {
  const file = readRows<WireFile>(name)
  t.test(`${name}: ${file.title}`, async t => {
    const scene = await setUp(t, file)
    const sent: { row: WireRow; bytes: Buffer; isRefused: boolean }[] = []
    for (const [index, row] of file.rows.entries()) {
      const bytes = bytesOf(
        row,
        `${name.slice(0, 4).padEnd(4, '-')}${String(index).padStart(4, '0')}`,
      )
      const isRefused = await runRow(t, scene, row, bytes)
      sent.push({ row, bytes, isRefused })
    }
    await checkTraces(t, scene, sent)
  })
}

async function setUp(t: Test, file: WireFile): Promise<Scene> {
  const folder = temporaryFolder(t)
  const tracker = await startTracker(t)
  const rules = join(folder, 'rules')
  cpSync(join(import.meta.dirname, 'rules'), rules, { recursive: true })
  const tokens = { tokens: ['${HOSTILE_TOKEN}'] }
  const secrets = { secrets: ['${HOSTILE_SECRET}'] }
  const more = withTracker(file.gateway ?? {}, tracker.url)
  tracker.behave.set('/unavailable', 503)
  const config = writeConfig(folder, {
    rules: [rules],
    log: { level: 'debug' },
    store: { type: 'lmdb', path: join(folder, 'data') },
    ...more,
    server: { listen: '127.0.0.1:0', ...(more['server'] as object) },
    admin: { listen: '127.0.0.1:0', collect_interval_ms: 250, ...(more['admin'] as object) },
    networks: merge(
      {
        net: tokens,
        tapped: tokens,
        prober: tokens,
        fresh: tokens,
        off: { rule: 'net', enabled: false, ...tokens },
        good: { rule: 'net', ...tokens },
        listed: {},
        signed: secrets,
        based: secrets,
        joined: secrets,
      },
      more['networks'],
    ),
    destinations: {
      tracker: {
        rule: 'hostile-tracker',
        settings: { base: tracker.url },
        allow_private: ['127.0.0.1/32'],
      },
    },
    routes: [{ from: NETWORKS, to: ['tracker'] }],
  })
  const gateway = await startGateway(t, config, {
    HOSTILE_TOKEN: TOKEN,
    HOSTILE_SECRET: SECRET,
    HOSTILE_ADMIN: ADMIN,
  })
  let count = 0
  const scene: Scene = {
    gateway,
    tracker,
    ports: { public: portOf(gateway.url), admin: portOf(gateway.admin) },
    good: async connection => {
      connection.send(head(`GET /in/good/${TOKEN}?tid=good-${count++}`, file.good))
      return connection.next()
    },
    goods: () => count,
    numbers: { text: '', series: new Map() },
  }
  scene.numbers = await scrape(gateway)
  return scene
}

/** `TRACKER` is its URL. */
function withTracker(gateway: object, url: string): Readonly<Record<string, unknown>> {
  return JSON.parse(JSON.stringify(gateway).replaceAll('TRACKER', url)) as Record<string, unknown>
}

function merge(networks: Record<string, object>, more: unknown): Record<string, object> {
  const merged = { ...networks }
  for (const [name, part] of Object.entries((more ?? {}) as Record<string, object>)) {
    merged[name] = { ...merged[name], ...part }
  }
  return merged
}

function portOf(url: string): number {
  return Number(new URL(url).port)
}

/** True where nothing of the row was accepted. One assertion a row: they are many. */
async function runRow(t: Test, scene: Scene, row: WireRow, bytes: Buffer): Promise<boolean> {
  const label = `${row.row} ${row.input}`
  const { gateway, ports } = scene
  const goodsBefore = scene.goods()
  const connection = open(row.listener === 'admin' ? ports.admin : ports.public)
  connection.send(bytes)
  const expected = expectedOf(row)
  const answers: (RawResponse | undefined)[] = []
  const total = row.count ?? expected.length
  for (let i = 0; i < total; i++) answers.push(await connection.next(row.isHead))

  const isClosed = answers.at(-1)?.headers['connection'] === 'close'
  const goesOn = !row.closes && !isClosed && row.listener === undefined && row.some === undefined
  const after = row.closes
    ? await connection.closed
    : goesOn && (await scene.good(connection))?.status
  connection.end()
  const fresh = open(ports.public)
  const servedOn = (await scene.good(fresh))?.status
  fresh.end()

  const before = scene.numbers
  const now = (scene.numbers = await scrape(gateway))
  const moved = (count: (numbers: Numbers) => number) => count(now) - count(before)
  const wanted = (word: string) => expected.filter(one => one.word === word).length
  const words = ['accepted', 'duplicate', 'ignored'] as const
  const isWhole = row.some === undefined
  t.same(
    {
      answers: isWhole ? compare(row, answers, expected) : compareSome(row.some ?? '', answers),
      after,
      servedOn,
      counted: moved(answered),
      ...(isWhole && {
        outcomes: words.map(word => moved(numbers => outcomes(numbers, word))),
        stored: moved(stored) - (scene.goods() - goodsBefore),
      }),
    },
    {
      answers: isWhole ? tally(expected.map(textOf)) : 'some',
      after: row.closes ? '' : goesOn && 200,
      servedOn: 200,
      counted: row.counts ?? row.count ?? expected.filter(({ status }) => status !== 100).length,
      ...(isWhole && { outcomes: words.map(wanted), stored: wanted('accepted') }),
    },
    label,
  )
  await checkDelivery(t, scene, row, label)
  return isWhole && wanted('accepted') === 0
}

interface Expected {
  readonly status: number
  /** Reason, or the outcome of a 200. */
  readonly word: string | undefined
}

function expectedOf({ answer, answers = [], some }: WireRow): readonly Expected[] {
  if (some !== undefined) return []
  return [...answers, ...(answer === undefined ? [] : [answer])].flatMap(text => {
    const [, status = '', word, times = '1'] = /^(\d{3})(?: (\w+))?(?: \*(\d+))?$/.exec(text) ?? []
    return Array.from({ length: Number(times) }, () => ({ status: Number(status), word }))
  })
}

function textOf({ status, word }: Expected): string {
  return status === 200 || word === undefined ? String(status) : `${status} ${word}`
}

/** What came, as the row writes it; what is wrong with an answer beside it. */
function compare(
  row: WireRow,
  answers: readonly (RawResponse | undefined)[],
  expected: readonly Expected[],
): string {
  return tally(
    answers.map((answer, index) => {
      if (!answer) return 'nothing'
      const { status, headers, body } = answer
      const word = expected[index]?.word
      // Not in the words of postbacks: interim answers, the admin listener, what is passed on.
      if (word === undefined) return String(status)
      if (headers['x-content-type-options'] !== 'nosniff') return `${status} without nosniff`
      if (status === 200) return '200'
      if (row.isHead) return `${status} ${word}`
      const { ok, reason } = JSON.parse(body) as { ok: boolean; reason: Reason }
      if (ok || REASONS[reason].http !== status) return `${status} with the body ${body}`
      return `${status} ${reason}`
    }),
  )
}

function compareSome(some: string, answers: readonly (RawResponse | undefined)[]): string {
  const refused = answers.filter(answer => `${answer?.status} ${reasonOf(answer)}` === some)
  const served = answers.filter(answer => answer?.status === 200 || answer?.status === 404)
  if (refused.some(answer => answer?.headers['retry-after'] !== '1')) return 'no Retry-After'
  const isSome = refused.length > 0 && served.length > 0
  const isAll = refused.length + served.length === answers.length
  return isSome && isAll ? 'some' : `${refused.length} refused, ${served.length} served`
}

function reasonOf(answer: RawResponse | undefined): string {
  return answer?.body.startsWith('{') ? (JSON.parse(answer.body) as { reason: string }).reason : ''
}

/** In order, with neighbours that are equal counted. */
function tally(values: readonly unknown[]): string {
  const runs: [unknown, number][] = []
  for (const value of values) {
    const run = runs.at(-1)
    if (run && run[0] === value) run[1]++
    else runs.push([value, 1])
  }
  return runs.map(([value, count]) => `${String(value)}×${count}`).join(' ')
}

async function checkDelivery(t: Test, scene: Scene, row: WireRow, label: string): Promise<void> {
  const { delivered, dead } = row
  if (delivered) {
    const isIt = ({ query }: Tracker['arrivals'][number]) => query.get('tid') === delivered['tid']
    await until(label, () => scene.tracker.arrivals.some(isIt))
    const arrivals = scene.tracker.arrivals.filter(isIt)
    t.equal(arrivals.length, 1, `${label}: delivered once`)
    const got = arrivals[0]
    for (const [name, value] of Object.entries(delivered)) {
      t.equal(got?.query.get(name), value, `${label}: ${name}`)
    }
    t.match(got?.path, /^\/got\/[^/]+$/, `${label}: the path keeps its shape`)
  }
  if (row.passed) {
    const { target, headers = {}, without = [] } = row.passed
    const got = scene.tracker.arrivals.filter(arrival => arrival.target === target)
    t.equal(got.length, 1, `${label}: passed on once`)
    t.match(got[0]?.headers, headers, `${label}: headers`)
    for (const name of without) t.notOk(got[0]?.headers[name], `${label}: without ${name}`)
  }
  if (dead !== undefined) {
    const died = () => scene.gateway.lines.find(line => line['msg'] === 'delivery.died')
    await until(label, () => died() !== undefined)
    t.equal(died()?.['reason'], dead, `${label}: dead letter`)
  }
}

// --- what must not be seen --------------------------------------------------------------------

/** Words that a request and an honest log line share. */
const COMMON = /^(application|applicationxwwwformurlencoded)$/i

async function checkTraces(
  t: Test,
  { gateway, tracker, numbers }: Scene,
  sent: readonly { row: WireRow; bytes: Buffer; isRefused: boolean }[],
): Promise<void> {
  t.equal(gateway.process.exitCode, null, 'the process lives')
  const stopped = await gateway.kill('SIGTERM')
  t.equal(stopped.code, 0, 'and ends well')
  const output = gateway.output()
  for (const line of output.trim().split('\n')) {
    try {
      JSON.parse(line)
    } catch {
      t.fail(`not a line of JSON: ${line.slice(0, 80)}`)
    }
  }
  t.notMatch(output, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/, 'no control characters')
  for (const [where, text] of Object.entries({ log: output, metrics: numbers.text })) {
    for (const secret of [TOKEN, SECRET, ADMIN]) {
      t.notOk(text.includes(secret), `no ${secret} in the ${where}`)
    }
    const seen = sent.flatMap(({ row, bytes, isRefused }) => {
      if (!isRefused) return []
      const words = new Set(bytes.toString('latin1').match(/[A-Za-z0-9]{16,}/g) ?? [])
      const found = [...words].filter(word => !COMMON.test(word) && text.includes(word))
      return found.map(word => `${row.row} ${row.input}: ${word.slice(0, 40)}`)
    })
    t.same(seen, [], `nothing that was refused is in the ${where}`)
  }
  t.notMatch(numbers.text, /bogus|<script|alert\(|\[2J/, 'no label from a request')
  const delivered = tracker.arrivals.filter(({ path }) => path.startsWith('/got/'))
  const ids = delivered.map(({ query }) => query.get('tid'))
  t.equal(new Set(ids).size, ids.length, 'nothing was delivered twice')
  t.equal(({} as Record<string, unknown>)['x'], undefined)
}

// --- numbers -----------------------------------------------------------------------------------

interface Numbers {
  readonly text: string
  readonly series: ReadonlyMap<string, number>
}

const LINE =
  /^(?:# (?:HELP|TYPE) .+|([a-zA-Z0-9_:]+(?:\{(?:[a-z0-9_]+="(?:[^"\\\n]|\\.)*",?)*\})?) (-?[0-9.e+-]+|Nan|[+-]Inf))$/

async function scrape(gateway: Gateway): Promise<Numbers> {
  const headers = { authorization: `Bearer ${ADMIN}` }
  const response = await request(`${gateway.admin}/metrics`, { headers })
  const text = await response.body.text()
  const series = new Map<string, number>()
  for (const line of text.split('\n')) {
    if (line === '') continue
    const match = LINE.exec(line)
    if (!match) throw new Error(`not the text format: ${line}`)
    if (match[1] !== undefined) series.set(match[1], Number(match[2]))
  }
  return { text, series }
}

function sum({ series }: Numbers, name: string, filter: (labels: string) => boolean = () => true) {
  let total = 0
  for (const [key, value] of series) {
    const labels = key.startsWith(`${name}{`) ? key.slice(name.length) : undefined
    if (labels !== undefined && filter(labels)) total += value
  }
  return total
}

const isGood = (labels: string): boolean => labels.includes('network="good"')

/** Every answer is one postback of a network, one request of none, or one that was passed on. */
function answered(numbers: Numbers): number {
  const postbacks = sum(numbers, 'postern_postbacks_total', labels => !isGood(labels))
  const passed = sum(numbers, 'postern_proxy_requests_total')
  return postbacks + sum(numbers, 'postern_unrouted_requests_total') + passed
}

/** Conversions that the store has written. */
function stored(numbers: Numbers): number {
  return sum(numbers, 'postern_dedupe_lookups_total', labels => /"(new|update)"/.test(labels))
}

function outcomes(numbers: Numbers, outcome: string): number {
  return sum(
    numbers,
    'postern_postbacks_total',
    labels => !isGood(labels) && labels.includes(`outcome="${outcome}"`),
  )
}
