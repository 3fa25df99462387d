/** Is this process alive, and should it get traffic. */

export interface Health {
  /** False while starting, draining or without a working store. */
  readonly isReady: () => boolean
  readonly why: () => string | undefined
  set(state: 'starting' | 'ready' | 'draining'): void
  /** By the store heartbeat. */
  setStore(isUp: boolean): void
}

export function createHealth(): Health {
  let state: 'starting' | 'ready' | 'draining' = 'starting'
  let isStoreUp = false
  const why = (): string | undefined => {
    if (state !== 'ready') return state
    return isStoreUp ? undefined : 'store_unavailable'
  }
  return {
    why,
    isReady: () => why() === undefined,
    set: next => {
      state = next
    },
    setStore: isUp => {
      isStoreUp = isUp
    },
  }
}
