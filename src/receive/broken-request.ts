/**
 * Answers to what Node's parser gave up on: no request object exists, only a socket. The answer goes
 * out after the answers that are still owed on this connection, because HTTP/1.1 answers in order
 * (RFC 9112 §9.3.2), and then the connection is closed.
 */
import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Rejection } from '../reasons.ts'
import type { Reply } from './reply.ts'

export function reasonOf(error: NodeJS.ErrnoException): Rejection {
  switch (error.code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return 'request_timeout'
    case 'HPE_HEADER_OVERFLOW':
      return 'headers_too_large'
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return 'body_too_large'
    default:
      return 'malformed_http'
  }
}

/** The response that Node is writing on this socket; how it keeps pipelined answers in order. */
interface ServerSocket extends Socket {
  readonly _httpMessage?: ServerResponse | null
}

/** A socket is answered once, however often its parser complains. */
const answered = new WeakSet<Socket>()

/** For connections that are closed by their last answer: what the parser says later is moot. */
export function markAnswered(socket: Socket): void {
  answered.add(socket)
}

/** Calls `reply` once if there is somebody to answer, which is what counts as one refusal. */
export function answerBroken(
  error: NodeJS.ErrnoException,
  socket: Socket,
  reply: (reason: Rejection) => Reply,
): void {
  if (answered.has(socket)) return
  answered.add(socket)
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const write = (): void => {
    const current = (socket as ServerSocket)._httpMessage
    const isOwed = current !== undefined && current !== null && current.req.complete
    if (isOwed && !current.destroyed) {
      current.once('close', write)
      return
    }
    if (!socket.writable || current?.headersSent) {
      socket.destroy()
      return
    }
    socket.end(responseText(reply(reasonOf(error))), () => socket.destroy())
  }
  write()
}

/** Answers a socket that is no longer HTTP's, and closes it. */
export function answerSocket(socket: Socket, reply: Reply): void {
  answered.add(socket)
  socket.end(responseText(reply), () => socket.destroy())
}

const PHRASES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  413: 'Content Too Large',
  431: 'Request Header Fields Too Large',
}

function responseText({ status, contentType, body }: Reply): string {
  return [
    `HTTP/1.1 ${status} ${PHRASES[status] ?? 'Error'}`,
    `content-type: ${contentType}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'x-content-type-options: nosniff',
    'connection: close',
    '',
    body,
  ].join('\r\n')
}
