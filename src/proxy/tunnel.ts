/**
 * WebSocket upgrades to the tracker. In: an upgrade request. Out: after the tracker's own 101 both
 * connections are joined, byte for byte. Before that nothing of the client but this one request
 * goes to the tracker, so that no second request can be smuggled behind it; and no other protocol
 * is upgraded to (h2c would be a way round the gate).
 */
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Duplex } from 'node:stream'

export interface TunnelOptions {
  /** `scheme://host[:port]`. */
  readonly origin: string
  /** Wait for the tracker's answer, in ms. */
  readonly timeoutMs: number
  answered(status: number): void
}

export interface Tunnels {
  /** `headers` as `requestHeaders` gives them. */
  open(request: IncomingMessage, socket: Duplex, head: Buffer, headers: readonly string[]): void
  /** Ends all of them. */
  close(): void
}

export function isWebSocket({ method, headers }: IncomingMessage): boolean {
  return method === 'GET' && headers.upgrade?.trim().toLowerCase() === 'websocket'
}

export function createTunnels(options: () => TunnelOptions): Tunnels {
  const open = new Set<Duplex>()

  function track(socket: Duplex): void {
    open.add(socket)
    socket.once('close', () => open.delete(socket))
  }

  function join(client: Duplex, tracker: Duplex): void {
    track(tracker)
    for (const [from, to] of [
      [client, tracker],
      [tracker, client],
    ] as const) {
      from.on('error', () => to.destroy())
      from.once('close', () => to.destroy())
      // A WebSocket has no half-closed state: what is on its way is flushed, then both go.
      from.once('end', () => to.once('finish', () => to.destroy()))
      from.pipe(to)
    }
  }

  return {
    open: (request, client, head, headers) => {
      const { origin, timeoutMs, answered } = options()
      const { protocol, hostname, port } = new URL(origin)
      track(client)
      client.on('error', () => client.destroy())
      const send = protocol === 'https:' ? httpsRequest : httpRequest
      const outgoing = send({
        host: hostname.replace(/^\[|\]$/g, ''),
        port: port || (protocol === 'https:' ? 443 : 80),
        ...(protocol === 'https:' ? { servername: hostname } : {}),
        path: request.url,
        headers: [...headers, 'connection', 'Upgrade', 'upgrade', 'websocket'],
        agent: false,
        timeout: timeoutMs,
      })
      const refuse = (status: number, reason: string): void => {
        answered(status)
        if (!client.writable) return
        client.end(`HTTP/1.1 ${status} ${reason}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`)
      }
      client.once('close', () => outgoing.destroy())
      outgoing.once('timeout', () => outgoing.destroy(new Error('no answer in time')))
      outgoing.once('error', () => refuse(502, 'Bad Gateway'))
      outgoing.once('upgrade', (answer, tracker, first) => {
        tracker.setTimeout(0)
        answered(101)
        client.write(headOf(answer))
        if (first.length > 0) client.write(first)
        if (head.length > 0) tracker.write(head)
        join(client, tracker)
      })
      // The tracker did not want to: its answer, and the end of this connection.
      outgoing.once('response', answer => {
        answered(answer.statusCode ?? 502)
        client.write(headOf(answer))
        answer.once('error', () => client.destroy())
        answer.pipe(client)
      })
      outgoing.end()
    },
    close: () => {
      for (const socket of open) socket.destroy()
    },
  }
}

/** The head as it came; for an answer without an upgrade, delimited by the end of the connection. */
function headOf(answer: IncomingMessage): string {
  const { statusCode = 0, statusMessage = '', rawHeaders } = answer
  const isUpgrade = statusCode === 101
  const lines = [`HTTP/1.1 ${statusCode} ${statusMessage}`]
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    const isFraming = /^(connection|keep-alive|transfer-encoding)$/i.test(name)
    if (isUpgrade || !isFraming) lines.push(`${name}: ${rawHeaders[i + 1]}`)
  }
  if (!isUpgrade) lines.push('connection: close')
  return `${lines.join('\r\n')}\r\n\r\n`
}
