/** A wire between a gateway and Redis that can be listened to, slowed and cut. */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import type { Test } from 'tap'

export interface RedisProxy {
  readonly url: string
  /** Sees what the gateway sends; false keeps it from Redis. */
  request: (chunk: Buffer, socket: Socket) => boolean
  /** Sees what Redis answers; false keeps it from the gateway. */
  reply: (chunk: Buffer, socket: Socket) => boolean
  delayMs: number
  /** Keeps what is sent to Redis, in order, until the function it returns is called. */
  hold(): () => void
  /** Resets every connection. */
  cut(): void
}

export async function startRedisProxy(t: Test, port: number): Promise<RedisProxy> {
  const sockets = new Set<Socket>()
  let isOpen: Promise<void> | undefined
  const server = createServer(client => {
    const upstream = connect(port, '127.0.0.1')
    for (const socket of [client, upstream]) {
      socket.setNoDelay(true)
      socket.on('error', () => undefined)
      sockets.add(socket)
    }
    const later = (run: () => void) => (proxy.delayMs > 0 ? setTimeout(run, proxy.delayMs) : run())
    client.on('data', (chunk: Buffer) => {
      if (!proxy.request(chunk, client)) return
      if (isOpen) void isOpen.then(() => upstream.write(chunk))
      else later(() => upstream.write(chunk))
    })
    upstream.on('data', (chunk: Buffer) => {
      if (proxy.reply(chunk, client)) client.write(chunk)
    })
    const end = () => {
      for (const socket of [client, upstream]) {
        sockets.delete(socket)
        socket.destroy()
      }
    }
    client.on('close', end)
    upstream.on('close', end)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const proxy: RedisProxy = {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    request: () => true,
    reply: () => true,
    delayMs: 0,
    hold: () => {
      let open = () => {}
      isOpen = new Promise(resolve => {
        open = resolve
      })
      return () => {
        open()
        // What was kept goes first.
        void isOpen?.then(() => (isOpen = undefined))
      }
    },
    cut: () => {
      for (const socket of sockets) socket.resetAndDestroy()
    },
  }
  t.teardown(() => {
    server.close()
    proxy.cut()
  })
  return proxy
}
