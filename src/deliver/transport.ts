/**
 * Sends one request and reads one answer: the only way out of the gateway. In: a request that a
 * destination built. Out: its answer (at most 64 KiB of body) or a failure; never throws for what
 * the other side does. Guarantees: HTTP/1.1, no redirects followed, no private address without
 * allowance, one deadline over everything, the same identifying headers on every request.
 */
import { networkInterfaces } from 'node:os'
import type { Clock } from '../base/clock.ts'
import type { DeliveryPolicy, DeliveryRequest } from '../model/delivery.ts'
import { createConnections, type Connections } from './connections.ts'
import { createConnector } from './connector.ts'
import { checkDestinationUrl, compileEgress, EgressError, type Listening } from './egress.ts'
import { exchange, type ExchangeRequest, type Sent } from './exchange.ts'
import { toFailure, timedOut, type Failure } from './failure.ts'
import { createResolver, systemResolve, type Resolve } from './resolve.ts'

export interface TransportOptions {
  readonly clock: Clock
  /** Goes into `user-agent: Postern/<version>`. */
  readonly version: string
  /** Where this process listens, so that it never delivers to itself. */
  readonly ownAddresses?: () => readonly Listening[]
  /** Certificate authorities instead of the built-in ones, PEM. */
  readonly ca?: string
  readonly resolve?: Resolve
}

/** The connections of one destination, shared with no other: a slow one cannot use up the rest. */
export interface Channel {
  /** `hop`: 1 for what this gateway took in from a network, one more for each gateway before. */
  send(request: DeliveryRequest, deliveryId: string, hop: number): Promise<Sent>
  /** No new exchanges; running ones end by themselves. */
  close(): void
}

export interface Transport {
  channel(policy: DeliveryPolicy): Channel
}

/** A destination has one origin; more means its rule builds hosts, which is bounded here. */
const ORIGINS_MAX = 16

export function createTransport(options: TransportOptions): Transport {
  const resolve = createResolver(options.resolve ?? systemResolve, options.clock)
  const userAgent = `Postern/${options.version}`

  return {
    channel: policy => {
      const guard = compileEgress({
        allowPrivate: policy.allowPrivate,
        ownAddresses: options.ownAddresses ?? (() => []),
        localAddresses,
      })
      const origins = new Map<string, Connections | Failure>()

      function open(origin: string): Connections | Failure {
        const checked = checkDestinationUrl(origin, policy.allowPrivate)
        if (!checked.ok) return toFailure(new EgressError('reserved', checked.error.message), false)
        const connect = createConnector(checked.value, {
          guard,
          resolve,
          timeoutMs: policy.timeoutMs,
          ca: options.ca,
        })
        return createConnections(checked.value.origin, connect)
      }

      function connectionsTo(origin: string): Connections | Failure {
        const known = origins.get(origin)
        if (known) return known
        const [oldest] = origins.keys()
        if (origins.size >= ORIGINS_MAX && oldest !== undefined) {
          const dropped = origins.get(oldest)
          if (dropped && 'close' in dropped) dropped.close()
          origins.delete(oldest)
        }
        const opened = open(origin)
        origins.set(origin, opened)
        return opened
      }

      function send(request: DeliveryRequest, id: string, hop: number): Promise<Sent> {
        const { origin, path } = splitUrl(request.url)
        const connections = connectionsTo(origin)
        if ('kind' in connections) return Promise.resolve(connections)
        const outgoing: ExchangeRequest = {
          method: request.method,
          path,
          headers: headersOf(request, userAgent, id, hop),
          body: request.bytes ?? request.body ?? null,
          // A kept-alive connection can die unseen, and then nobody knows whether the request was
          // read. Where a repeat could count twice, a connection of its own avoids the question.
          reset: !policy.retryAfterAmbiguous,
        }
        // Or undici would take the TLS name from the Host header, which a postback chooses.
        if (request.host !== undefined) outgoing.servername = nameOf(origin)
        const started = options.clock.monotonic()
        return exchange(connections.acquire(false), outgoing, policy.timeoutMs).then(first => {
          if (!first.isStale) return first.sent
          // The connection had been closed by the other side before this request: not its failure.
          const leftMs = policy.timeoutMs - (options.clock.monotonic() - started)
          if (leftMs <= 0) return timedOut(policy.timeoutMs, true)
          return exchange(connections.acquire(true), outgoing, leftMs).then(({ sent }) => sent)
        })
      }

      return {
        send,
        close: () => {
          for (const connections of origins.values()) {
            if ('close' in connections) connections.close()
          }
        },
      }
    },
  }
}

/** `/`, `?` and `#`. */
const ENDS_HOST = new Set([47, 63, 35])

/** Without a URL parser on the hot path: origins are parsed and checked once, when first seen. */
function splitUrl(url: string): { readonly origin: string; readonly path: string } {
  const host = url.indexOf('//') + 2
  let end = host
  while (end < url.length && !ENDS_HOST.has(url.charCodeAt(end))) end += 1
  if (end === url.length) return { origin: url, path: '/' }
  const fragment = url.indexOf('#', end)
  const path = fragment < 0 ? url.slice(end) : url.slice(end, fragment)
  return { origin: url.slice(0, end), path: path.startsWith('/') ? path : `/${path}` }
}

function nameOf(origin: string): string {
  return new URL(origin).hostname
}

/** What undici or this gateway decides, not a destination. */
const NOT_THEIRS = new Set(['host', 'connection', 'content-length', 'transfer-encoding'])

function headersOf(
  request: DeliveryRequest,
  userAgent: string,
  deliveryId: string,
  hop: number,
): string[] {
  const headers = [
    'accept-encoding',
    'identity',
    'postern-delivery-id',
    deliveryId,
    // Lets a gateway that is reached by its own delivery notice the loop.
    'postern-hop',
    String(hop),
  ]
  if (request.host !== undefined) headers.push('host', request.host)
  let hasAgent = false
  for (const name in request.headers) {
    if (NOT_THEIRS.has(name) || name === 'accept-encoding' || name.startsWith('postern-')) continue
    if (name === 'user-agent') hasAgent = true
    headers.push(name, request.headers[name] as string)
  }
  if (!hasAgent) headers.push('user-agent', userAgent)
  return headers
}

function localAddresses(): readonly string[] {
  return Object.values(networkInterfaces()).flatMap(list => list?.map(item => item.address) ?? [])
}
