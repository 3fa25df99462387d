/**
 * The state that gateways share, looked at on a timer and not in the scrape: a slow store must not
 * make the metrics disappear. In: the store and the dispatcher's lanes. Out: gauges. Guarantees:
 * one look at a time; each look replaces all of the one before; values older than a minute go.
 */
import type { Clock } from '../base/clock.ts'
import { unaccounted, type Ledger, type Store } from '../store/store.ts'
import { showCircuit, type CircuitState } from './delivery-events.ts'
import type { Metrics } from './metrics.ts'

export interface LaneView {
  readonly destination: string
  readonly waiting: number
  readonly inFlight: number
  readonly circuit: CircuitState
}

export interface CollectorOptions {
  readonly store: Pick<Store, 'type' | 'ledgers' | 'safety' | 'size'>
  readonly metrics: Metrics
  readonly clock: Clock
  readonly intervalMs: number
  /** The dispatcher's lanes, read at each scrape. */
  readonly snapshot: () => readonly LaneView[]
  /** Postbacks being answered, read at each scrape. */
  readonly inFlight?: () => number
  /** After each look: whether the store answered. */
  readonly answered: (isUp: boolean) => void
  /** A look failed; the next one comes anyway. */
  readonly failed: (fact: { readonly operation: string; readonly error: unknown }) => void
}

export interface Collector {
  start(): void
  /** Resolves when no look is under way. */
  stop(): Promise<void>
  /** Looks now. Never rejects. */
  collect(): Promise<void>
}

/** Without a successful look for this long the shared gauges are withdrawn, not shown as if true. */
const STALE_MS = 60_000
/** Safety checks ask the server for its settings, which seldom change. */
const SAFETY_EVERY_MS = 20_000

export function createCollector(options: CollectorOptions): Collector {
  const { store, metrics, clock, intervalMs } = options
  let timer: NodeJS.Timeout | undefined
  let running: Promise<void> | undefined
  let isStopped = true
  let succeededAt = clock.monotonic()
  let safetyDueAt = 0

  metrics.beforeScrape(() => {
    metrics.time.set(clock.now() / 1000)
    if (options.inFlight) metrics.inFlight.set(options.inFlight())
    for (const { destination, waiting, inFlight, circuit } of options.snapshot()) {
      metrics.inMemory.set(waiting + inFlight, destination)
      metrics.attemptsInFlight.set(inFlight, destination)
      showCircuit(metrics, destination, circuit)
    }
  })

  async function look(): Promise<void> {
    const started = clock.monotonic()
    const startedAt = clock.now()
    try {
      const known = options.snapshot().map(lane => lane.destination)
      showLedgers(metrics, await store.ledgers(), known, startedAt)
      await showSafety()
      await showSize()
      metrics.collectedAt.set(startedAt / 1000)
      tell(true)
      succeededAt = clock.monotonic()
    } catch (error) {
      tell(false)
      if (clock.monotonic() - succeededAt > STALE_MS) withdraw(metrics)
      options.failed({ operation: 'look', error })
    }
    metrics.collectDuration.set((clock.monotonic() - started) / 1000)
  }

  function tell(isUp: boolean): void {
    metrics.storeUp.set(isUp ? 1 : 0, store.type)
    options.answered(isUp)
  }

  async function showSafety(): Promise<void> {
    if (clock.monotonic() < safetyDueAt) return
    const checks = await store.safety()
    safetyDueAt = clock.monotonic() + SAFETY_EVERY_MS
    metrics.storeSafety.clear()
    for (const { check, ok } of checks) metrics.storeSafety.set(ok ? 1 : 0, store.type, check)
  }

  async function showSize(): Promise<void> {
    const size = await store.size()
    if (!size) return
    metrics.storeSize.set(size.usedBytes, store.type)
    if (size.limitBytes !== undefined) metrics.storeLimit.set(size.limitBytes, store.type)
  }

  function collect(): Promise<void> {
    running ??= look().finally(() => {
      running = undefined
    })
    return running
  }

  function schedule(delayMs: number): void {
    if (isStopped) return
    timer = setTimeout(() => void collect().then(() => schedule(intervalMs)), delayMs)
    // Looking is no reason to stay alive.
    timer.unref()
  }

  return {
    collect,
    start: () => {
      isStopped = false
      schedule(0)
    },
    stop: async () => {
      isStopped = true
      clearTimeout(timer)
      await running
    },
  }
}

function showLedgers(
  metrics: Metrics,
  ledgers: readonly Ledger[],
  known: readonly string[],
  now: number,
): void {
  withdraw(metrics)
  for (const destination of known) show(metrics, { ...NOTHING, destination }, now)
  for (const ledger of ledgers) {
    // A removed destination stays as long as something of it is left.
    if (known.includes(ledger.destination) || isOwed(ledger)) show(metrics, ledger, now)
  }
}

const NOTHING: Omit<Ledger, 'destination'> = {
  enqueued: 0,
  delivered: 0,
  discarded: 0,
  dead: 0,
  pending: { journal: 0, queued: 0 },
  deadKept: 0,
  overdueMs: undefined,
}

function isOwed(ledger: Ledger): boolean {
  const { pending, deadKept } = ledger
  return pending.journal + pending.queued + deadKept > 0 || unaccounted(ledger) !== 0
}

function show(metrics: Metrics, ledger: Ledger, now: number): void {
  const { destination, pending, overdueMs } = ledger
  metrics.pending.set(pending.journal, destination, 'journal')
  metrics.pending.set(pending.queued, destination, 'queue')
  metrics.deadLetters.set(ledger.deadKept, destination)
  for (const account of ['enqueued', 'delivered', 'dead', 'discarded'] as const) {
    metrics.accounts.set(ledger[account], destination, account)
  }
  metrics.ledger.set(unaccounted(ledger), destination)
  metrics.overdue.set(overdueMs === undefined ? 0 : (now - overdueMs) / 1000, destination)
}

function withdraw(metrics: Metrics): void {
  metrics.pending.clear()
  metrics.deadLetters.clear()
  metrics.accounts.clear()
  metrics.ledger.clear()
  metrics.overdue.clear()
}
