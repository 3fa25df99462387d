/**
 * One client for a single Redis, a Sentinel group or a Cluster. It reconnects by itself and fast;
 * what it could not get answered it sends again, which every script here tolerates.
 */
import { Cluster, Redis, type CommonRedisOptions } from 'ioredis'
import { StoreError } from '../store.ts'

export type Client = Redis | Cluster

export interface ConnectOptions {
  /** `redis://[user:password@]host[:port][/db]`, or `rediss://` for TLS. */
  readonly url?: string | undefined
  /** `host:port` of Sentinels, with `master`. */
  readonly sentinels?: readonly string[] | undefined
  readonly master?: string | undefined
  /** `host:port` of some nodes of a Redis Cluster. */
  readonly cluster?: readonly string[] | undefined
  readonly username?: string | undefined
  readonly password?: string | undefined
  readonly commandTimeoutMs: number
  readonly onError: (error: unknown) => void
}

const RECONNECT_STEP_MS = 50
const RECONNECT_MAX_MS = 500

export function connect(options: ConnectOptions): Client {
  const client = create(options)
  // Without a listener the client prints every connection error itself.
  client.on('error', options.onError)
  if (client instanceof Cluster) client.on('node error', options.onError)
  return client
}

function create(options: ConnectOptions): Client {
  const { url, sentinels, master, cluster, username, password, commandTimeoutMs } = options
  const retryStrategy = (times: number): number =>
    Math.min(times * RECONNECT_STEP_MS, RECONNECT_MAX_MS)
  const common = {
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    connectionName: 'postern',
    connectTimeout: commandTimeoutMs,
    // A half-open connection shows only by silence while an answer is due.
    socketTimeout: commandTimeoutMs * 2,
    // Calls have their own deadline; this bounds how long the client keeps what nobody waits for.
    maxRetriesPerRequest: 3,
    // Scripts are batched by hand; with them auto-pipelining costs more than it saves.
    enableAutoPipelining: false,
    // After a failover the old master answers READONLY: look for the new one.
    reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
  } satisfies CommonRedisOptions
  let isLeaving = false
  // Of the many such answers on one connection the first ends it. Each would add a listener to it.
  const leaveOnce = (error: Error): boolean => {
    if (isLeaving) return false
    isLeaving = common.reconnectOnError(error)
    return isLeaving
  }
  const watched = (client: Redis): Redis => client.on('close', () => (isLeaving = false))
  if (cluster) {
    return new Cluster(cluster.map(parseAddress), {
      // Nodes answer LOADING for themselves, and INFO may be forbidden.
      redisOptions: { ...common, enableReadyCheck: false },
      clusterRetryStrategy: retryStrategy,
      slotsRefreshTimeout: commandTimeoutMs,
    })
  }
  if (sentinels) {
    if (!master) {
      throw new StoreError(
        'connection',
        'store.redis.sentinels needs store.redis.master, the name of the group',
      )
    }
    return watched(
      new Redis({
        ...common,
        reconnectOnError: leaveOnce,
        sentinels: sentinels.map(parseAddress),
        name: master,
        retryStrategy,
        sentinelRetryStrategy: retryStrategy,
        // The check reads INFO and refuses a server that is not the master.
        enableReadyCheck: true,
        maxLoadingRetryTime: RECONNECT_MAX_MS,
      }),
    )
  }
  if (url === undefined) {
    throw new StoreError('connection', 'store.redis needs one of url, sentinels or cluster')
  }
  const single = { ...common, reconnectOnError: leaveOnce, retryStrategy, enableReadyCheck: false }
  return watched(new Redis(url, single))
}

/** `host:port`, or `[address]:port` for IPv6. */
function parseAddress(text: string): { host: string; port: number } {
  const colon = text.lastIndexOf(':')
  return {
    host: text.slice(0, colon).replace(/^\[|\]$/g, ''),
    port: Number.parseInt(text.slice(colon + 1), 10),
  }
}
