/** Short ways to say what is accepted, for store tests. */
import { dedupeHash } from '../../src/store/dedupe.ts'
import type {
  AcceptEntry,
  ClaimedDelivery,
  Ending,
  JournalEntry,
  Placement,
  Settlement,
  Store,
} from '../../src/store/store.ts'

export interface EntryOptions {
  readonly status?: AcceptEntry['status']
  readonly amount?: string
  readonly onAmountChange?: AcceptEntry['onAmountChange']
  readonly allow?: AcceptEntry['allow']
  readonly windowMs?: number
  /** Destination, or `destination+delay` for one that waits in the queue. */
  readonly to?: readonly string[]
}

export const keyOf = (store: Store, text: string) => dedupeHash(store.hashKey, 'net', text)

/** `{ record, …}` plus text that a careless codec would break. */
export const bodyOf = (record: string) => JSON.stringify({ record, odd: 'é\u0000\n"€😀' })

export function entry(store: Store, conversion: string, options: EntryOptions = {}): AcceptEntry {
  const key = keyOf(store, conversion)
  const record = store.newRecord(key)
  return {
    record,
    key,
    windowMs: options.windowMs ?? 86_400_000,
    status: options.status ?? 'approved',
    amount: options.amount ?? '10.00 USD',
    onAmountChange: options.onAmountChange ?? 'ignore',
    allow: options.allow ?? [],
    body: bodyOf(record),
    placements: (options.to ?? ['x']).map(toPlacement),
  }
}

function toPlacement(text: string): Placement {
  const [destination = '', delay] = text.split('+')
  return delay === undefined
    ? { destination, hold: 'memory', delayMs: 0 }
    : { destination, hold: 'queue', delayMs: Number.parseInt(delay, 10) }
}

export const delivered = (destination: string): Ending => ({ destination, end: 'delivered' })
export const retry = (destination: string, delayMs = 0, attempts = 1): Ending => ({
  destination,
  end: 'retry',
  delayMs,
  attempts,
})
export const dead = (destination: string, attempts = 1): Ending => ({
  destination,
  end: 'dead',
  attempts,
  reason: 'rejected',
  detail: `${destination} said no`,
})

export function fromJournal(
  record: string,
  endings: readonly Ending[],
  remaining: readonly string[] = [],
): Settlement {
  return { from: 'journal', record, body: bodyOf(record), endings, remaining }
}

export function fromQueue(record: string, ending: Ending): Settlement {
  return { from: 'queue', record, ending }
}

export const CLAIM_MS = 60_000

/** Everything that is due now, at most `max` a destination. */
export async function claim(
  store: Store,
  destinations: readonly string[],
  max = 100,
  leaseMs = CLAIM_MS,
): Promise<readonly ClaimedDelivery[]> {
  const requests = destinations.map(destination => ({ destination, max, leaseMs }))
  return (await store.claim(requests)).deliveries
}

export async function journalOf(store: Store): Promise<readonly JournalEntry[]> {
  return store.read(await store.journal())
}
