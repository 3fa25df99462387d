/** The ledger as a gateway exports it. */
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
  const asked = Date.now() / 1000
  await until('the store is read again', async () => {
    const [read] = (await series(gateway, 'postern_metrics_collected_timestamp_seconds')).values()
    // A reading that ended within a second of the question may have begun before it.
    return (read ?? 0) > asked + 1
  })
  return total(await series(gateway, 'postern_deliveries_pending'))
}
