/** Every reason code of a postback: its outcome, the default HTTP answer and what it means. */

export type Outcome = 'accepted' | 'duplicate' | 'ignored' | 'rejected' | 'deferred'

interface ReasonEntry {
  readonly outcome: Outcome
  /** Default HTTP status; a rule's `reply` may override it. */
  readonly http: number
  readonly meaning: string
}

export const REASONS = {
  // accepted
  new: { outcome: 'accepted', http: 200, meaning: 'first time seen; stored and queued' },
  update: { outcome: 'accepted', http: 200, meaning: 'the conversion moved to another status or amount' },
  // duplicate
  duplicate: { outcome: 'duplicate', http: 200, meaning: 'same conversion, same status: nothing sent' },
  conflict: { outcome: 'duplicate', http: 200, meaning: 'same conversion and status, other amount; the rule says ignore' },
  // ignored
  stale: { outcome: 'ignored', http: 200, meaning: 'a late lower status; recorded, not forwarded' },
  test: { outcome: 'ignored', http: 200, meaning: 'a test postback by the network’s own mark' },
  informational: { outcome: 'ignored', http: 200, meaning: 'an event that the rule does not forward' },
  probe: { outcome: 'ignored', http: 200, meaning: 'an empty request with which the network tests the URL' },
  // rejected: what was sent
  malformed_http: { outcome: 'rejected', http: 400, meaning: 'not a valid HTTP request' },
  bad_path: { outcome: 'rejected', http: 400, meaning: 'the path cannot be decoded' },
  encoding_invalid: { outcome: 'rejected', http: 400, meaning: 'broken percent-encoding or UTF-8 in a value that is used' },
  body_invalid: { outcome: 'rejected', http: 400, meaning: 'the body is not what its content type says' },
  body_too_deep: { outcome: 'rejected', http: 400, meaning: 'JSON nested deeper than the limit' },
  param_missing: { outcome: 'rejected', http: 400, meaning: 'a required parameter is missing' },
  param_duplicate: { outcome: 'rejected', http: 400, meaning: 'a used parameter was sent twice with different values' },
  param_too_many: { outcome: 'rejected', http: 400, meaning: 'more parameters than the limit' },
  param_too_long: { outcome: 'rejected', http: 400, meaning: 'a value longer than the limit' },
  param_invalid: { outcome: 'rejected', http: 400, meaning: 'a value with control characters or of the wrong format' },
  amount_invalid: { outcome: 'rejected', http: 400, meaning: 'not an amount by the rule’s money format' },
  currency_unknown: { outcome: 'rejected', http: 400, meaning: 'not an ISO 4217 currency code' },
  time_invalid: { outcome: 'rejected', http: 400, meaning: 'not a time by the rule’s format' },
  status_unknown: { outcome: 'rejected', http: 400, meaning: 'a status word that the rule does not map' },
  macro_unreplaced: { outcome: 'rejected', http: 400, meaning: 'the identifying value is a macro that the network did not fill in' },
  dedupe_key_empty: { outcome: 'rejected', http: 400, meaning: 'nothing identifies this conversion' },
  timestamp_missing: { outcome: 'rejected', http: 400, meaning: 'the rule checks freshness and no timestamp came' },
  // rejected: who sent it
  secret_missing: { outcome: 'rejected', http: 401, meaning: 'the shared token is missing' },
  secret_mismatch: { outcome: 'rejected', http: 401, meaning: 'the shared token is wrong' },
  signature_missing: { outcome: 'rejected', http: 401, meaning: 'the signature is missing' },
  signature_malformed: { outcome: 'rejected', http: 401, meaning: 'the signature is not of its encoding and length' },
  signature_invalid: { outcome: 'rejected', http: 401, meaning: 'the signature does not match' },
  timestamp_out_of_window: { outcome: 'rejected', http: 401, meaning: 'the timestamp is too old or in the future' },
  ip_denied: { outcome: 'rejected', http: 403, meaning: 'the client address is not on the allowlist' },
  ip_unparseable: { outcome: 'rejected', http: 403, meaning: 'the client address cannot be told' },
  https_required: { outcome: 'rejected', http: 403, meaning: 'the network must send over HTTPS' },
  network_disabled: { outcome: 'rejected', http: 403, meaning: 'the network is switched off in the configuration' },
  // rejected: where and how
  unknown_network: { outcome: 'rejected', http: 404, meaning: 'no such network or path' },
  method_not_allowed: { outcome: 'rejected', http: 405, meaning: 'only GET and POST are postbacks' },
  request_timeout: { outcome: 'rejected', http: 408, meaning: 'the request did not arrive in time' },
  body_too_large: { outcome: 'rejected', http: 413, meaning: 'the body is larger than the limit' },
  url_too_long: { outcome: 'rejected', http: 414, meaning: 'the URL is longer than the limit' },
  content_type_unsupported: { outcome: 'rejected', http: 415, meaning: 'not form or JSON' },
  content_encoding_unsupported: { outcome: 'rejected', http: 415, meaning: 'compressed bodies are not read' },
  loop_detected: { outcome: 'rejected', http: 508, meaning: 'the postback has passed through too many gateways' },
  expectation_failed: { outcome: 'rejected', http: 417, meaning: 'an Expect header other than 100-continue' },
  host_not_allowed: { outcome: 'rejected', http: 421, meaning: 'the Host header is not on the list' },
  rate_limited: { outcome: 'rejected', http: 429, meaning: 'more requests than the limit' },
  headers_too_large: { outcome: 'rejected', http: 431, meaning: 'the header section is larger than the limit' },
  // deferred: try again
  store_unavailable: { outcome: 'deferred', http: 503, meaning: 'the store did not confirm; nothing is promised' },
  store_full: { outcome: 'deferred', http: 503, meaning: 'the store has no room' },
  draining: { outcome: 'deferred', http: 503, meaning: 'the gateway is shutting down' },
  keys_unavailable: { outcome: 'deferred', http: 503, meaning: 'the network’s public keys cannot be fetched now' },
  overloaded: { outcome: 'deferred', http: 503, meaning: 'more postbacks in flight than the limit' },
} as const satisfies Record<string, ReasonEntry> // prettier-ignore

export type Reason = keyof typeof REASONS
type OfOutcome<O extends Outcome> = {
  [R in Reason]: (typeof REASONS)[R]['outcome'] extends O ? R : never
}[Reason]
export type Rejection = OfOutcome<'rejected'>
export type Ignored = OfOutcome<'ignored'>
export type Deferral = OfOutcome<'deferred'>

export const REASON_CODES = Object.keys(REASONS) as Reason[]

/** A refusal with what a person needs to mend it. `detail` never repeats input values. */
export interface Refusal {
  /** `keys_unavailable`: whether the signature holds cannot be told now, so the network tries again. */
  readonly reason: Rejection | 'keys_unavailable'
  /** Which check, parameter or field decided; safe to log. */
  readonly detail: string
}
