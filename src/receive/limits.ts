/** What one postback may ask of the gateway, in numbers. Names as in `server.limits`, defaults there. */

export interface ReadLimits {
  /** Pairs of query and body together. */
  readonly params: number
  /** Characters of one decoded value. */
  readonly valueChars: number
  /** Objects and lists inside each other. */
  readonly jsonDepth: number
}

export interface ReceiveLimits extends ReadLimits {
  /** Of the request target. */
  readonly urlBytes: number
  readonly bodyBytes: number
  /** Of all headers together, besides the target. */
  readonly headerBytes: number
  /** Postbacks in the pipeline at once; above it `overloaded`. */
  readonly inFlight: number
  /** From the first byte of a request to its last. */
  readonly requestTimeoutMs: number
  /** From the first byte of a request to the end of its headers. */
  readonly headerTimeoutMs: number
  /** Open at once. */
  readonly connections: number
  /** Requests a second of one client address; 0 for no limit. */
  readonly addressRate: number
}

export const DEFAULT_LIMITS: ReceiveLimits = {
  params: 100,
  valueChars: 4096,
  jsonDepth: 20,
  urlBytes: 8192,
  bodyBytes: 65_536,
  headerBytes: 8192,
  inFlight: 10_000,
  requestTimeoutMs: 10_000,
  headerTimeoutMs: 10_000,
  connections: 10_000,
  addressRate: 0,
}
