/**
 * Kept-alive connections to one origin. In: an exchange to run. Out: it runs on the connection
 * used last (which is the least likely to have been closed meanwhile), or on a new one. One
 * exchange at a time per connection; how many run side by side is the lane's concern.
 *
 * undici's Pool does not tell which connection a request went out on, and a delivery may be
 * repeated at once only if that connection had served before. So this keeps undici Clients itself.
 */
import type { Socket } from 'node:net'
import { Client, type Dispatcher } from 'undici'
import type { Connect } from './connector.ts'

/** Below the 5 s that common servers (Node among them) keep an idle connection. */
const KEEP_ALIVE_MS = 4_000
/** What a server may extend it to by its own `Keep-Alive` header. */
const KEEP_ALIVE_MAX_MS = 10_000
const MAX_HEADER_BYTES = 16_384

export interface Connection {
  /** True from the second exchange on the same socket on. */
  isReused(): boolean
  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void
  /** Tell that the request is being written: the socket has served from here on. */
  started(): void
  /** Back for the next exchange. */
  release(): void
  /** Closes the socket whatever runs on it; not to be used again. */
  destroy(): void
}

export interface Connections {
  /** `fresh`: with a socket that is yet to be opened. */
  acquire(fresh: boolean): Connection
  /** Ends idle connections now and others after their exchange. */
  close(): void
}

export function createConnections(origin: string, connect: Connect): Connections {
  const idle: Connection[] = []
  let isClosed = false

  function open(): Connection {
    let socket: Socket | undefined
    let served = 0
    const client = new Client(origin, {
      connect: (options, callback) =>
        connect(
          options,
          dialled => {
            socket = dialled
            served = 0
          },
          callback,
        ),
      pipelining: 1,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MAX_MS,
      // The attempt's own timer covers the whole exchange, a trickling answer included.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: MAX_HEADER_BYTES,
    })
    const connection: Connection = {
      isReused: () => served > 1,
      started: () => void (served += 1),
      dispatch: (options, handler) => void client.dispatch(options, handler),
      release: () => {
        if (isClosed) connection.destroy()
        else idle.push(connection)
      },
      destroy: () => {
        client.destroy(null).catch(() => undefined)
        socket?.destroy()
      },
    }
    return connection
  }

  return {
    acquire: fresh => (fresh ? undefined : idle.pop()) ?? open(),
    close: () => {
      isClosed = true
      for (const connection of idle.splice(0)) connection.destroy()
    },
  }
}
