/**
 * Every metric, declared once as data: createMetrics builds them from it, docs/metrics.md is
 * written from it, and the dashboards and rules are checked against it.
 *
 * Labels are names from the configuration and closed lists, never anything a postback carries: no
 * address, id, offer, URL or message. `bound` says how many series there can be, with N networks
 * and D destinations.
 */
export type MetricType = 'counter' | 'gauge' | 'histogram'

export interface MetricSpec {
  readonly type: MetricType
  readonly name: string
  /** One line, for people who meet the metric in a dashboard. */
  readonly help: string
  readonly labels: readonly string[]
  /** Upper bounds, ascending, without +Inf; histograms only. */
  readonly buckets?: readonly number[]
  readonly bound: string
  /** The same in every gateway that shares a store: use max or min over them, never sum. */
  readonly isShared?: true
  /** Gauges of several workers of one gateway as one; default max. */
  readonly merge?: 'sum' | 'max' | 'min'
}

/** Above this many series a metric folds into `_other`, and says so in label_overflow. */
export const MAX_SERIES = 5000
/** Currencies a network may have of its own; the rest are `other`. */
export const MAX_CURRENCIES = 12

const ANSWER_SECONDS = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] as const // prettier-ignore
const ATTEMPT_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const
const DELIVERY_SECONDS = [
  0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800, 7200, 43200,
] as const // prettier-ignore
const STORE_SECONDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
] as const // prettier-ignore
const PAYOUT = [0.01, 0.1, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 500] as const
/** From 0, or all the GETs would look like small bodies. */
const BYTES = [0, 256, 1024, 4096, 16384, 65536, 262144, 1048576] as const

export const CATALOGUE = {
  buildInfo: {
    type: 'gauge', name: 'postern_build_info', labels: ['version', 'node_version'], bound: '1',
    help: 'Always 1; which version runs here.',
  },
  time: {
    type: 'gauge', name: 'postern_time_seconds', labels: [], bound: '1',
    help: 'Wall clock of this gateway at the scrape, to compare with that of Prometheus.',
  },

  // Inbound
  inboundRequests: {
    type: 'counter', name: 'postern_inbound_requests_total', labels: ['network', 'method', 'code'],
    bound: '3 methods × codes in use × N', help: 'Postbacks answered, by method and HTTP status.',
  },
  inboundDuration: {
    type: 'histogram', name: 'postern_inbound_request_duration_seconds', labels: ['network'],
    buckets: ANSWER_SECONDS, bound: '16 N', help: 'Time from a postback to its answer.',
  },
  inboundBytes: {
    type: 'histogram', name: 'postern_inbound_request_body_bytes', labels: [], buckets: BYTES,
    bound: '11', help: 'Size of postback bodies; 0 for GET.',
  },
  inFlight: {
    type: 'gauge', merge: 'sum', name: 'postern_inbound_requests_in_flight', labels: [], bound: '1',
    help: 'Postbacks being answered now.',
  },
  unrouted: {
    type: 'counter', name: 'postern_unrouted_requests_total', labels: ['reason'],
    bound: 'reason codes', help: 'Requests refused before a network was found for them.',
  },
  postbacks: {
    type: 'counter', name: 'postern_postbacks_total', labels: ['network', 'outcome'], bound: '5 N',
    help: 'Postbacks by outcome; exactly one outcome each.',
  },
  rejected: {
    type: 'counter', name: 'postern_postbacks_rejected_total', labels: ['network', 'reason'],
    bound: 'reason codes × N', help: 'Rejected postbacks by reason.',
  },
  deferred: {
    type: 'counter', name: 'postern_postbacks_deferred_total', labels: ['network', 'reason'],
    bound: '5 N', help: 'Postbacks answered 503 by reason; the network is to send them again.',
  },
  conversions: {
    type: 'counter', name: 'postern_conversions_total', labels: ['network', 'status'],
    bound: '5 N', help: 'Accepted conversions and status changes, by the status they reported.',
  },
  payout: {
    type: 'histogram', name: 'postern_conversion_payout', labels: ['network', 'currency', 'status'],
    buckets: PAYOUT, bound: '14 × 5 × currencies in use × N',
    help: 'Payout of accepted conversions without its sign, in units of the currency.',
  },
  lastPostback: {
    type: 'gauge', name: 'postern_network_last_postback_timestamp_seconds', labels: ['network'],
    bound: 'N', help: 'When this gateway last believed a postback of the network; its start until then.',
  },
  maxSilence: {
    type: 'gauge', name: 'postern_network_max_silence_seconds', labels: ['network'], bound: 'N',
    help: 'Silence of the network that is worth an alert, from max_silence_hours; 0 for none.',
  },
  dedupe: {
    type: 'counter', name: 'postern_dedupe_lookups_total', labels: ['result'], bound: '5',
    help: 'What the store said of a conversion: new, update, duplicate, stale or conflict.',
  },
  replays: {
    type: 'counter', name: 'postern_dedupe_cache_lookups_total', labels: ['result'], bound: '2',
    help: 'Look-ups in the memory of what this gateway has just made durable: hit or miss.',
  },

  // Outbound
  enqueued: {
    type: 'counter', name: 'postern_deliveries_enqueued_total', labels: ['destination'], bound: 'D',
    help: 'Deliveries made durable.',
  },
  deliveries: {
    type: 'counter', name: 'postern_deliveries_total', labels: ['destination', 'outcome'],
    bound: '2 D', help: 'Deliveries that this gateway ended: delivered or dead.',
  },
  died: {
    type: 'counter', name: 'postern_deliveries_dead_total', labels: ['destination', 'reason'],
    bound: '8 D', help: 'Deliveries that became dead letters, by reason.',
  },
  attempts: {
    type: 'counter', name: 'postern_delivery_attempts_total', labels: ['destination', 'result'],
    bound: '16 D', help: 'Attempts by result.',
  },
  attemptDuration: {
    type: 'histogram', name: 'postern_delivery_attempt_duration_seconds', labels: ['destination'],
    buckets: ATTEMPT_SECONDS, bound: '14 D', help: 'One attempt, from building it to its answer.',
  },
  attemptsInFlight: {
    type: 'gauge', merge: 'sum', name: 'postern_delivery_attempts_in_flight', labels: ['destination'], bound: 'D',
    help: 'Attempts waiting for an answer now.',
  },
  deliveryLatency: {
    type: 'histogram', name: 'postern_delivery_latency_seconds', labels: ['destination'],
    buckets: DELIVERY_SECONDS, bound: '16 D', help: 'Time from receiving a postback to delivered.',
  },
  inMemory: {
    type: 'gauge', merge: 'sum', name: 'postern_deliveries_in_memory', labels: ['destination'], bound: 'D',
    help: 'Deliveries this gateway holds in memory, waiting or in flight.',
  },
  handedOver: {
    type: 'counter', name: 'postern_deliveries_handed_over_total', labels: ['destination', 'cause'],
    bound: '6 D', help: 'Deliveries moved from memory to the queue of the store.',
  },
  pending: {
    type: 'gauge', name: 'postern_deliveries_pending', labels: ['destination', 'state'],
    bound: '2 D', isShared: true,
    help: 'Deliveries not ended: journal (a gateway is at it) or queue (waits for its due time).',
  },
  overdue: {
    type: 'gauge', name: 'postern_delivery_oldest_overdue_timestamp_seconds',
    labels: ['destination'], bound: 'D', isShared: true,
    help: 'Due time of the delivery that is most overdue in the queue; 0 if none is.',
  },
  deadLetters: {
    type: 'gauge', name: 'postern_dead_letters', labels: ['destination'], bound: 'D',
    isShared: true, help: 'Dead letters kept now.',
  },
  accounts: {
    type: 'gauge', name: 'postern_ledger_deliveries', labels: ['destination', 'account'],
    bound: '4 D', isShared: true,
    help: 'The counters of the store since it was made: enqueued, delivered, dead or discarded.',
  },
  ledger: {
    type: 'gauge', name: 'postern_ledger_unaccounted_deliveries', labels: ['destination'],
    bound: 'D', isShared: true,
    help: 'Enqueued − delivered − dead − discarded − pending, all kept in the store; must be 0.',
  },
  circuit: {
    type: 'gauge', name: 'postern_destination_circuit_state', labels: ['destination', 'state'],
    bound: '3 D', help: '1 for the state the circuit breaker is in: closed, half_open or open.',
  },
  circuitTransitions: {
    type: 'counter', name: 'postern_destination_circuit_transitions_total',
    labels: ['destination', 'state'], bound: '3 D', help: 'Circuit breaker changes, by new state.',
  },
  authFailures: {
    type: 'counter', name: 'postern_destination_auth_failures_total', labels: ['destination'],
    bound: 'D', help: 'Attempts that a destination refused for its credentials; it is parked then.',
  },
  confirmations: {
    type: 'counter', name: 'postern_destination_confirmations_total', labels: ['destination', 'result'],
    bound: '5 D', help: 'What became of delivered requests that a destination judges later: confirmed, duplicate, too_early, refused or unknown.',
  },
  egressBlocked: {
    type: 'counter', name: 'postern_egress_blocked_total', labels: ['destination', 'reason'],
    bound: '7 D', help: 'Attempts that the egress guard refused, by kind of address.',
  },

  // Store
  storeUp: {
    type: 'gauge', merge: 'min', name: 'postern_store_up', labels: ['store'], bound: '1',
    help: '1 while the store answers this gateway.',
  },
  storeDuration: {
    type: 'histogram', name: 'postern_store_operation_duration_seconds',
    labels: ['store', 'operation'], buckets: STORE_SECONDS, bound: '16 × 18 operations',
    help: 'One call of the store, until it is confirmed.',
  },
  storeErrors: {
    type: 'counter', name: 'postern_store_errors_total', labels: ['operation', 'reason'],
    bound: '12 operations × 11 reasons', help: 'Store calls that failed.',
  },
  storeSize: {
    type: 'gauge', name: 'postern_store_size_bytes', labels: ['store'], bound: '1', isShared: true,
    help: 'What the store uses of its limit: memory for Redis, disk for LMDB.',
  },
  storeLimit: {
    type: 'gauge', name: 'postern_store_size_limit_bytes', labels: ['store'], bound: '1',
    isShared: true, help: 'Where the store is full; absent where it has no limit.',
  },
  storeSafety: {
    type: 'gauge', merge: 'min', name: 'postern_store_safety_check', labels: ['store', 'check'], bound: '10',
    isShared: true, help: '1 where the check is met, 0 where data can be lost.',
  },
  recovered: {
    type: 'counter', name: 'postern_deliveries_recovered_total', labels: ['how'], bound: '2',
    help: 'Journal records taken over from dead gateways, or found again by the sweep.',
  },
  leasesLost: {
    type: 'counter', name: 'postern_store_leases_lost_total', labels: [], bound: '1',
    help: 'Times this gateway was too late and its work went to another.',
  },

  // Gateway
  reloads: {
    type: 'counter', name: 'postern_config_reloads_total', labels: ['result'], bound: '2',
    help: 'Loads of configuration and rules: ok or error.',
  },
  reloadOk: {
    type: 'gauge', merge: 'min', name: 'postern_config_last_reload_successful', labels: [], bound: '1',
    help: '1 if the last load was taken, 0 if it was refused and the old set was kept.',
  },
  reloadAt: {
    type: 'gauge', name: 'postern_config_last_reload_success_timestamp_seconds', labels: [],
    bound: '1', help: 'When the running configuration was loaded.',
  },
  proxyRequests: {
    type: 'counter', name: 'postern_proxy_requests_total', labels: ['upstream', 'code'],
    bound: 'upstreams × codes in use', help: 'Requests passed through to an existing tracker.',
  },
  proxyDuration: {
    type: 'histogram', name: 'postern_proxy_request_duration_seconds', labels: ['upstream'],
    buckets: ANSWER_SECONDS, bound: '16 × upstreams',
    help: 'Passed-through requests, from the request to the head of the answer.',
  },
  proxyTaps: {
    type: 'counter', name: 'postern_proxy_taps_total', labels: ['network', 'result'], bound: '5 N',
    help: 'Tapped postbacks: copied, stored for a tracker that is down, refused by it, unread or dropped.',
  },
  tapUnverified: {
    type: 'counter', name: 'postern_proxy_taps_unverified_total', labels: ['network', 'reason'],
    bound: 'reason codes × N', help: 'Tapped postbacks that verification would have refused.',
  },
  shadowAnswers: {
    type: 'counter', name: 'postern_proxy_shadow_answers_total', labels: ['network', 'result'],
    bound: '4 N', help: 'Answers of the shadow tracker: agree, differ, failed or skipped.',
  },
  adminRequests: {
    type: 'counter', name: 'postern_admin_requests_total', labels: ['route', 'code'], bound: '60',
    help: 'Requests to the admin listener, by route and HTTP status.',
  },
  logMessages: {
    type: 'counter', name: 'postern_log_messages_total', labels: ['level'], bound: '4',
    help: 'Log lines written, by level.',
  },
  overflow: {
    type: 'counter', name: 'postern_metrics_label_overflow_total', labels: ['metric'],
    bound: 'metrics', help: 'Times a metric met a new series above its limit and used `_other`.',
  },
  collectDuration: {
    type: 'gauge', name: 'postern_metrics_collect_duration_seconds', labels: [], bound: '1',
    help: 'How long the last look at the shared state took.',
  },
  collectedAt: {
    type: 'gauge', name: 'postern_metrics_collected_timestamp_seconds', labels: [], bound: '1',
    help: 'When the shared state was last looked at successfully; 0 if never.',
  },
} as const satisfies Record<string, MetricSpec> // prettier-ignore

export type MetricKey = keyof typeof CATALOGUE
