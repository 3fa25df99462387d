/**
 * One kept-alive HTTP/1.1 connection with one request at a time, on a bare socket: a client library
 * would cost the sender more than the gateway under test costs. In: request text. Out: the status.
 */
import { connect, type Socket } from 'node:net'

export interface Connection {
  send(request: string, answered: (status: number, body: string) => void): void
  close(): void
}

/** 0 is told as the status where the connection broke. */
export function openConnection(port: number): Connection {
  let socket: Socket | undefined
  let answered: ((status: number, body: string) => void) | undefined
  let text = ''

  function end(status: number, body: string): void {
    const told = answered
    answered = undefined
    text = ''
    told?.(status, body)
  }

  function broken(): void {
    socket = undefined
    end(0, '')
  }

  function received(chunk: Buffer): void {
    text += chunk.toString('latin1')
    const headEnd = text.indexOf('\r\n\r\n')
    if (headEnd < 0) return
    const length = Number(/content-length: *(\d+)/i.exec(text)?.[1] ?? 0)
    if (text.length < headEnd + 4 + length) return
    end(Number(text.slice(9, 12)), text.slice(headEnd + 4))
  }

  function dial(): Socket {
    const dialled = connect({ port, host: '127.0.0.1', noDelay: true })
    dialled.on('data', received)
    dialled.on('error', () => undefined)
    dialled.on('close', broken)
    return dialled
  }

  return {
    send: (request, told) => {
      answered = told
      socket ??= dial()
      socket.write(request, 'latin1')
    },
    close: () => socket?.destroy(),
  }
}
