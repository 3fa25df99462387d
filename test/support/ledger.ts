/** The ledger as a gateway exports it. */
import type { Gateway } from './gateway.ts'

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

export async function pendingDeliveries(gateway: Gateway): Promise<number> {
  const pending = await series(gateway, 'postern_deliveries_pending')
  if (pending.size === 0) throw new Error('pending deliveries are not exported')
  return total(pending)
}
