/**
 * What watching costs: CPU of a scrape with 100 networks and 30 destinations, and of the events of
 * one postback with two deliveries, against functions that do nothing. The share of a whole gateway
 * is measured by metrics-gateway.ts.
 *
 *   node --import @tapjs/typescript/import bench/metrics.ts
 *
 * Compare runs of the same machine only.
 */
import { createEvents, type PostbackFact } from '../src/observe/events.ts'
import { createLogger } from '../src/observe/logger.ts'
import { createMetrics } from '../src/observe/metrics.ts'
import { systemClock } from '../src/base/clock.ts'
import type { Attempt } from '../src/model/delivery.ts'

const NETWORKS = 100
const DESTINATIONS = 30
const ROUNDS = 5
const POSTBACKS = 200_000
const SCRAPES = 20
/** Of CPU; a scrape of more fails the run. */
const SCRAPE_LIMIT_MS = 50
/** CPU of a whole postback with two destinations, from Redis to both answers, at its best. */
const WHOLE_POSTBACK_US = 66

const networks = Array.from({ length: NETWORKS }, (_, i) => `network-${i}`)
const destinations = Array.from({ length: DESTINATIONS }, (_, i) => `destination-${i}`)

const metrics = createMetrics()
const logger = createLogger({
  level: 'info',
  format: 'json',
  isTerminal: false,
  secrets: () => [],
  clock: systemClock,
  write: () => {},
})
const events = createEvents(logger, metrics, () => systemClock.now() / 1000)
events.configured({
  networks: networks.map(id => ({ id, maxSilenceSeconds: 3600, currency: 'USD' })),
  destinations,
})

const facts = networks.map((network, i): PostbackFact => {
  return {
    network,
    method: i % 2 ? 'GET' : 'POST',
    outcome: 'accepted',
    reason: 'new',
    detail: undefined,
    httpStatus: 200,
    durationMs: 2,
    bodyBytes: 300,
    client: '203.0.113.7',
    receivedAt: systemClock.now(),
    conversion: { network, status: 'approved', payout: '12.50', currency: i % 3 ? 'USD' : 'EUR' },
    record: `o-${i}-0`,
    destinations: [
      destinations[i % DESTINATIONS] ?? '',
      destinations[(i + 1) % DESTINATIONS] ?? '',
    ],
  }
})

interface Told {
  postback(fact: PostbackFact): void
  deduped(verdict: 'new'): void
  replayed(isHit: boolean): void
  attempted(attempt: Attempt): void
  ended(fact: Parameters<typeof events.ended>[0]): void
}

/** Everything that is told of one postback on the happy path. */
function tellAll(told: Told, fact: PostbackFact): void {
  told.replayed(false)
  told.deduped('new')
  told.postback(fact)
  for (const destination of fact.destinations) {
    told.attempted({
      deliveryId: 'd',
      record: 'r',
      destination,
      network: fact.network,
      status: 'approved',
      attempt: 1,
      result: 'ok',
      httpStatus: 200,
      durationMs: 40,
      detail: undefined,
    })
    told.ended({
      destination,
      network: fact.network,
      outcome: 'delivered',
      reason: undefined,
      attempts: 1,
      latencyMs: 50,
    })
  }
}

const nothing: Told = {
  postback: () => {},
  deduped: () => {},
  replayed: () => {},
  attempted: () => {},
  ended: () => {},
}

/** CPU of this process in µs. */
function cpu(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}

function costOf(told: Told): number {
  const before = cpu()
  for (let i = 0; i < POSTBACKS; i++) {
    const fact = facts[i % NETWORKS]
    if (fact) tellAll(told, fact)
  }
  return (cpu() - before) / POSTBACKS
}

async function costOfScrape(): Promise<{ ms: number; bytes: number; lines: number }> {
  let text = ''
  const before = cpu()
  for (let i = 0; i < SCRAPES; i++) text = await metrics.registry.metrics()
  const ms = (cpu() - before) / SCRAPES / 1000
  return { ms, bytes: text.length, lines: text.split('\n').length }
}

const median = (values: number[]) =>
  values.sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

costOf(events)
costOf(nothing)
const added: number[] = []
// Interleaved, so that a slow moment of the machine hits both.
for (let round = 0; round < ROUNDS; round++) added.push(costOf(events) - costOf(nothing))
const perPostback = median(added)
console.log(`events of one postback with 2 deliveries   ${perPostback.toFixed(2)} µs CPU`)
console.log(
  `share of a whole postback (${WHOLE_POSTBACK_US} µs)            ${((100 * perPostback) / WHOLE_POSTBACK_US).toFixed(1)} %`,
)

// The worst realistic scrape: every network was rejected for many reasons, every lane is in use.
for (const fact of facts) {
  for (const reason of ['param_missing', 'amount_invalid', 'status_unknown', 'macro_unreplaced', 'encoding_invalid'] as const) {
    events.postback({ ...fact, outcome: 'rejected', reason, httpStatus: 400 })
  }
  events.postback({ ...fact, outcome: 'rejected', reason: 'secret_mismatch', httpStatus: 401 })
} // prettier-ignore
for (const destination of destinations) {
  metrics.pending.set(1, destination, 'journal')
  metrics.pending.set(1, destination, 'queue')
  metrics.overdue.set(0, destination)
  metrics.deadLetters.set(0, destination)
  metrics.ledger.set(0, destination)
  for (const account of ['enqueued', 'delivered', 'dead', 'discarded']) {
    metrics.accounts.set(1, destination, account)
  }
}
const scrape = await costOfScrape()
console.log(
  `scrape of ${NETWORKS} networks × ${DESTINATIONS} destinations      ${scrape.ms.toFixed(1)} ms CPU, ${scrape.lines} lines, ${(scrape.bytes / 1024).toFixed(0)} KiB`,
)
if (scrape.ms >= SCRAPE_LIMIT_MS) throw new Error(`a scrape may cost ${SCRAPE_LIMIT_MS} ms of CPU`)
