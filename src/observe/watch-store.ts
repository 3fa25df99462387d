/**
 * A store that is watched: every call is timed, every failure counted, once and here. In: a store.
 * Out: the same store. What a caller does about a failure is its own concern.
 */
import type { Clock } from '../base/clock.ts'
import { StoreError, type Accepted, type Store } from '../store/store.ts'
import type { Metrics } from './metrics.ts'

export function watchStore(store: Store, metrics: Metrics, clock: Clock): Store {
  const { type } = store

  function timed<Args extends readonly unknown[], Out>(
    operation: string,
    call: (...args: Args) => Promise<Out>,
  ): (...args: Args) => Promise<Out> {
    metrics.storeDuration.declare(type, operation)
    return async (...args) => {
      const started = clock.monotonic()
      try {
        return await call(...args)
      } catch (error) {
        const reason = error instanceof StoreError ? error.reason : 'unexpected'
        metrics.storeErrors.inc(type, operation, reason)
        throw error
      } finally {
        metrics.storeDuration.observe((clock.monotonic() - started) / 1000, type, operation)
      }
    }
  }

  const accept = timed('accept', store.accept.bind(store))
  return {
    type,
    get hashKey() {
      return store.hashKey
    },
    get owner() {
      return store.owner
    },
    get leaseMs() {
      return store.leaseMs
    },
    open: () => store.open(),
    close: () => store.close(),
    newRecord: key => store.newRecord(key),
    accept: async entries => {
      try {
        const accepted = await accept(entries)
        countVerdicts(metrics, accepted)
        return accepted
      } catch (error) {
        metrics.dedupe.add(entries.length, 'error')
        throw error
      }
    },
    settle: timed('settle', store.settle.bind(store)),
    claim: timed('claim', store.claim.bind(store)),
    heartbeat: timed('heartbeat', store.heartbeat.bind(store)),
    takeOver: timed('take_over', store.takeOver.bind(store)),
    journal: timed('journal', store.journal.bind(store)),
    read: timed('read', store.read.bind(store)),
    dead: timed('dead', store.dead.bind(store)),
    deadLetter: timed('dead', store.deadLetter.bind(store)),
    replay: timed('replay', store.replay.bind(store)),
    discard: timed('discard', store.discard.bind(store)),
    note: timed('note', store.note.bind(store)),
    decisions: timed('decisions', store.decisions.bind(store)),
    ledgers: timed('ledgers', store.ledgers.bind(store)),
    safety: timed('safety', store.safety.bind(store)),
    expire: timed('expire', store.expire.bind(store)),
  }
}

function countVerdicts(metrics: Metrics, accepted: readonly Accepted[]): void {
  for (const { verdict } of accepted) metrics.dedupe.inc(verdict)
}
