/** Collects decisions and writes them a little later: they are for people, not for the promise. */
import type { Decision, Store } from './store.ts'

export interface Notes {
  add(decision: Decision): void
  /** Writes what is left. Idempotent. */
  close(): Promise<void>
}

/** Short, so that no batch grows to one that accepts have to wait for. */
const FLUSH_MS = 20
/** Under a flood the newest are kept: what is dropped here is a line for people, never a delivery. */
const MAX_WAITING = 5000

export function createNotes(store: Pick<Store, 'note'>, onError: (error: unknown) => void): Notes {
  let waiting: Decision[] = []
  let timer: NodeJS.Timeout | undefined
  let writing: Promise<void> = Promise.resolve()

  function flush(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    const batch = waiting
    waiting = []
    if (batch.length > 0) writing = writing.then(() => store.note(batch)).catch(onError)
    return writing
  }

  return {
    add: decision => {
      if (waiting.length >= MAX_WAITING) waiting.shift()
      waiting.push(decision)
      timer ??= setTimeout(() => void flush(), FLUSH_MS)
    },
    close: flush,
  }
}
