/** One network: does it still send, is it believed, and what is it worth. */
import { GATEWAYS, type Dashboard } from './dashboard.ts'
import { graph, heatmap, stat } from './panel.ts'

const RATE = '[$__rate_interval]'
const N = `${GATEWAYS}, network=~"$network"`
const COUNTS = 'status!~"declined|reversed"'

export const network: Dashboard = {
  name: 'network',
  title: 'Network',
  description: 'One network: volume against last week, outcomes, rejections and money.',
  chosen: { label: 'network', metric: 'postern_network_last_postback_timestamp_seconds' },
  rows: [
    {
      title: '$network',
      repeat: 'network',
      panels: [
        stat('Last postback', 'How long ago it last sent a postback that passed its checks.', 's', [{ expr: `time() - max by (network) (postern_network_last_postback_timestamp_seconds{${N}})`, legend: '{{network}}' }], { width: 6 }),
        stat('Conversions, 24 h', 'Accepted conversions and status changes.', 'short', [{ expr: `sum by (network) (increase(postern_conversions_total{${N}}[24h]))`, legend: '{{network}}' }], { width: 6, decimals: 0 }),
        stat('Payout, 24 h', 'Not declined and not reversed, in units of the currency.', 'short', [{ expr: `sum by (network, currency) (increase(postern_conversion_payout_sum{${N}, ${COUNTS}}[24h]))`, legend: '{{currency}}' }], { width: 6, decimals: 2, named: true }),
        stat('Reversed or declined, 24 h', 'Share of what was accepted.', 'percentunit', [{ expr: `sum by (network) (increase(postern_conversions_total{${N}, status=~"declined|reversed"}[24h])) / sum by (network) (increase(postern_conversions_total{${N}}[24h]))`, legend: '{{network}}' }], { width: 6, decimals: 1 }),
        graph('Postbacks by outcome', 'Each postback has exactly one outcome.', 'reqps', [{ expr: `sum by (network, outcome) (rate(postern_postbacks_total{${N}}${RATE}))`, legend: '{{outcome}}' }], { stack: true }),
        graph('Postbacks per hour against last week', 'The thin line is the same hour a week ago.', 'short', [
          { expr: `sum by (network) (increase(postern_postbacks_total{${N}}[1h]))`, legend: 'now' },
          { expr: `sum by (network) (increase(postern_postbacks_total{${N}}[1h] offset 1w))`, legend: 'last week' },
        ]),
        graph('Time to answer, p95', 'Of 100 postbacks 95 were answered within this time.', 's', [{ expr: `histogram_quantile(0.95, sum by (le, network) (rate(postern_inbound_request_duration_seconds_bucket{${N}}${RATE})))`, legend: '{{network}}' }]),
        graph('Conversions by status', 'Accepted conversions and status changes.', 'ops', [{ expr: `sum by (network, status) (rate(postern_conversions_total{${N}}${RATE}))`, legend: '{{status}}' }], { stack: true, width: 6 }),
        graph('Rejected by reason', 'Postbacks answered 4xx, by the check that decided.', 'reqps', [{ expr: `sum by (network, reason) (rate(postern_postbacks_rejected_total{${N}}${RATE}))`, legend: '{{reason}}' }], { stack: true, width: 6 }),
        graph('Answered 503 by reason', 'Postbacks that the network is to send again.', 'reqps', [{ expr: `sum by (network, reason) (rate(postern_postbacks_deferred_total{${N}}${RATE}))`, legend: '{{reason}}' }], { stack: true, width: 6 }),
        graph('Duplicate share', 'Postbacks that repeat what was accepted before.', 'percentunit', [{ expr: `sum by (network) (rate(postern_postbacks_total{${N}, outcome="duplicate"}${RATE})) / sum by (network) (rate(postern_postbacks_total{${N}}${RATE}))`, legend: '{{network}}' }], { max: 1, width: 6 }),
        graph('Payout per hour by status', 'In units of the currency; declined and reversed count without sign.', 'short', [{ expr: `sum by (network, currency, status) (increase(postern_conversion_payout_sum{${N}}[1h]))`, legend: '{{currency}} {{status}}' }], { decimals: 2 }),
        graph('Mean payout', 'Per conversion that is not declined or reversed, over an hour.', 'short', [{ expr: `sum by (network, currency) (increase(postern_conversion_payout_sum{${N}, ${COUNTS}}[1h])) / sum by (network, currency) (increase(postern_conversion_payout_count{${N}, ${COUNTS}}[1h]))`, legend: '{{currency}}' }], { decimals: 2 }),
        heatmap('Payout by size', 'How many conversions had a payout of this size, all currencies.', 'short', `sum by (le) (increase(postern_conversion_payout_bucket{${N}}${RATE}))`),
      ],
    },
  ],
} // prettier-ignore
