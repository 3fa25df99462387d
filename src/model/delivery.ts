/** Conversion × destination: the durable unit of work, and what its attempts can come to. */
import type { Result } from '../base/result.ts'
import type { Conversion, TextField } from './conversion.ts'
import type { Status } from './status.ts'

/** The request of a postback as it came, kept for a tracker that stands behind this gateway. */
export interface OriginalRequest {
  readonly method: 'GET' | 'POST'
  /** Path and query, byte for byte. */
  readonly target: string
  readonly host: string
  /** End-to-end headers; names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** Base64 of the raw body; absent where there was none. */
  readonly body?: string
}

/** What the store keeps once per accepted postback; every delivery of it reads this. */
export interface DeliveryRecord {
  /** Unique per accepted postback: `<owner>-<sequence>-<partition>`. */
  readonly id: string
  readonly conversion: Conversion
  /** Percent of the payout that a destination gets, where a route cuts it: `{ voluum: "80" }`. */
  readonly shares?: Readonly<Record<string, string>>
  /** Gateways on its way, this one counted; absent means 1. Sent on, so that a loop is noticed. */
  readonly hop?: number
  /** Where the tracker behind this gateway is one of the destinations. */
  readonly original?: OriginalRequest
  /** W3C traceparent of the postback's span, where it is traced: what attempts belong to. */
  readonly trace?: string
}

/**
 * The same on every attempt, so a destination that dedupes sees the delivery once.
 * Letters, digits, `-` and `_` only (Standard Webhooks forbids dots in ids).
 */
export function deliveryId(record: string, destination: string): string {
  return `${record}_${destination}`
}

/** An HTTP request, ready to send; header names in lower case. */
export interface DeliveryRequest {
  readonly method: 'GET' | 'POST' | 'PUT'
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | undefined
  /** Sent instead of `body` where the bytes are no UTF-8 text. */
  readonly bytes?: Uint8Array
  /** Host header where it is not that of `url`; where to connect and TLS are always by `url`. */
  readonly host?: string
}

export interface DeliveryResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** At most 64 KiB, decoded as UTF-8. */
  readonly body: string
}

/** Every attempt ends in exactly one of these. */
export const ATTEMPT_RESULTS = [
  'ok',
  'duplicate',
  'http_3xx',
  'http_4xx',
  'http_410',
  'http_429',
  'http_5xx',
  'body_rejected',
  'timeout',
  'connect_error',
  'dns_error',
  'tls_error',
  'reset',
  'egress_blocked',
  'template_error',
  'auth_failed',
] as const
export type AttemptResult = (typeof ATTEMPT_RESULTS)[number]

/** What a destination says of a response. */
export type DeliveryVerdict =
  | { readonly kind: 'delivered'; readonly result: 'ok' | 'duplicate' }
  /**
   * Try again; `afterMs` where the destination named a time. Ends as a dead letter `rejected`
   * after `maxAttempts`, and without it when the budget of the delivery is used up.
   */
  | {
      readonly kind: 'retry'
      readonly result: AttemptResult
      readonly afterMs?: number
      readonly maxAttempts?: number
    }
  /**
   * The account is refused, not this delivery: the destination is parked until its credentials work
   * again, and neither attempts nor the budget of a delivery are used up.
   */
  | { readonly kind: 'park'; readonly result: 'auth_failed' }
  /** Never by itself again: a dead letter. */
  | { readonly kind: 'dead'; readonly result: AttemptResult; readonly reason: DeadReason }

/** Why a delivery became a dead letter. */
export const DEAD_REASONS = [
  'rejected',
  'exhausted',
  'expired',
  'template_error',
  'macro_unreplaced',
  'egress_blocked',
  'insufficient_identity',
  'reversal_unsupported',
] as const
export type DeadReason = (typeof DEAD_REASONS)[number]

/** Why no request could be built; the delivery goes to the dead letters with it. */
export interface RequestFault {
  readonly reason: DeadReason
  /** What is wrong and where, without secrets. */
  readonly detail: string
}

/** What a request may depend on besides the conversion. */
export interface DeliveryContext {
  readonly deliveryId: string
  /** 1 for the first attempt. */
  readonly attempt: number
  /** Epoch milliseconds of this attempt. */
  readonly now: number
  /** Build it so that the destination does not count it; only where `Destination.test` is there. */
  readonly isTest?: boolean
}

/** An OAuth 2.0 grant: what an access token is asked for with, and where. */
export type TokenGrant =
  | {
      readonly kind: 'refresh_token'
      /** The token endpoint. */
      readonly url: string
      readonly clientId: string
      readonly clientSecret: string
      readonly refreshToken: string
    }
  | {
      readonly kind: 'service_account'
      /** The token endpoint, which is the audience of the assertion too. */
      readonly url: string
      readonly email: string
      /** Private RSA key, PEM. */
      readonly key: string
      readonly scope: string
    }

/** What can be asked about a request that was taken in. */
export interface Question {
  /** The destination's own name for the request. */
  readonly id: string
  readonly request: DeliveryRequest
}

/** What became of a request after it had been taken in. */
export const CONFIRMATION_RESULTS = ['confirmed', 'duplicate', 'too_early', 'refused'] as const

export interface Confirmation {
  readonly result: (typeof CONFIRMATION_RESULTS)[number]
  /** Words of the destination's own closed list. */
  readonly reasons: readonly string[]
}

/** For a destination that takes requests in first and judges them later. Pure, like the rest. */
export interface Confirm {
  /** Before the first question, ms; each further one waits twice as long as the one before. */
  readonly waitMs: number
  /** What to ask later, by the answer that took the request in; undefined for nothing. */
  question(response: DeliveryResponse): Question | undefined
  /** Undefined: it does not say yet. */
  read(response: DeliveryResponse): Confirmation | undefined
}

/**
 * A configured place to deliver to, compiled at load. Pure: it builds requests and reads
 * responses, and never sends (the transport does).
 */
export interface Destination {
  /** Its name in the configuration; `[a-z0-9][a-z0-9_-]*`. */
  readonly id: string
  /** Rule or type it is made from. */
  readonly rule: string
  /** False for statuses or events it must never see; such deliveries are not enqueued. */
  wants(conversion: Pick<Conversion, 'status' | 'event'>): boolean
  /** How long after a postback came it may first be told, ms; earlier it would refuse. 0: at once. */
  restMs?(conversion: Conversion): number
  request(record: DeliveryRecord, context: DeliveryContext): Result<DeliveryRequest, RequestFault>
  verdict(response: DeliveryResponse, now: number): DeliveryVerdict
  /** Told of every answer; for what is compared with it, never to change what follows. */
  answered?(record: DeliveryRecord, response: DeliveryResponse): void
  readonly policy: DeliveryPolicy
  /** Values to mask wherever a request of it is shown. */
  readonly secrets: readonly string[]
  /** Where it has a test mode: empty, or the setting that is missing for it. */
  readonly test?: { readonly missing?: string }
  /** Every request needs `authorization: Bearer <token>` from this grant, added when it is sent. */
  readonly grant?: TokenGrant
  /** Where what became of a delivered request is told later only. */
  readonly confirm?: Confirm
  /** Fields by which it recognizes a person or a click; undefined where it takes any conversion. */
  readonly identity?: readonly TextField[]
}

export interface DeliveryPolicy {
  readonly timeoutMs: number
  /** Attempts in flight at most. */
  readonly concurrency: number
  /** Attempts per second at most; undefined for no limit. */
  readonly ratePerSecond: number | undefined
  /** Deliveries held in memory at most; more wait in the store. */
  readonly memory: number
  /** Waits between attempts in ms; the last one repeats. */
  readonly scheduleMs: readonly number[]
  /** From acceptance to dead letter, in ms. */
  readonly budgetMs: number
  /** False where a repeat after a lost answer could count twice: such a delivery ends dead. */
  readonly retryAfterAmbiguous: boolean
  /** Private networks this destination may live in, as CIDRs. Metadata addresses never. */
  readonly allowPrivate: readonly string[]
}

/** Where routing wants a conversion delivered. */
export interface RoutedDelivery {
  readonly destination: string
  readonly delayMs: number
  readonly share: string | undefined
}

/** One HTTP try, as events and dead letters tell it. */
export interface Attempt {
  readonly deliveryId: string
  readonly record: string
  readonly destination: string
  readonly network: string
  readonly status: Status
  readonly attempt: number
  readonly result: AttemptResult
  readonly httpStatus: number | undefined
  readonly durationMs: number
  /** What the destination or the network stack said; printable, capped, secrets masked. */
  readonly detail: string | undefined
  /** Of the record. */
  readonly trace?: string | undefined
}
