/** The ledger as a gateway exports it, and as the store has it when no gateway is there. */
import { createLmdbStore } from '../../src/store/lmdb.ts'
import { createRedisStore } from '../../src/store/redis.ts'
import type { Gateway } from './gateway.ts'
import { until } from './until.ts'

/** Series of one metric: label text → value. */
export async function series(gateway: Gateway, metric: string): Promise<Map<string, number>> {
  const text = await (await fetch(`${gateway.admin}/metrics`)).text()
  const found = new Map<string, number>()
  for (const line of text.split('\n')) {
    const match = /^(\w+)(\{[^}]*\})? (\S+)$/.exec(line)
    if (match?.[1] === metric) found.set(match[2] ?? '', Number(match[3]))
  }
  return found
}

const total = (values: Map<string, number>) => [...values.values()].reduce((a, b) => a + b, 0)

/** Enqueued less everything that became of it, over all destinations, in absolute terms. */
export async function ledgerGap(gateway: Gateway): Promise<number> {
  const gaps = await series(gateway, 'postern_ledger_unaccounted_deliveries')
  if (gaps.size === 0) throw new Error('the ledger is not exported')
  return [...gaps.values()].reduce((sum, gap) => sum + Math.abs(gap), 0)
}

/** Deliveries not ended, by a reading of the store that began after this was called. */
export async function pendingDeliveries(gateway: Gateway): Promise<number> {
  await freshReading(gateway)
  return total(await series(gateway, 'postern_deliveries_pending'))
}

async function freshReading(gateway: Gateway): Promise<void> {
  const asked = Date.now() / 1000
  await until('the store is read again', async () => {
    const [read] = (await series(gateway, 'postern_metrics_collected_timestamp_seconds')).values()
    // A reading that ended within a second of the question may have begun before it.
    return (read ?? 0) > asked + 1
  })
}

export interface LedgerRow {
  readonly destination: string
  readonly enqueued: number
  readonly delivered: number
  readonly dead: number
  readonly discarded: number
  readonly pending: number
  readonly unaccounted: number
}

/** Every destination's ledger as this gateway last read it. */
export async function ledgersOf(gateway: Gateway): Promise<readonly LedgerRow[]> {
  const label = (text: string, name: string) =>
    new RegExp(`${name}="([^"]*)"`).exec(text)?.[1] ?? ''
  const accounts = [...(await series(gateway, 'postern_ledger_deliveries'))]
  const pending = [...(await series(gateway, 'postern_deliveries_pending'))]
  const gaps = [...(await series(gateway, 'postern_ledger_unaccounted_deliveries'))]
  const names = new Set(accounts.map(([labels]) => label(labels, 'destination')))
  return [...names].map(destination => {
    const of = (rows: [string, number][], account?: string) =>
      rows
        .filter(([labels]) => label(labels, 'destination') === destination)
        .filter(([labels]) => account === undefined || label(labels, 'account') === account)
        .reduce((sum, [, value]) => sum + value, 0)
    return {
      destination,
      enqueued: of(accounts, 'enqueued'),
      delivered: of(accounts, 'delivered'),
      dead: of(accounts, 'dead'),
      discarded: of(accounts, 'discarded'),
      pending: of(pending),
      unaccounted: of(gaps),
    }
  })
}

/** Destination → deliveries that the store has as delivered; asked of the store itself. */
export async function recordedIn(
  store: Record<string, unknown>,
): Promise<ReadonlyMap<string, number>> {
  const opened =
    store['type'] === 'lmdb'
      ? createLmdbStore({ path: String(store['path']) })
      : createRedisStore(store['redis'] as { url: string })
  await opened.open()
  try {
    const ledgers = await opened.ledgers()
    return new Map(ledgers.map(({ destination, delivered }) => [destination, delivered]))
  } finally {
    await opened.close()
  }
}
