/** docs/metrics.md, written from the catalogue. In: nothing. Out: Markdown. Pure. */
import { CATALOGUE, MAX_CURRENCIES, MAX_SERIES, type MetricSpec } from './catalogue.ts'

const INTRODUCTION = `<!-- Generated from src/observe/catalogue.ts by \`npm run generate\`; do not edit. -->

# Metrics

\`GET /metrics\` on the admin listener (\`admin.listen\`, default \`127.0.0.1:9090\`) answers in the Prometheus text format.
Dashboards and alerts over these metrics are in \`grafana/\`; every alert has a page in [runbooks](runbooks/).

- Labels are names from the configuration and closed lists: reason codes, statuses, results. Nothing that a postback carries becomes a label.
- *Series* says how many there can be, with N networks and D destinations. A metric that would pass ${MAX_SERIES.toLocaleString('en')} folds what is new into \`_other\` and counts it in \`postern_metrics_label_overflow_total\`.
- Series of configured networks and destinations exist from the start with 0, so the first increment is seen; those of removed ones go at the reload.
- *Shared* metrics describe the store and are the same in every gateway that uses it: take \`max\` or \`min\` over gateways, never \`sum\`. They are looked at every \`admin.collect_interval_ms\` (default 5000), not in the scrape, and withdrawn when the store has not answered for a minute.
- A network has up to ${MAX_CURRENCIES} values of \`currency\`; further ones are \`other\`, and payouts without a currency are \`none\`. Payout is counted each time a status is accepted: pending and then approved count under both, a corrected amount counts again.
- \`process_*\` and \`nodejs_*\` are those of prom-client.
`

const NAMES: readonly [prefix: RegExp, title: string][] = [
  [/^postern_(inbound|unrouted|postbacks|conversion|network|dedupe)/, 'Inbound'],
  [/^postern_(deliver|dead|ledger|destination|egress)/, 'Outbound'],
  [/^postern_store/, 'Store'],
  [/^postern_/, 'Gateway'],
]

export function metricsPage(): string {
  const sections = new Map<string, MetricSpec[]>(NAMES.map(([, title]) => [title, []]))
  for (const spec of Object.values(CATALOGUE)) {
    const title = NAMES.find(([prefix]) => prefix.test(spec.name))?.[1] ?? ''
    sections.get(title)?.push(spec)
  }
  const tables = [...sections].map(([title, specs]) => `\n## ${title}\n\n${tableOf(specs)}`)
  return `${INTRODUCTION}${tables.join('')}`
}

function tableOf(specs: readonly MetricSpec[]): string {
  const rows = specs.map(spec => {
    const labels = spec.labels.map(label => `\`${label}\``).join(', ') || '–'
    const shared = spec.isShared ? ' *Shared.*' : ''
    const buckets = spec.buckets ? ` Buckets: ${spec.buckets.join(', ')}.` : ''
    return `| \`${spec.name}\` | ${spec.type} | ${labels} | ${spec.bound} | ${spec.help}${shared}${buckets} |\n`
  })
  return `| Name | Type | Labels | Series | Meaning |\n|---|---|---|---|---|\n${rows.join('')}`
}
