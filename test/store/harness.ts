/** What a store adapter brings to run the conformance suite and the model test. */
import type { Store } from '../../src/store/store.ts'

/** One durable state and the processes on it. */
export interface World {
  /** Another process: a store, opened on this state. */
  open(): Promise<Store>
  /** The process dies: no close, nothing handed over. */
  crash(store: Store): Promise<void>
  /** Lets store time pass: a fake clock moves, a real one is waited for. */
  advance(ms: number): Promise<void>
  /** Frees everything, including what was crashed. */
  end(): Promise<void>
}

export interface Harness {
  readonly name: string
  /** A fresh, empty state. */
  create(): Promise<World>
  /** True where time stands still between `advance` calls, so that every answer is foreseeable. */
  readonly isExact: boolean
  /** Of every store it opens, in ms. */
  readonly leaseMs: number
  /** Time by which tests delay, in ms; longer than a few store calls take. */
  readonly delayMs: number
  /** Dedupe window of the expiry test, and when at the latest such a state is forgotten. */
  readonly windowMs: number
  readonly forgottenAfterMs: number
  /** Decisions that each store keeps. */
  readonly decisions: number
}

/** Past the lease of every store but the survivors. */
export async function lapse(
  harness: Harness,
  world: World,
  survivors: readonly Store[],
): Promise<void> {
  for (let step = 0; step < 4; step++) {
    await world.advance(Math.ceil(harness.leaseMs * 0.3))
    for (const store of survivors) {
      const state = await store.heartbeat()
      if (state !== 'held') throw new Error('the machine is too slow for this lease')
    }
  }
}
