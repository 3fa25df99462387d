/**
 * What can go wrong with Redis, as StoreError. Errors of the client carry the command and its
 * arguments, so they are never passed on as `cause`: bodies must not reach a log.
 */
import { printable } from '../../base/redact.ts'
import { StoreError, type StoreFailure } from '../store.ts'

interface Failure {
  readonly reason: StoreFailure
  readonly text: string
}

/** By the first word of an error reply. https://redis.io/docs/latest/develop/reference/protocol-spec/ */
const REPLIES: Readonly<Record<string, Failure>> = {
  OOM: { reason: 'full', text: 'Redis is full; raise maxmemory or wait until the backlog drains' },
  LOADING: { reason: 'loading', text: 'Redis is still loading its data' },
  READONLY: {
    reason: 'readonly',
    text: 'this Redis is a replica; point the gateway at the master',
  },
  MASTERDOWN: { reason: 'readonly', text: 'this Redis is a replica without its master' },
  NOREPLICAS: { reason: 'replicas', text: 'Redis refuses writes: too few replicas are connected' },
  BUSY: { reason: 'timeout', text: 'Redis is busy with a long script' },
  MISCONF: { reason: 'io', text: 'Redis refuses writes because it cannot save to its disk' },
  CLUSTERDOWN: { reason: 'connection', text: 'part of the Redis Cluster is down' },
  MOVED: { reason: 'connection', text: 'the Redis Cluster is being changed' },
  ASK: { reason: 'connection', text: 'the Redis Cluster is being changed' },
  TRYAGAIN: { reason: 'connection', text: 'the Redis Cluster is being changed' },
  NOAUTH: { reason: 'connection', text: 'Redis wants a password: set store.redis.password' },
  WRONGPASS: { reason: 'connection', text: 'Redis refuses this user name and password' },
  NOPERM: {
    reason: 'connection',
    text: 'the Redis user may not do this: it needs scripts and every command on keys under store.redis.prefix',
  },
  UNBLOCKED: { reason: 'readonly', text: 'the Redis master has become a replica' },
  WRONGTYPE: { reason: 'layout', text: 'a key of another application is under our prefix' },
}

export function toStoreError(error: unknown): StoreError {
  if (error instanceof StoreError) return error
  if (!(error instanceof Error)) return new StoreError('io', 'Redis failed')
  if (error.name === 'ReplyError') {
    const failure = REPLIES[error.message.slice(0, error.message.search(/ |$/))]
    if (failure) return new StoreError(failure.reason, failure.text)
    // The text of "unknown command" goes on to repeat the arguments.
    const text = error.message.replace(/,? with args.*$/s, '')
    return new StoreError('io', `Redis answered: ${printable(text, 160)}`)
  }
  // Its text is advice about an option of the client.
  if (error.name === 'MaxRetriesPerRequestError') {
    return new StoreError('connection', 'no connection to Redis')
  }
  const code = 'code' in error && typeof error.code === 'string' ? ` (${error.code})` : ''
  return new StoreError(
    'connection',
    `no connection to Redis${code}: ${printable(error.message, 120)}`,
  )
}

/**
 * Settles as `promise` does, or fails after `ms`. `late` is told once a promise that was given up
 * has settled after all.
 */
export function withDeadline<T>(
  promise: Promise<T>,
  ms: number,
  onDeadline: () => StoreError,
  late: () => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let isGivenUp = false
    const timer = setTimeout(() => {
      isGivenUp = true
      reject(onDeadline())
    }, ms)
    promise.then(
      value => {
        if (isGivenUp) return late()
        clearTimeout(timer)
        resolve(value)
      },
      (error: unknown) => {
        if (isGivenUp) return late()
        clearTimeout(timer)
        reject(toStoreError(error))
      },
    )
  })
}
