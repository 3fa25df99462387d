/** What the proxy needs of the rest of the gateway, given by whoever assembles it. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Result } from '../base/result.ts'
import type { Postback } from '../model/postback.ts'
import type { Deferral, Outcome, Refusal } from '../reasons.ts'
import type { Places, ProxyMode } from './places.ts'
import type { Shadow } from './shadow.ts'

/** What a network is answered. */
export interface ProxyReply {
  readonly status: number
  readonly contentType: string
  readonly body: string
}

export type ProxyRefusal = Refusal | { readonly reason: Deferral; readonly detail: string }

/** The proxy as configured now; swapped whole at a reload. */
export interface ProxyRules {
  /** Of the tracker: `scheme://host[:port]`. */
  readonly origin: string
  readonly preserveHost: boolean
  readonly connections: number
  /** For an answer, and between two parts of it, in ms. */
  readonly timeoutMs: number
  /** The same for a postback in tap mode; later it is stored instead. */
  readonly postbackTimeoutMs: number
  /** Largest body that is passed through. */
  readonly bodyBytes: number
  readonly storesWhenDown: boolean
  readonly places: Places
  modeOf(network: string): ProxyMode
  isKnown(network: string): boolean
}

export interface PostbackRequest {
  readonly method: 'GET' | 'POST'
  readonly target: string
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

/** Called before the answer is known; not called where nothing was decided. */
export type Ended = (outcome: Outcome) => void

/** `failed`: the tracker could not take a tapped postback. */
/** The tracker, as metrics name it. */
export const UPSTREAM = 'tracker'

export type TapResult = 'copied' | 'stored' | 'refused' | 'unread' | 'dropped'

export interface ProxyPorts {
  rules(): ProxyRules
  shadow(): Shadow | undefined
  /** Largest body of a postback. */
  readonly postbackBytes: number
  /** From the head of a postback to its last byte, in ms. */
  readonly postbackTimeoutMs: number
  /** Canonical client address, as for postbacks that come in directly. */
  client(request: IncomingMessage): string | undefined
  isTrusted(peer: string | undefined): boolean
  /** The request as a postback of a network that is yet to be told. */
  read(
    request: PostbackRequest,
    path: { readonly token: string | undefined; readonly event: string | undefined },
    client: string | undefined,
    receivedAt: number,
  ): Result<Postback, Refusal>
  /** Through the pipeline; to the tracker too, since `original` is set. */
  gate(postback: Postback): Promise<ProxyReply>
  /** The same, but verification refuses nothing; to the tracker only where `original` is set. */
  tap(postback: Postback, ended: Ended): Promise<ProxyReply>
  /** Counts a refusal and says what is answered. */
  refuse(network: string | undefined, refusal: ProxyRefusal, method?: string): ProxyReply
  /** The answer to HEAD where the network tests its URL so. */
  probe(network: string): ProxyReply | undefined
  answer(response: ServerResponse, reply: ProxyReply): void
  readonly events: ProxyEvents
}

export interface ProxyEvents {
  /** One request answered by the tracker, or by us in its place. */
  proxied(fact: {
    readonly upstream: string
    readonly httpStatus: number
    readonly durationMs: number
  }): void
  tapped(fact: { readonly network: string; readonly result: TapResult }): void
  /** A defect. */
  failed(error: unknown): void
}
