/**
 * A tracker that stands behind the gateway in tests: a real HTTP server that journals every request
 * as it came, and answers as scripted.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Teardown } from './gateway.ts'

export interface Seen {
  readonly method: string
  /** As sent, in Latin-1. */
  readonly target: string
  /** Name, value, … as sent. */
  readonly rawHeaders: readonly string[]
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
  /** Monotonic ms. */
  readonly at: number
}

export type Script = (seen: Seen, response: ServerResponse, request: IncomingMessage) => void

export interface Origin {
  readonly port: number
  readonly url: string
  readonly seen: Seen[]
  /** Requests whose head has come, finished or not. */
  begun(): number
  /** Requests that ended before they were whole. */
  broken(): number
  /** Connections that are open now. */
  connections(): number
  script: Script
  /** Called for upgrades; default: none is taken. */
  upgrade: ((request: IncomingMessage, socket: Duplex, head: Buffer) => void) | undefined
  /** Stops listening, lets what was begun end, and closes all connections. */
  stop(): Promise<void>
  start(): Promise<void>
}

export const say =
  (status: number, body = 'OK', headers: Readonly<Record<string, string>> = {}): Script =>
  (_seen, response) => {
    response.writeHead(status, { 'content-type': 'text/plain', ...headers })
    response.end(body)
  }

export async function startOrigin(t: Teardown, script: Script = say(200)): Promise<Origin> {
  const seen: Seen[] = []
  const sockets = new Set<Socket>()
  let begun = 0
  let broken = 0
  let server: Server
  let port = 0

  const origin: Origin = {
    get port() {
      return port
    },
    get url() {
      return `http://127.0.0.1:${port}`
    },
    seen,
    begun: () => begun,
    broken: () => broken,
    connections: () => sockets.size,
    script,
    upgrade: undefined,
    stop: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeIdleConnections()
      }),
    start: async () => {
      server = createServer({ joinDuplicateHeaders: true, keepAliveTimeout: 30_000 }, serve)
      server.on('connection', (socket: Socket) => {
        sockets.add(socket)
        socket.once('close', () => sockets.delete(socket))
      })
      server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
        if (origin.upgrade) origin.upgrade(request, socket, head)
        else socket.end('HTTP/1.1 426 Upgrade Required\r\ncontent-length: 0\r\n\r\n')
      })
      await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
      port = (server.address() as AddressInfo).port
    },
  }

  function serve(request: IncomingMessage, response: ServerResponse): void {
    begun += 1
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('error', () => undefined)
    request.once('close', () => {
      if (!request.complete) broken += 1
    })
    request.on('end', () => {
      const { method = '', url: target = '', rawHeaders, headers } = request
      const one = {
        method,
        target,
        rawHeaders,
        headers,
        body: Buffer.concat(chunks),
        at: performance.now(),
      }
      seen.push(one)
      origin.script(one, response, request)
    })
  }

  await origin.start()
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    return new Promise<void>(resolve => {
      server.close(() => resolve())
    })
  })
  return origin
}
