/** What the pipeline gives the store: the record that deliveries read, and the entry to accept. */
import { valueText } from './base/decimal.ts'
import type { Conversion } from './model/conversion.ts'
import type { DeliveryRecord, OriginalRequest, RoutedDelivery } from './model/delivery.ts'
import type { Postback } from './model/postback.ts'
import type { NetworkRuntime } from './ruleset.ts'
import type { AcceptEntry, Placement } from './store/store.ts'

/** Where it came from, and what is kept of that. */
export interface RecordOrigin {
  readonly hop: number
  readonly original?: OriginalRequest | undefined
  readonly trace?: string | undefined
}

export function toRecord(
  id: string,
  conversion: Conversion,
  routed: readonly RoutedDelivery[],
  { hop, original, trace }: RecordOrigin,
): DeliveryRecord {
  const cut = routed.filter(({ share }) => share).map(one => [one.destination, one.share])
  // Nearly always; a literal costs a tenth of what the spreads below do.
  if (cut.length === 0 && hop <= 1 && !original && trace === undefined) return { id, conversion }
  return {
    id,
    conversion,
    ...(hop > 1 ? { hop } : {}),
    ...(original ? { original } : {}),
    ...(trace === undefined ? {} : { trace }),
    ...(cut.length > 0 ? { shares: Object.fromEntries(cut) as Record<string, string> } : {}),
  }
}

export function toEntry(
  network: NetworkRuntime,
  record: DeliveryRecord,
  placements: readonly Placement[],
): AcceptEntry {
  const { id: key, status, payout, currency = '' } = record.conversion
  const amount = payout === undefined ? '' : `${valueText(payout)} ${currency}`
  const body = JSON.stringify(record)
  const { windowMs, onAmountChange, allow } = network.dedupe
  return {
    record: record.id,
    key,
    status,
    amount,
    body,
    placements,
    windowMs,
    onAmountChange,
    allow,
  }
}

/** When the first of the deliveries that went to the queue is due, in ms; undefined if none went. */
export function firstDueMs(
  placements: readonly Placement[],
  inMemory: readonly string[],
): number | undefined {
  if (placements.length === inMemory.length) return undefined
  const queued = placements.filter(({ destination }) => !inMemory.includes(destination))
  return Math.min(...queued.map(({ delayMs }) => delayMs))
}

/** 1 for what a network sent, one more for each gateway before this one. */
export function hopOf({ headers }: Pick<Postback, 'headers'>): number {
  const before = Number(headers['postern-hop'] ?? 0)
  return Number.isInteger(before) && before > 0 ? before + 1 : 1
}

/** An empty GET, with which some networks test a URL before they take it. */
export function isEmpty({ method, params, body }: Postback): boolean {
  return method === 'GET' && params.length === 0 && body.length === 0
}
