/**
 * A store that is watched: every call is timed, also one that fails. In: a store. Out: the same
 * store. Failures are told by who makes the call, and counted there (`storeFailed`).
 */
import type { Clock } from '../base/clock.ts'
import type { Store } from '../store/store.ts'
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
      } finally {
        metrics.storeDuration.observe((clock.monotonic() - started) / 1000, type, operation)
      }
    }
  }

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
    accept: timed('accept', store.accept.bind(store)),
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
    size: timed('size', store.size.bind(store)),
    erase: timed('erase', store.erase.bind(store)),
    expire: timed('expire', store.expire.bind(store)),
    ...(store.shareRates && { shareRates: timed('rates', store.shareRates.bind(store)) }),
  }
}
