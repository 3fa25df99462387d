/** Is all well, and if not, where: one page over all networks and destinations. */
import { GATEWAYS as G, type Dashboard } from './dashboard.ts'
import { graph, stat, table } from './panel.ts'

const RATE = '[$__rate_interval]'
/** Prometheus 3 writes `60.0`. */
const MINUTE = 'le=~"60(\\\\.0)?"'

export const overview: Dashboard = {
  name: 'overview',
  title: 'Overview',
  description: 'All networks and destinations: what comes in, what goes out, what waits.',
  rows: [
    {
      title: 'Now',
      panels: [
        stat('Postbacks', 'Postbacks answered per second.', 'reqps', `sum(rate(postern_postbacks_total{${G}}${RATE}))`, { decimals: 1 }),
        stat('Accepted', 'Share of postbacks that were new conversions or changes of one.', 'percentunit', `sum(rate(postern_postbacks_total{${G}, outcome="accepted"}${RATE})) / sum(rate(postern_postbacks_total{${G}}${RATE}))`, { decimals: 1 }),
        stat('Delivered within 1 min', 'Share of deliveries that arrived within a minute of their postback.', 'percentunit', `sum(rate(postern_delivery_latency_seconds_bucket{${G}, ${MINUTE}}${RATE})) / sum(rate(postern_delivery_latency_seconds_count{${G}}${RATE}))`, { decimals: 1 }),
        stat('Pending', 'Deliveries not ended.', 'short', `sum(max by (destination, state) (postern_deliveries_pending{${G}}))`),
        stat('Dead letters', 'Deliveries that ended without success and are kept.', 'short', `sum(max by (destination) (postern_dead_letters{${G}}))`, { steps: [[1, 'orange']] }),
        stat('Unaccounted', 'Enqueued less delivered, dead, discarded and pending. Anything but 0 is a bug.', 'short', `sum(max by (destination) (abs(postern_ledger_unaccounted_deliveries{${G}})))`, { steps: [[1, 'red']] }),
        stat('Open circuits', 'Destinations that are paused because they fail.', 'short', `sum(max by (destination) (postern_destination_circuit_state{${G}, state="open"}))`, { steps: [[1, 'red']] }),
        stat('Gateways up', 'Gateways that Prometheus reaches.', 'short', `sum(up{${G}})`),
      ],
    },
    {
      title: 'Inbound',
      panels: [
        graph('Postbacks by outcome', 'Each postback has exactly one outcome.', 'reqps', [{ expr: `sum by (outcome) (rate(postern_postbacks_total{${G}}${RATE}))`, legend: '{{outcome}}' }], { stack: true, width: 6 }),
        graph('Busiest networks', 'The 20 networks that send most.', 'reqps', [{ expr: `topk(20, sum by (network) (rate(postern_postbacks_total{${G}}${RATE})))`, legend: '{{network}}' }], { width: 6 }),
        graph('Time to answer', 'From a postback to its answer.', 's', quantiles('postern_inbound_request_duration_seconds'), { width: 6 }),
        graph('Answers by code', 'HTTP status of answers to networks.', 'reqps', [{ expr: `sum by (code) (rate(postern_inbound_requests_total{${G}}${RATE}))`, legend: '{{code}}' }], { stack: true, width: 6 }),
        graph('Rejected by reason', 'Postbacks answered 4xx, by the check that decided.', 'reqps', [{ expr: `sum by (reason) (rate(postern_postbacks_rejected_total{${G}}${RATE}))`, legend: '{{reason}}' }], { stack: true }),
        graph('Answered 503 by reason', 'Postbacks that networks are to send again.', 'reqps', [{ expr: `sum by (reason) (rate(postern_postbacks_deferred_total{${G}}${RATE}))`, legend: '{{reason}}' }], { stack: true }),
        graph('Requests for no network', 'Refused before a network was found for them.', 'reqps', [{ expr: `sum by (reason) (rate(postern_unrouted_requests_total{${G}}${RATE}))`, legend: '{{reason}}' }]),
      ],
    },
    {
      title: 'Outbound',
      panels: [
        graph('Queued against final', 'Deliveries made durable, and those that ended. Lines that part are drift between received and delivered.', 'ops', [
          { expr: `sum(rate(postern_deliveries_enqueued_total{${G}}${RATE}))`, legend: 'enqueued' },
          { expr: `sum by (outcome) (rate(postern_deliveries_total{${G}}${RATE}))`, legend: '{{outcome}}' },
        ]),
        graph('Attempts by result', 'ok and duplicate are successes.', 'ops', [{ expr: `sum by (result) (rate(postern_delivery_attempts_total{${G}}${RATE}))`, legend: '{{result}}' }], { stack: true }),
        graph('Failed share by destination', 'Attempts without success, of all attempts.', 'percentunit', [{ expr: `sum by (destination) (rate(postern_delivery_attempts_total{${G}, result!~"ok|duplicate"}${RATE})) / sum by (destination) (rate(postern_delivery_attempts_total{${G}}${RATE}))`, legend: '{{destination}}' }], { max: 1 }),
        graph('Received to delivered, p95', 'Of 100 deliveries 95 arrived within this time of their postback.', 's', [{ expr: `histogram_quantile(0.95, sum by (le, destination) (rate(postern_delivery_latency_seconds_bucket{${G}}${RATE})))`, legend: '{{destination}}' }]),
        graph('Pending by destination', 'Deliveries not ended.', 'short', [{ expr: `sum by (destination) (max by (destination, state) (postern_deliveries_pending{${G}}))`, legend: '{{destination}}' }], { stack: true }),
        graph('Most overdue', 'How long the most overdue delivery is past its due time.', 's', [{ expr: `max by (destination) ((time() - postern_delivery_oldest_overdue_timestamp_seconds{${G}}) * (postern_delivery_oldest_overdue_timestamp_seconds{${G}} > bool 0))`, legend: '{{destination}}' }]),
      ],
    },
    {
      title: 'Networks and money',
      panels: [
        table('Silence of networks', 'How long ago each network last sent a postback that passed its checks.', 's', `time() - max by (network) (postern_network_last_postback_timestamp_seconds{${G}})`, {
          link: { title: 'Open this network', url: '/d/postern-network?var-network=${__data.fields.network}' },
        }),
        table('Payout of 24 hours', 'Sum of the payout of conversions by the status they reported, in units of the currency.', 'short', `sum by (network, currency, status) (increase(postern_conversion_payout_sum{${G}}[24h])) > 0`, { decimals: 2, none: 'No payout in 24 hours' }),
        table('Received, not delivered, 24 h', 'Deliveries made durable less those delivered: what still waits, and what died.', 'short', `sum by (destination) (increase(postern_deliveries_enqueued_total{${G}}[24h])) - sum by (destination) (increase(postern_deliveries_total{${G}, outcome="delivered"}[24h]))`, {
          decimals: 0,
          link: { title: 'Open this destination', url: '/d/postern-destination?var-destination=${__data.fields.destination}' },
        }),
        graph('Payout per hour by network', 'Not declined and not reversed; currencies apart.', 'short', [{ expr: `sum by (network, currency) (increase(postern_conversion_payout_sum{${G}, status!~"declined|reversed"}[1h]))`, legend: '{{network}} {{currency}}' }], { decimals: 2, width: 24 }),
      ],
    },
  ],
} // prettier-ignore

function quantiles(metric: string) {
  return [0.5, 0.95, 0.99].map(q => ({
    expr: `histogram_quantile(${q}, sum by (le) (rate(${metric}_bucket{${G}}${RATE})))`,
    legend: `p${q * 100}`,
  }))
}
