/** The machinery: the store, the processes, the configuration. */
import { GATEWAYS as G, type Dashboard } from './dashboard.ts'
import { graph, stat, table } from './panel.ts'

const RATE = '[$__rate_interval]'
const NO_PROXY = 'These gateways are not in front of a tracker'
const NO_SHADOW = 'Nothing is compared with a shadow tracker'

export const runtime: Dashboard = {
  name: 'runtime',
  title: 'Runtime and store',
  description: 'The store and its safety, the processes of gateways, configuration and proxy.',
  rows: [
    {
      title: 'Store',
      panels: [
        stat('Store', 'Whether every gateway gets answers from its store.', 'none', `min(postern_store_up{${G}})`, { width: 4, mappings: { 0: ['down', 'red'], 1: ['up', 'green'] } }),
        stat('Fill', 'Used of the limit: memory for Redis, disk for LMDB.', 'percentunit', `max(postern_store_size_bytes{${G}}) / max(postern_store_size_limit_bytes{${G}})`, { width: 4, steps: [[0.8, 'orange'], [0.95, 'red']], none: 'no limit' }),
        stat('Used', 'Memory of Redis, or disk of LMDB.', 'bytes', `max(postern_store_size_bytes{${G}})`, { width: 4, none: 'not told' }),
        stat('Safety checks failed', 'Settings with which a crash can lose data.', 'short', `count(min by (check) (postern_store_safety_check{${G}}) == 0) or vector(0)`, { width: 4, steps: [[1, 'red']] }),
        stat('Leases lost, 24 h', 'Times a gateway was too late and its work went to another.', 'short', `sum(increase(postern_store_leases_lost_total{${G}}[24h]))`, { width: 4, decimals: 0, steps: [[1, 'orange']] }),
        stat('Shared state read', 'How long ago pending, dead letters and the ledger were read.', 's', `time() - max(postern_metrics_collected_timestamp_seconds{${G}})`, { width: 4, steps: [[60, 'orange']] }),
        graph('Store p99 by operation', 'One call, until it is confirmed.', 's', [{ expr: `histogram_quantile(0.99, sum by (le, operation) (rate(postern_store_operation_duration_seconds_bucket{${G}}${RATE})))`, legend: '{{operation}}' }]),
        graph('Store calls', 'One call carries many postbacks when there are many.', 'ops', [{ expr: `sum by (operation) (rate(postern_store_operation_duration_seconds_count{${G}}${RATE}))`, legend: '{{operation}}' }]),
        graph('Store errors', 'Calls that failed; they are made again.', 'ops', [
          { expr: `sum(rate(postern_store_errors_total{${G}}${RATE}))`, legend: 'all' },
          { expr: `sum by (operation, reason) (rate(postern_store_errors_total{${G}}${RATE})) > 0`, legend: '{{operation}} {{reason}}' },
        ]),
        table('Safety checks', '1 where the check is met.', 'none', `min by (store, check) (postern_store_safety_check{${G}})`, { mappings: { 0: ['unsafe', 'red'], 1: ['ok', 'green'] } }),
        graph('What the store said of conversions', 'Verdicts of accept.', 'ops', [{ expr: `sum by (result) (rate(postern_dedupe_lookups_total{${G}}${RATE}))`, legend: '{{result}}' }], { stack: true }),
        graph('Replays answered from memory', 'Share of look-ups that needed no store.', 'percentunit', [{ expr: `sum(rate(postern_dedupe_cache_lookups_total{${G}, result="hit"}${RATE})) / sum(rate(postern_dedupe_cache_lookups_total{${G}}${RATE}))`, legend: 'hits' }], { max: 1 }),
      ],
    },
    {
      title: 'Process',
      panels: [
        graph('CPU', 'Cores used; the event loop has one.', 'short', [{ expr: `sum by (instance) (rate(process_cpu_seconds_total{${G}}${RATE}))`, legend: '{{instance}}' }], { decimals: 2 }),
        graph('Memory', 'Resident memory and heap in use.', 'bytes', [
          { expr: `sum by (instance) (process_resident_memory_bytes{${G}})`, legend: '{{instance}} resident' },
          { expr: `sum by (instance) (nodejs_heap_size_used_bytes{${G}})`, legend: '{{instance}} heap' },
        ]),
        graph('Event loop lag', 'How late the event loop is, in 99 of 100 turns.', 's', [{ expr: `max by (instance) (nodejs_eventloop_lag_p99_seconds{${G}})`, legend: '{{instance}}' }]),
        graph('Garbage collection', 'Share of time.', 'percentunit', [{ expr: `sum by (instance) (rate(nodejs_gc_duration_seconds_sum{${G}}${RATE}))`, legend: '{{instance}}' }]),
        graph('Postbacks in flight', 'Being answered now.', 'short', [{ expr: `sum by (instance) (postern_inbound_requests_in_flight{${G}})`, legend: '{{instance}}' }]),
        graph('Body size, p95', 'Of postbacks; 0 for GET.', 'bytes', [{ expr: `histogram_quantile(0.95, sum by (le) (rate(postern_inbound_request_body_bytes_bucket{${G}}${RATE})))`, legend: 'p95' }]),
        graph('Open files', 'Sockets included.', 'short', [{ expr: `sum by (instance) (process_open_fds{${G}})`, legend: '{{instance}}' }]),
        graph('Recovered', 'Journal records of dead gateways taken over, or found again by the sweep.', 'ops', [{ expr: `sum by (how) (rate(postern_deliveries_recovered_total{${G}}${RATE}))`, legend: '{{how}}' }]),
        graph('Restarts', 'Starts of each gateway in an hour.', 'short', [{ expr: `sum by (instance) (changes(process_start_time_seconds{${G}}[1h]))`, legend: '{{instance}}' }]),
      ],
    },
    {
      title: 'Configuration and around',
      panels: [
        stat('Configuration', 'Whether the last change was taken by every gateway.', 'none', `min(postern_config_last_reload_successful{${G}})`, { width: 6, mappings: { 0: ['refused', 'red'], 1: ['taken', 'green'] } }),
        stat('Loaded', 'How long ago.', 's', `time() - max(postern_config_last_reload_success_timestamp_seconds{${G}})`, { width: 6 }),
        stat('Clock offset', 'Largest difference from the clock of Prometheus, without sign.', 's', `max(abs(timestamp(postern_time_seconds{${G}}) - postern_time_seconds{${G}}))`, { width: 6, decimals: 2, steps: [[5, 'orange'], [30, 'red']] }),
        stat('Label overflow, 1 h', 'New series above the limit of their metric.', 'short', `sum(increase(postern_metrics_label_overflow_total{${G}}[1h]))`, { width: 6, decimals: 0, steps: [[1, 'orange']] }),
        graph('Loads of the configuration', 'In an hour, by result.', 'short', [{ expr: `sum by (result) (increase(postern_config_reloads_total{${G}}[1h]))`, legend: '{{result}}' }]),
        graph('Log lines', 'By level.', 'ops', [{ expr: `sum by (level) (rate(postern_log_messages_total{${G}}${RATE}))`, legend: '{{level}}' }], { stack: true }),
        graph('Admin requests', 'By route.', 'reqps', [{ expr: `sum by (route, code) (rate(postern_admin_requests_total{${G}}${RATE}))`, legend: '{{route}} {{code}}' }]),
        graph('Reading the shared state', 'How long the last look took.', 's', [{ expr: `max by (instance) (postern_metrics_collect_duration_seconds{${G}})`, legend: '{{instance}}' }]),
        table('Versions', 'What runs where.', 'none', `sum by (instance, version, node_version) (postern_build_info{${G}})`, {}),
        table('Allowed silence', 'max_silence_hours of each network; 0 for none.', 's', `max by (network) (postern_network_max_silence_seconds{${G}})`, { mappings: { 0: ['none', 'text'] } }),
      ],
    },
    {
      title: 'Proxy: in front of a tracker',
      collapsed: true,
      panels: [
        graph('Tapped postbacks', 'Copied into the pipeline, stored for a tracker that is down, refused by it, unread or dropped.', 'reqps', [
          { expr: `sum by (result) (rate(postern_proxy_taps_total{${G}}${RATE}))`, legend: '{{result}}' },
        ], { stack: true, none: NO_PROXY }),
        graph('Tapped, not verified', 'Tapped postbacks that verification would have refused, by reason.', 'reqps', [
          { expr: `sum(rate(postern_proxy_taps_unverified_total{${G}}${RATE}))`, legend: 'all' },
          { expr: `sum by (network, reason) (rate(postern_proxy_taps_unverified_total{${G}}${RATE})) > 0`, legend: '{{network}} {{reason}}' },
        ], { none: NO_PROXY }),
        graph('Shadow answers', 'How the answers of the shadow tracker compare with those of the real one.', 'reqps', [
          { expr: `sum by (result) (rate(postern_proxy_shadow_answers_total{${G}}${RATE}))`, legend: '{{result}}' },
          { expr: `sum by (network) (rate(postern_proxy_shadow_answers_total{${G}, result="differ"}${RATE})) > 0`, legend: '{{network}} differs' },
        ], { none: NO_SHADOW }),
        graph('Passed-through requests', 'By tracker and HTTP status.', 'reqps', [{ expr: `sum by (upstream, code) (rate(postern_proxy_requests_total{${G}}${RATE}))`, legend: '{{upstream}} {{code}}' }], { width: 12, none: NO_PROXY }),
        graph('Passed-through requests, p95', 'From the request to the head of the answer.', 's', [{ expr: `histogram_quantile(0.95, sum by (le, upstream) (rate(postern_proxy_request_duration_seconds_bucket{${G}}${RATE})))`, legend: '{{upstream}}' }], { width: 12, none: NO_PROXY }),
      ],
    },
  ],
} // prettier-ignore
