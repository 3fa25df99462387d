/** The facts delivery tells. Declared by who tells them; observe turns each into log and metric. */
import type { Attempt, Confirmation, DeadReason } from '../model/delivery.ts'
import type { StoreError } from '../store/store.ts'
import type { CircuitReason, CircuitState } from './breaker.ts'
import type { EgressReason } from './egress.ts'

/** Why memory gave deliveries to the store queue without attempting them. */
export type HandOverCause =
  'circuit' | 'paused' | 'memory_full' | 'claim_lapsed' | 'removed' | 'drain'

export type StoreOperation = 'settle' | 'claim' | 'heartbeat' | 'take_over' | 'reconcile'

export interface DeliverEvents {
  attempted(attempt: Attempt): void
  ended(fact: {
    readonly destination: string
    readonly network: string
    readonly outcome: 'delivered' | 'dead'
    /** Undefined for `delivered`. */
    readonly reason: DeadReason | undefined
    readonly attempts: number
    /** From acceptance to this end, in ms. */
    readonly latencyMs: number
  }): void
  handedOver(fact: {
    readonly destination: string
    readonly cause: HandOverCause
    readonly count: number
  }): void
  circuit(fact: {
    readonly destination: string
    readonly state: CircuitState
    /** Why it opened. */
    readonly reason?: CircuitReason
  }): void
  /** The account is refused: a person has to mend the credentials. */
  authFailed(fact: { readonly destination: string; readonly detail: string | undefined }): void
  /** What became of a delivered request, asked later; `unknown` where it was given up. */
  confirmed(fact: {
    readonly destination: string
    readonly record: string
    /** The destination's own name for the request. */
    readonly request: string
    readonly result: Confirmation['result'] | 'unknown'
    readonly reasons: readonly string[]
  }): void
  egressBlocked(fact: { readonly destination: string; readonly reason: EgressReason }): void
  /** A store call failed and will be made again. */
  storeFailed(fact: {
    readonly operation: StoreOperation
    readonly error: StoreError | Error
  }): void
  /** This process was too late; `dropped` deliveries of its memory belong to others now. */
  leaseLost(fact: { readonly dropped: number }): void
  /** Records of dead owners moved to the queue. */
  tookOver(fact: { readonly count: number }): void
  /** Records found in the journal that memory did not know. */
  reconciled(fact: { readonly count: number }): void
}
