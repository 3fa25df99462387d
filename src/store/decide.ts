/**
 * What one more postback of a conversion means. The pure reference: `redis/accept.lua` says the
 * same in Lua, and the conformance suite compares them.
 */
import { STATUS_RANK, type Status } from '../model/status.ts'
import type { AcceptEntry, AcceptVerdict } from './store.ts'

/** The remembered state of a conversion. */
export interface ConversionState {
  readonly status: Status
  /** Amounts counted so far; one unless the rule adds. Empty text: none was sent. */
  readonly amounts: readonly string[]
  /** First record: predecessor of every destination that no later record went to. */
  readonly first: string
  /** Last record. */
  readonly last: string
  /** Destination → last record that went to it, where that is not `first`. */
  readonly lanes: Readonly<Record<string, string>>
}

export function decide(
  state: ConversionState | undefined,
  entry: Pick<AcceptEntry, 'status' | 'amount' | 'onAmountChange' | 'allow'>,
): AcceptVerdict {
  if (!state) return 'new'
  if (state.status === entry.status) {
    if (sameAmount(state, entry)) return 'duplicate'
    return entry.onAmountChange === 'ignore' ? 'conflict' : 'update'
  }
  if (entry.allow.includes(`${state.status}>${entry.status}`)) return 'update'
  return STATUS_RANK[entry.status] >= STATUS_RANK[state.status] ? 'update' : 'stale'
}

function sameAmount(
  state: ConversionState,
  entry: Pick<AcceptEntry, 'amount' | 'onAmountChange'>,
): boolean {
  const { amounts } = state
  // No amount says nothing about the amount. The first amount after none is news.
  if (entry.amount === '') return true
  if (entry.onAmountChange === 'add') return amounts.includes(entry.amount)
  return amounts.at(-1) === entry.amount
}

/** The state after a `new` or `update` verdict. */
export function advance(
  state: ConversionState | undefined,
  entry: Pick<AcceptEntry, 'record' | 'status' | 'amount' | 'onAmountChange' | 'placements'>,
): ConversionState {
  if (!state) {
    return {
      status: entry.status,
      amounts: [entry.amount],
      first: entry.record,
      last: entry.record,
      lanes: {},
    }
  }
  const adds = entry.onAmountChange === 'add' && state.status === entry.status
  const lanes = { ...state.lanes }
  for (const { destination } of entry.placements) lanes[destination] = entry.record
  return {
    status: entry.status,
    amounts: adds
      ? [...state.amounts.filter(amount => amount !== ''), entry.amount]
      : [entry.amount || (state.amounts.at(-1) ?? '')],
    first: state.first,
    last: entry.record,
    lanes,
  }
}

/** The record whose delivery to `destination` must end before this one's may start. */
export function predecessor(state: ConversionState, destination: string): string {
  return state.lanes[destination] ?? state.first
}
