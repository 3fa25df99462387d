/** One destination: does it take what it gets, how fast, and what waits for it. */
import { GATEWAYS, type Dashboard } from './dashboard.ts'
import { graph, heatmap, stat, timeline } from './panel.ts'

const RATE = '[$__rate_interval]'
const D = `${GATEWAYS}, destination=~"$destination"`
const CIRCUIT = `max by (destination) (2 * postern_destination_circuit_state{${D}, state="open"} + ignoring (state) postern_destination_circuit_state{${D}, state="half_open"})`
const STATES = {
  0: ['closed', 'green'],
  1: ['half open', 'yellow'],
  2: ['open', 'red'],
} as const

export const destination: Dashboard = {
  name: 'destination',
  title: 'Destination',
  description: 'One destination: results of attempts, latency, what waits and what died.',
  chosen: { label: 'destination', metric: 'postern_deliveries_enqueued_total' },
  rows: [
    {
      title: '$destination',
      repeat: 'destination',
      panels: [
        stat('Circuit', 'Open: deliveries are paused after ten failures in a row.', 'none', [{ expr: CIRCUIT, legend: '{{destination}}' }], { width: 6, mappings: STATES }),
        stat('Pending', 'Deliveries not ended.', 'short', [{ expr: `sum by (destination) (max by (destination, state) (postern_deliveries_pending{${D}}))`, legend: '{{destination}}' }], { width: 6 }),
        stat('Most overdue', 'How long the most overdue delivery is past its due time.', 's', [{ expr: `max by (destination) ((time() - postern_delivery_oldest_overdue_timestamp_seconds{${D}}) * (postern_delivery_oldest_overdue_timestamp_seconds{${D}} > bool 0))`, legend: '{{destination}}' }], { width: 6, steps: [[300, 'orange']] }),
        stat('Dead letters', 'Kept now; they can be replayed.', 'short', [{ expr: `max by (destination) (postern_dead_letters{${D}})`, legend: '{{destination}}' }], { width: 6, steps: [[1, 'orange']] }),
        graph('Attempts by result', 'ok and duplicate are successes.', 'ops', [{ expr: `sum by (destination, result) (rate(postern_delivery_attempts_total{${D}}${RATE}))`, legend: '{{result}}' }], { stack: true }),
        graph('Attempt, p50 and p95', 'From building the request to the end of its answer.', 's', [0.5, 0.95].map(q => ({ expr: `histogram_quantile(${q}, sum by (le, destination) (rate(postern_delivery_attempt_duration_seconds_bucket{${D}}${RATE})))`, legend: `p${q * 100}` }))),
        graph('Attempts per delivery', '1 where every first attempt succeeds.', 'none', [{ expr: `sum by (destination) (rate(postern_delivery_attempts_total{${D}}${RATE})) / (sum by (destination) (rate(postern_deliveries_total{${D}}${RATE})) > 0)`, legend: '{{destination}}' }], { decimals: 2, none: 'No delivery ended in this time' }),
        heatmap('Received to delivered', 'How long deliveries took from their postback.', 's', `sum by (le) (increase(postern_delivery_latency_seconds_bucket{${D}}${RATE}))`),
        graph('Queued against final', 'Deliveries made durable, and those that ended.', 'ops', [
          { expr: `sum by (destination) (rate(postern_deliveries_enqueued_total{${D}}${RATE}))`, legend: 'enqueued' },
          { expr: `sum by (destination, outcome) (rate(postern_deliveries_total{${D}}${RATE}))`, legend: '{{outcome}}' },
        ]),
        graph('Pending by state', 'journal: a gateway is at it. queue: waits for its due time.', 'short', [{ expr: `max by (destination, state) (postern_deliveries_pending{${D}})`, legend: '{{state}}' }], { stack: true }),
        graph('In memory and in flight', 'Held by gateways, and of these waiting for an answer.', 'short', [
          { expr: `sum by (destination) (postern_deliveries_in_memory{${D}})`, legend: 'in memory' },
          { expr: `sum by (destination) (postern_delivery_attempts_in_flight{${D}})`, legend: 'in flight' },
        ]),
        graph('Handed over to the queue', 'Deliveries that memory gave back to the store, by cause.', 'ops', [{ expr: `sum by (destination, cause) (rate(postern_deliveries_handed_over_total{${D}}${RATE}))`, legend: '{{cause}}' }]),
        graph('Died by reason', 'Deliveries that became dead letters in an hour.', 'short', [{ expr: `sum by (destination, reason) (increase(postern_deliveries_dead_total{${D}}[1h]))`, legend: '{{reason}}' }]),
        timeline('Circuit over time', 'Which state the circuit breaker was in.', 'none', [{ expr: CIRCUIT, legend: '{{destination}}' }], { mappings: STATES }),
        graph('Circuit changes', 'By the state it changed to, in an hour.', 'short', [{ expr: `sum by (destination, state) (increase(postern_destination_circuit_transitions_total{${D}}[1h]))`, legend: '{{state}}' }]),
        graph('Egress refused', 'Attempts that the egress guard refused, by kind of address.', 'ops', [{ expr: `sum by (destination, reason) (rate(postern_egress_blocked_total{${D}}${RATE}))`, legend: '{{reason}}' }]),
        graph('Refused credentials', 'Attempts that the destination refused for its credentials, in an hour.', 'short', [{ expr: `sum by (destination) (increase(postern_destination_auth_failures_total{${D}}[1h]))`, legend: '{{destination}}' }]),
        graph('Judged later', 'What became of delivered requests, for destinations that take them in first, in an hour.', 'short', [{ expr: `sum by (destination, result) (increase(postern_destination_confirmations_total{${D}}[1h]))`, legend: '{{result}}' }], { none: 'This destination judges at once' }),
        graph('Ledger', 'What the store counted since it was made. Enqueued is the sum of the others and of what is pending.', 'short', [{ expr: `max by (destination, account) (postern_ledger_deliveries{${D}})`, legend: '{{account}}' }]),
      ],
    },
  ],
} // prettier-ignore
