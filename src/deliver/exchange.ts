/**
 * One request and its answer on one connection. In: connection, request, deadline in ms. Out: the
 * answer or a failure, exactly once; the connection is released or destroyed by then.
 */
import type { Dispatcher } from 'undici'
import type { DeliveryResponse } from '../model/delivery.ts'
import type { Connection } from './connections.ts'
import { timedOut, toFailure, type Failure } from './failure.ts'

export interface ExchangeRequest {
  readonly method: 'GET' | 'POST' | 'PUT'
  readonly path: string
  /** Name, value, name, value …: the form undici copies least. */
  readonly headers: string[]
  readonly body: string | Uint8Array | null
  /** TLS server name where a Host header differs from the origin. */
  servername?: string
  /** Close the connection afterwards. */
  readonly reset: boolean
}

export type Sent = { readonly kind: 'answered'; readonly response: DeliveryResponse } | Failure

export interface Exchanged {
  readonly sent: Sent
  /** A connection that had served before died without one byte of an answer. */
  readonly isStale: boolean
}

/** More of an answer than this is not read: the connection is dropped, the answer counts. */
const BODY_MAX_BYTES = 65_536

export function exchange(
  connection: Connection,
  request: ExchangeRequest,
  timeoutMs: number,
): Promise<Exchanged> {
  return new Promise(resolve => {
    let isDone = false
    let isStarted = false
    let hasAnswer = false
    let status = 0
    let headers: DeliveryResponse['headers'] = {}
    let size = 0
    const chunks: Buffer[] = []

    function finish(sent: Sent, isReusable: boolean, isStale = false): void {
      if (isDone) return
      isDone = true
      clearTimeout(timer)
      if (isReusable) connection.release()
      else connection.destroy()
      resolve({ sent, isStale })
    }

    function answered(isReusable: boolean): void {
      const body = chunks.length === 1 ? chunks[0] : Buffer.concat(chunks)
      const text = body?.toString('utf8', 0, BODY_MAX_BYTES) ?? ''
      finish({ kind: 'answered', response: { status, headers, body: text } }, isReusable)
    }

    const timer = setTimeout(() => finish(timedOut(timeoutMs, isStarted), false), timeoutMs)

    const handler: Dispatcher.DispatchHandler & { onResponseStarted(): void } = {
      onRequestStart: controller => {
        if (isDone) return controller.abort(new Error('the attempt had ended'))
        isStarted = true
        connection.started()
      },
      onResponseStarted: () => {
        hasAnswer = true
      },
      onResponseStart: (_controller, statusCode, received) => {
        // 1xx are announcements; the answer is still to come.
        if (statusCode < 200) return
        status = statusCode
        headers = received
      },
      onResponseData: (_controller, chunk) => {
        if (isDone) return
        chunks.push(chunk)
        size += chunk.length
        if (size > BODY_MAX_BYTES) answered(false)
      },
      onResponseEnd: () => answered(true),
      onResponseError: (_controller, error) => {
        const isStale = isStarted && !hasAnswer && connection.isReused()
        finish(toFailure(error, isStarted), false, isStale)
      },
    }
    connection.dispatch(request, handler)
  })
}
