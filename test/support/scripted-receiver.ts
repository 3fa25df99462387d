/**
 * A destination for tests: a real HTTP/1.1 server on a raw socket that reads strictly and answers
 * as scripted, also in ways no HTTP library would. What it is sent is kept in `received`, what is
 * not proper HTTP in `faults`.
 */
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { until } from './until.ts'

export interface ReceivedRequest {
  readonly method: string
  readonly path: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** 1 for the first connection. */
  readonly connection: number
  /** Monotonic ms of its arrival. */
  readonly at: number
}

/** Writes an answer, or whatever it wants, to the socket. */
export type Answer = (socket: Socket, request: ReceivedRequest) => void

export interface ScriptedReceiver {
  readonly port: number
  /** `http://127.0.0.1:PORT` or `https://localhost:PORT`. */
  readonly origin: string
  readonly received: readonly ReceivedRequest[]
  readonly faults: readonly string[]
  /** Connections made so far. */
  connections(): number
  /** Requests that wait for an answer, at most so far. */
  peak(): number
  /** From now on. */
  answerWith(answer: Answer): void
  /** Resolves when this many requests have come. */
  count(requests: number): Promise<void>
  /** Drops all connections; listening goes on. */
  dropConnections(): void
  close(): Promise<void>
}

export interface ReceiverOptions {
  readonly answer?: Answer
  readonly tls?: { readonly key: string; readonly cert: string }
  /** 0: any. */
  readonly port?: number
  /** Runs on every new connection before anything is read. */
  readonly connected?: (socket: Socket) => void
}

const REQUEST_LINE = /^([A-Z]+) (\/[\u0021-\u007e]*) HTTP\/1\.1$/
const HEADER_LINE = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([\u0020-\u007e\u0080-\u00ff]*)$/

export async function createScriptedReceiver(
  options: ReceiverOptions = {},
): Promise<ScriptedReceiver> {
  let answer = options.answer ?? respond(200, 'OK')
  const received: ReceivedRequest[] = []
  const faults: string[] = []
  const sockets = new Set<Socket>()
  let connections = 0
  let open = 0
  let peak = 0

  function serve(socket: Socket): void {
    const connection = (connections += 1)
    let input = Buffer.alloc(0)
    let isWaiting = false
    sockets.add(socket)
    const answered = (): void => {
      if (isWaiting) open -= 1
      isWaiting = false
    }
    const write = socket.write.bind(socket)
    socket.write = ((...args: Parameters<typeof write>) => {
      answered()
      return write(...args)
    }) as typeof write
    options.connected?.(socket)
    socket.on('close', () => {
      answered()
      sockets.delete(socket)
    })
    socket.on('error', () => undefined)
    socket.on('data', chunk => {
      input = Buffer.concat([input, chunk])
      const parsed = parseRequest(input)
      if (parsed === 'more') return
      if (typeof parsed === 'string') {
        faults.push(parsed)
        socket.destroy()
        return
      }
      if (isWaiting) faults.push('a second request before the first was answered')
      input = input.subarray(parsed.length)
      const request = { ...parsed.request, connection, at: performance.now() }
      received.push(request)
      isWaiting = true
      open += 1
      peak = Math.max(peak, open)
      answer(socket, request)
    })
  }

  const server = options.tls ? createTlsServer(options.tls, serve) : createServer(serve)
  server.on('tlsClientError', () => undefined)
  await new Promise<void>(resolve => server.listen(options.port ?? 0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo

  return {
    port,
    origin: options.tls ? `https://localhost:${port}` : `http://127.0.0.1:${port}`,
    received,
    faults,
    connections: () => connections,
    peak: () => peak,
    answerWith: next => {
      answer = next
    },
    count: requests =>
      until(`${requests} requests (${received.length} came)`, () => received.length >= requests),
    dropConnections: () => {
      for (const socket of sockets) socket.destroy()
    },
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

function parseRequest(
  input: Buffer,
):
  | { request: Omit<ReceivedRequest, 'connection' | 'at'>; length: number }
  | 'more'
  | `fault: ${string}` {
  const end = input.indexOf('\r\n\r\n')
  if (end < 0) return 'more'
  const [first = '', ...lines] = input.toString('latin1', 0, end).split('\r\n')
  const start = REQUEST_LINE.exec(first)
  if (!start) return `fault: request line ${JSON.stringify(first)}`
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const [, name, value = ''] = HEADER_LINE.exec(line) ?? []
    if (name === undefined) return `fault: header ${JSON.stringify(line)}`
    if (name.toLowerCase() in headers) return `fault: header ${name} twice`
    headers[name.toLowerCase()] = value
  }
  if (headers['host'] === undefined) return 'fault: no host header'
  const size = Number(headers['content-length'] ?? '0')
  if (headers['transfer-encoding'] !== undefined) return 'fault: transfer-encoding'
  if (input.length < end + 4 + size) return 'more'
  const body = input.toString('utf8', end + 4, end + 4 + size)
  const [, method = '', path = ''] = start
  return { request: { method, path, headers, body }, length: end + 4 + size }
}

// --- answers --------------------------------------------------------------------------------

/** A whole answer. */
export function respond(
  status: number,
  body = '',
  headers: Readonly<Record<string, string>> = {},
): Answer {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  const length =
    status === 204 || status === 304 ? '' : `content-length: ${Buffer.byteLength(body)}\r\n`
  const text = `HTTP/1.1 ${status} Scripted\r\n${length}${lines.join('')}\r\n${body}`
  return socket => void socket.write(text)
}

/** These bytes, and the connection stays open. */
export function raw(bytes: string | Buffer): Answer {
  return socket => void socket.write(bytes)
}

export const hang: Answer = () => undefined
export const hangMidBody = raw('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf')
/** Closes with a reset instead of an end. */
export const reset: Answer = socket => void socket.resetAndDestroy()
export const resetMidBody: Answer = socket => {
  socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf', () => socket.resetAndDestroy())
}
/** An end of the connection without an answer. */
export const close: Answer = socket => void socket.end()
export const invalidHttp = raw('NOT HTTP AT ALL\r\n\r\n')

/** The head, then one byte of the body at a time for ever. */
export const trickle: Answer = socket => {
  socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n')
  forever(socket, 10, () => socket.write('x'))
}
/** One header after the other for ever. */
export const endlessHeaders: Answer = socket => {
  socket.write('HTTP/1.1 200 OK\r\n')
  forever(socket, 0, () => socket.write(`x-filler: ${'y'.repeat(500)}\r\n`))
}
/** A body that goes on as long as it is read. */
export const endlessBody: Answer = socket => {
  socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')
  forever(socket, 0, () => socket.write(`1000\r\n${'z'.repeat(4096)}\r\n`))
}

function forever(socket: Socket, delayMs: number, write: () => void): void {
  if (socket.destroyed) return
  write()
  setTimeout(() => forever(socket, delayMs, write), delayMs)
}
