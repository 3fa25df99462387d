/** A client that sends bytes, not requests: nothing stands between a test and the server's parser. */
import { connect, type Socket } from 'node:net'

export interface RawResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface RawConnection {
  send(bytes: string | Buffer): void
  /** The next response (to HEAD: without body); undefined when the server closes without one. */
  next(isHead?: boolean): Promise<RawResponse | undefined>
  /** Resolves with what was not a response when the server has closed. */
  closed: Promise<string>
  end(): void
}

export function open(port: number, host = '127.0.0.1'): RawConnection {
  const socket: Socket = connect({ port, host })
  let received = Buffer.alloc(0)
  let isClosed = false
  let wake = (): void => {}
  const changed = (): void => {
    wake()
  }
  socket.on('data', data => {
    received = Buffer.concat([received, data])
    changed()
  })
  socket.on('error', () => {})
  const closed = new Promise<string>(resolve => {
    socket.on('close', () => {
      isClosed = true
      changed()
      resolve(received.toString('latin1'))
    })
  })
  return {
    send: bytes => socket.write(bytes),
    next: async (isHead = false) => {
      for (;;) {
        const parsed = parseResponse(received, isHead)
        if (parsed) {
          received = received.subarray(parsed.length)
          return parsed.response
        }
        if (isClosed) return undefined
        await new Promise<void>(resolve => {
          wake = resolve
        })
      }
    },
    closed,
    end: () => socket.destroy(),
  }
}

function parseResponse(
  bytes: Buffer,
  isHead: boolean,
): { response: RawResponse; length: number } | undefined {
  const head = bytes.indexOf('\r\n\r\n')
  if (head < 0) return undefined
  const [statusLine = '', ...lines] = bytes.toString('latin1', 0, head).split('\r\n')
  const headers = Object.fromEntries(
    lines.map(line => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    }),
  )
  const status = Number(statusLine.split(' ')[1])
  const hasBody = status !== 100 && !isHead
  if (hasBody && headers['transfer-encoding'] === 'chunked') {
    const chunked = parseChunks(bytes, head + 4)
    return chunked && { response: { status, headers, body: chunked.body }, length: chunked.length }
  }
  const size = hasBody ? Number(headers['content-length'] ?? 0) : 0
  const length = head + 4 + size
  if (bytes.length < length) return undefined
  return { response: { status, headers, body: bytes.toString('latin1', head + 4, length) }, length }
}

/** Without trailers, which nobody sends here. */
function parseChunks(bytes: Buffer, from: number): { body: string; length: number } | undefined {
  let body = ''
  for (let at = from; ;) {
    const end = bytes.indexOf('\r\n', at)
    if (end < 0) return undefined
    const size = parseInt(bytes.toString('latin1', at, end), 16)
    const next = end + 2 + size + 2
    if (bytes.length < next) return undefined
    if (size === 0) return { body, length: next }
    body += bytes.toString('latin1', end + 2, end + 2 + size)
    at = next
  }
}
