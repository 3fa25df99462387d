/** One inbound HTTP call reporting a conversion, read but not yet believed. */
import type { OriginalRequest } from './delivery.ts'

/** JSON with every number as the text that was sent: a 20-digit id stays exact. */
export class JsonNumber {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}
export type Json = null | boolean | string | JsonNumber | Json[] | JsonObject
export type JsonObject = Map<string, Json>

/** `embedded`: in a query string that was itself the value of a parameter. */
export type ParamSource = 'query' | 'form' | 'json' | 'embedded'

/** One name-value pair, in the order it was sent. */
export interface Param {
  /** Decoded name, or the raw text where it cannot be decoded. */
  readonly name: string
  /** Name without case and separators: `Click_ID` and `clickId` are both `clickid`. See `paramKey`. */
  readonly key: string
  /** Decoded once; null where the percent-encoding or UTF-8 is broken. */
  readonly value: string | null
  /** As sent: still encoded for query and form, the value's text for JSON. */
  readonly raw: string
  readonly source: ParamSource
}

/** Aliases match without case and without `_`, `-`, `.` and space. */
export function paramKey(name: string): string {
  return name.toLowerCase().replace(/[_\-. ]/g, '')
}

export interface Postback {
  /** Name of the network in the configuration, from the path or `network=`. */
  readonly network: string
  readonly method: 'GET' | 'POST'
  /** Raw request target as sent: path and query, never re-serialized. */
  readonly target: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Raw body bytes; empty for GET. */
  readonly body: Buffer
  /** Query pairs, then body pairs (form pairs, or top-level JSON scalars), each in order. */
  readonly params: readonly Param[]
  /** The parsed JSON body, or the JSON found in a form field. */
  readonly json: Json | undefined
  readonly pathToken: string | undefined
  readonly pathEvent: string | undefined
  /** Canonical client address behind trusted proxies; undefined where it cannot be parsed. */
  readonly client: string | undefined
  /** Epoch milliseconds. */
  readonly receivedAt: number
  /** Kept where the tracker behind this gateway is to get the request itself. */
  readonly original?: OriginalRequest
}

declare const verified: unique symbol
/** Passed every check of its network's rule. Only `verify` makes one. */
export type VerifiedPostback = Postback & { readonly [verified]: true }
