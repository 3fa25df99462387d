/** The outside world of end-to-end tests: a tracker that journals every request it gets. */
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Teardown } from './gateway.ts'

export interface Arrival {
  readonly path: string
  readonly query: URLSearchParams
  readonly deliveryId: string
  /** As sent. */
  readonly target: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** Which start of a gateway sent it, counted over the test; 0 where that is not told. */
  readonly life: number
  /** What it was answered: a status, or 0 for an answer that never came. */
  readonly answered: number
  /** Monotonic milliseconds, as `performance.now()`. */
  readonly at: number
}

export interface Tracker {
  readonly url: string
  readonly port: number
  readonly arrivals: Arrival[]
  /** Arrivals on one path. */
  on(path: string): Arrival[]
  /** Status to answer by path; `'hang'` never answers. Default 200. */
  readonly behave: Map<
    string,
    number | 'hang' | ((arrival: Omit<Arrival, 'answered' | 'at'>) => number | 'hang')
  >
  close(): Promise<void>
}

export async function startTracker(t: Teardown): Promise<Tracker> {
  const arrivals: Arrival[] = []
  const behave: Tracker['behave'] = new Map()
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const url = new URL(request.url ?? '/', 'http://tracker')
      const arrival = {
        path: url.pathname,
        query: url.searchParams,
        deliveryId: String(request.headers['postern-delivery-id']),
        target: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(chunks).toString('utf8'),
        life: Number(request.headers['x-life'] ?? 0),
      }
      const rule = behave.get(url.pathname) ?? 200
      const answer = typeof rule === 'function' ? rule(arrival) : rule
      arrivals.push({
        ...arrival,
        answered: answer === 'hang' ? 0 : answer,
        at: performance.now(),
      })
      if (answer === 'hang') return
      response.statusCode = answer
      response.end('OK')
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const close = () =>
    new Promise<void>(resolve => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  t.teardown(close)
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    arrivals,
    on: path => arrivals.filter(arrival => arrival.path === path),
    behave,
    close,
  }
}
