/**
 * Every metric, declared once. Labels are names from the configuration and closed enums, never
 * anything a postback carries. Counters are plain numbers until a scrape (see counters.ts).
 */
import { collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { createCounter } from './counters.ts'

const SECONDS_ANSWER = [
  0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
] // prettier-ignore
const SECONDS_ATTEMPT = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const SECONDS_DELIVERY = [
  0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 1800, 7200, 43200,
] // prettier-ignore
const PAYOUT = [0.01, 0.1, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 500]

/** prom-client exports these three gauges under counter names; promtool refuses them. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
]

export type Metrics = ReturnType<typeof createMetrics>

export function createMetrics() {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  for (const name of MISNAMED) registry.removeSingleMetric(name)

  const counter = (name: string, help: string, labels: readonly string[] = []) =>
    createCounter(registry, `postern_${name}`, help, labels)
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name: `postern_${name}`, help, labelNames, registers: [registry] })
  const histogram = (name: string, help: string, labelNames: string[], buckets: number[]) =>
    new Histogram({ name: `postern_${name}`, help, labelNames, buckets, registers: [registry] })

  return {
    registry,
    buildInfo: gauge('build_info', 'Always 1; what runs here.', ['version', 'node_version']),

    // inbound
    inboundRequests: counter('inbound_requests_total', 'Postbacks answered, by status code.', [
      'network',
      'method',
      'code',
    ]),
    inboundDuration: histogram(
      'inbound_request_duration_seconds',
      'From the request to its answer.',
      ['network'],
      SECONDS_ANSWER,
    ),
    inFlight: gauge('inbound_requests_in_flight', 'Postbacks being answered now.'),
    unrouted: counter('unrouted_requests_total', 'Requests that belong to no network.', ['reason']),
    postbacks: counter('postbacks_total', 'Postbacks by outcome; exactly one each.', [
      'network',
      'outcome',
    ]),
    rejected: counter('postbacks_rejected_total', 'Rejected postbacks by reason.', [
      'network',
      'reason',
    ]),
    conversions: counter('conversions_total', 'Accepted conversions by status.', [
      'network',
      'status',
    ]),
    payout: histogram(
      'conversion_payout',
      'Payout of accepted conversions, in units of the currency.',
      ['network', 'currency', 'status'],
      PAYOUT,
    ),
    lastPostback: gauge(
      'network_last_postback_timestamp_seconds',
      'When the network last sent a postback; start time if it has not.',
      ['network'],
    ),
    dedupe: counter('dedupe_lookups_total', 'What the store said of a conversion.', ['result']),
    replays: counter('dedupe_cache_lookups_total', 'Replays answered without the store.', [
      'result',
    ]),

    // outbound
    enqueued: counter('deliveries_enqueued_total', 'Deliveries made durable.', ['destination']),
    deliveries: counter('deliveries_total', 'Deliveries that ended, by outcome.', [
      'destination',
      'outcome',
    ]),
    attempts: counter('delivery_attempts_total', 'HTTP attempts by result.', [
      'destination',
      'result',
    ]),
    attemptDuration: histogram(
      'delivery_attempt_duration_seconds',
      'One HTTP attempt, from request to answer.',
      ['destination'],
      SECONDS_ATTEMPT,
    ),
    deliveryLatency: histogram(
      'delivery_latency_seconds',
      'From acceptance to delivered.',
      ['destination'],
      SECONDS_DELIVERY,
    ),
    handedOver: counter(
      'deliveries_handed_over_total',
      'Deliveries moved from memory to the queue of the store.',
      ['destination', 'cause'],
    ),
    inMemory: gauge('deliveries_in_memory', 'Deliveries this process holds in memory.', [
      'destination',
    ]),
    pending: gauge('deliveries_pending', 'Deliveries not ended; shared by all gateways.', [
      'destination',
      'state',
    ]),
    overdue: gauge(
      'delivery_overdue_seconds',
      'How long the oldest queued delivery is past its due time.',
      ['destination'],
    ),
    deadLetters: gauge('dead_letters', 'Dead letters kept; shared by all gateways.', [
      'destination',
    ]),
    ledger: gauge(
      'ledger_unaccounted_deliveries',
      'Enqueued less delivered, dead, discarded and pending, from counters in the store. 0 at rest.',
      ['destination'],
    ),
    ledgerAt: gauge(
      'ledger_collected_timestamp_seconds',
      'When pending, dead letters and ledger were last read from the store.',
    ),
    circuit: gauge('destination_circuit_state', 'One-hot state of the circuit breaker.', [
      'destination',
      'state',
    ]),
    circuitTransitions: counter(
      'destination_circuit_transitions_total',
      'Circuit breaker transitions.',
      ['destination', 'state'],
    ),
    egressBlocked: counter('egress_blocked_total', 'Attempts refused by the egress guard.', [
      'destination',
    ]),

    // proxy
    proxyRequests: counter(
      'proxy_requests_total',
      'Requests passed to the tracker, by the status that was answered.',
      ['upstream', 'code'],
    ),
    proxyDuration: histogram(
      'proxy_request_duration_seconds',
      'From the request to the head of its answer.',
      ['upstream'],
      SECONDS_ANSWER,
    ),
    proxyTaps: counter('proxy_taps_total', 'Tapped postbacks, by what became of the copy.', [
      'network',
      'result',
    ]),
    tapUnverified: counter(
      'proxy_taps_unverified_total',
      'Tapped postbacks that verification would have refused.',
      ['network', 'reason'],
    ),
    shadowAnswers: counter(
      'proxy_shadow_answers_total',
      'Answers of the shadow tracker compared with those of the tracker.',
      ['network', 'result'],
    ),

    // store and runtime
    storeUp: gauge('store_up', '1 while the store confirms the heartbeat.', ['store']),
    storeErrors: counter('store_errors_total', 'Store calls that failed.', ['operation', 'reason']),
    storeSafety: gauge('store_safety_check', '1 where the check is met.', ['store', 'check']),
    recovered: counter(
      'deliveries_recovered_total',
      'Journal records taken over from dead owners or found by the sweep.',
      ['how'],
    ),
    leasesLost: counter('store_leases_lost_total', 'Times this process lost its lease.'),
    reloads: counter('config_reloads_total', 'Reloads of configuration and rules.', ['result']),
    reloadOk: gauge(
      'config_last_reload_successful',
      '1 if the last reload was taken, 0 if the old set was kept.',
    ),
    reloadAt: gauge(
      'config_last_reload_success_timestamp_seconds',
      'When the running set was loaded.',
    ),
  }
}
