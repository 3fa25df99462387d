/**
 * Dashboards, rules and runbooks, without a running Prometheus. The 17 rules of Grafana's
 * dashboard-linter (https://github.com/grafana/dashboard-linter/blob/main/docs/index.md), the checks
 * of pint that need no server (https://cloudflare.github.io/pint/), and promtool's own tests.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { CATALOGUE, type MetricSpec } from '../../src/observe/catalogue.ts'
import { AUTHENTICATION_REASONS } from '../../src/observe/configured.ts'
import { observabilityFiles } from '../../src/observe/generated.ts'
import { loadRuleSet } from '../../src/ruleset.ts'
import { ROOT, temporaryFolder } from '../support/gateway.ts'
import { promtool } from '../support/prometheus.ts'
import { readPromql } from '../support/promql.ts'

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')

// --- what is looked at ----------------------------------------------------------------------

interface Target {
  readonly expr: string
  readonly legendFormat: string
  readonly datasource: { readonly uid: string }
}
interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly description?: string
  readonly datasource?: { readonly uid: string }
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string; readonly links?: readonly { url: string }[] } }
  readonly options?: { readonly textMode?: string }
  readonly targets?: readonly Target[]
  /** Rows only. */
  readonly collapsed?: boolean
  readonly panels?: readonly Panel[]
} // prettier-ignore
interface Variable {
  readonly name: string
  readonly label: string
  readonly type: string
  readonly query: string | { readonly query: string }
  readonly datasource?: { readonly uid: string }
  readonly multi?: boolean
  readonly includeAll?: boolean
  readonly allValue?: string
  readonly refresh?: number
}
interface Dashboard {
  readonly uid: string
  readonly title: string
  readonly tags: readonly string[]
  readonly editable: boolean
  readonly schemaVersion: number
  readonly panels: readonly Panel[]
  readonly templating: { readonly list: readonly Variable[] }
  readonly annotations: { readonly list: readonly { readonly expr: string }[] }
}
interface Rule {
  readonly record?: string
  readonly alert?: string
  readonly expr: string
  readonly for?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
}

const dashboards = readdirSync(join(ROOT, 'grafana/dashboards')).map(file => ({
  file,
  dashboard: JSON.parse(read(`grafana/dashboards/${file}`)) as Dashboard,
}))
const RULE_FILES = ['recording', 'alerts'].map(name => `grafana/prometheus/rules/${name}.yml`)
const rules = RULE_FILES.flatMap(file =>
  (parse(read(file)) as { groups: { rules: Rule[] }[] }).groups.flatMap(group => group.rules),
)
const alerts = rules.filter(rule => rule.alert !== undefined)
/** Rows too, and what closed ones hold. */
const everyPanel = (dashboard: Dashboard) =>
  dashboard.panels.flatMap(panel => [panel, ...(panel.panels ?? [])])
const panelsOf = (dashboard: Dashboard) =>
  everyPanel(dashboard).filter(panel => panel.type !== 'row')
const targetsOf = (dashboard: Dashboard) =>
  panelsOf(dashboard).flatMap(panel => (panel.targets ?? []).map(target => ({ panel, target })))

/** Every name a query may use → its labels, and its type. */
const KNOWN = new Map<string, { labels: readonly string[]; type: string }>()
for (const { name, labels, type } of Object.values<MetricSpec>(CATALOGUE)) {
  if (type !== 'histogram') KNOWN.set(name, { labels, type })
  else {
    KNOWN.set(`${name}_bucket`, { labels: [...labels, 'le'], type: 'counter' })
    KNOWN.set(`${name}_sum`, { labels, type: 'counter' })
    KNOWN.set(`${name}_count`, { labels, type: 'counter' })
  }
}
for (const { record } of rules) {
  if (record === undefined) continue
  const labels = record.split(':')[0]?.split('_').slice(1) ?? []
  KNOWN.set(record, { labels, type: 'gauge' })
}
/** Of Prometheus and prom-client. */
const FOREIGN = /^(up|ALERTS|process_\w+|nodejs_\w+)$/
const TARGET_LABELS = ['job', 'instance']

/** Asked for anywhere: a metric that does not exist, or a label that it does not have. */
function strangers(expr: string): string[] {
  const { selectors, labels } = readPromql(expr)
  const found: string[] = []
  const present = new Set(TARGET_LABELS)
  for (const { metric, matchers } of selectors) {
    const known = KNOWN.get(metric)
    if (!known && !FOREIGN.test(metric)) found.push(`metric ${metric}`)
    for (const label of known?.labels ?? ['alertname', 'alertstate']) present.add(label)
    for (const { label } of matchers) {
      const isOwn = known?.labels.includes(label) ?? true
      if (!isOwn && !TARGET_LABELS.includes(label)) found.push(`label ${label} of ${metric}`)
    }
  }
  for (const label of labels) if (!present.has(label)) found.push(`label ${label} in a grouping`)
  return found
}

// --- dashboards -----------------------------------------------------------------------------

const UNITS = new Set(['reqps', 'ops', 's', 'short', 'none', 'percentunit', 'bytes'])

t.test('the files are those that the code writes', async t => {
  for (const [path, text] of observabilityFiles()) {
    t.ok(read(path) === text, `${path} is fresh, else run \`npm run generate\``)
  }
  t.equal(dashboards.length, observabilityFiles().size - 1, 'and no others')
})

for (const { file, dashboard } of dashboards) {
  t.test(`${file} keeps the rules of dashboard-linter`, async t => {
    const { list } = dashboard.templating
    const variable = (name: string) => list.find(one => one.name === name)
    const datasource = variable('datasource')
    t.equal(datasource?.type, 'datasource', 'template-datasource-rule')
    t.equal(datasource?.query, 'prometheus', 'template-datasource-rule')
    t.equal(datasource?.label, 'Data source', 'template-datasource-rule')
    for (const name of ['job', 'instance']) {
      const found = variable(name)
      const rule = `template-${name}-rule`
      t.equal(found?.label, name === 'job' ? 'Job' : 'Instance', rule)
      t.equal(found?.type, 'query', rule)
      t.equal(found?.datasource?.uid, '$datasource', rule)
      t.equal(found?.multi, true, rule)
      t.equal(found?.includeAll, true, rule)
      t.equal(found?.allValue, '.+', rule)
    }
    for (const { name, type, query, refresh } of list) {
      if (type !== 'query') continue
      t.equal(refresh, 2, `template-on-time-change-reload-rule: ${name}`)
      const text = typeof query === 'string' ? query : query.query
      const asked = /^label_values\((.+), (\w+)\)$/.exec(text)
      t.ok(asked, `template-label-promql-rule: ${name}`)
      t.ok(readPromql(asked?.[1] ?? '').isValid, `template-label-promql-rule: ${name}`)
      t.same(strangers(asked?.[1] ?? ''), [])
      const metric = readPromql(asked?.[1] ?? '').selectors[0]?.metric ?? ''
      const label = asked?.[2] ?? ''
      t.ok([...TARGET_LABELS, ...(KNOWN.get(metric)?.labels ?? [])].includes(label), `${name}: ${metric} has ${label}`) // prettier-ignore
    }
    t.equal(dashboard.editable, false, 'uneditable-dashboard')

    for (const panel of panelsOf(dashboard)) {
      const at = `panel "${panel.title}"`
      t.equal(panel.datasource?.uid, '$datasource', `panel-datasource-rule: ${at}`)
      t.ok(panel.title && panel.description?.endsWith('.'), `panel-title-description-rule: ${at}`)
      t.ok(UNITS.has(panel.fieldConfig?.defaults.unit ?? ''), `panel-units-rule: ${at}`)
      t.ok((panel.targets ?? []).length > 0, `panel-no-targets-rule: ${at}`)
    }
    for (const { panel, target } of targetsOf(dashboard)) {
      const at = `panel "${panel.title}": ${target.expr}`
      // With Prometheus alone this covers target-logql-rule and target-logql-auto-rule too.
      t.equal(target.datasource.uid, '$datasource', `target-logql-rule: ${at}`)
      const { isValid, selectors } = readPromql(target.expr)
      t.ok(isValid && selectors.length > 0, `target-promql-rule: ${at}`)
      for (const match of target.expr.matchAll(/\bi?rate\([^[]*\[([^\]]*)\]/g)) {
        t.equal(match[1], '$__rate_interval', `target-rate-interval-rule: ${at}`)
      }
      for (const { metric, matchers, functions } of selectors) {
        for (const label of TARGET_LABELS) {
          const matcher = matchers.find(one => one.label === label)
          t.same(matcher, { label, op: '=~', value: `$${label}` }, `target-${label}-rule: ${at}`)
        }
        if (KNOWN.get(metric)?.type === 'counter') {
          const isCounted = functions.some(name => /^(rate|irate|increase)$/.test(name))
          t.ok(isCounted, `target-counter-agg-rule: ${at}`)
        }
      }
    }
  })

  t.test(`${file} asks only for what exists, and nothing overlaps`, async t => {
    for (const { target } of targetsOf(dashboard)) {
      t.same(strangers(target.expr), [], target.expr)
      const { labels } = readPromql(target.expr)
      for (const [, label = ''] of target.legendFormat.matchAll(/\{\{(\w+)\}\}/g)) {
        t.ok(label === 'le' || labels.includes(label), `${target.legendFormat}: ${target.expr}`)
      }
    }
    for (const { expr } of dashboard.annotations.list) t.same(strangers(expr), [], expr)
    const taken = new Map<string, string>()
    const ids = new Set<number>()
    for (const { type, title, collapsed, panels } of dashboard.panels) {
      // Grafana draws what a closed row holds when it is opened, and an open one holds nothing.
      if (type === 'row') t.equal((panels ?? []).length > 0, collapsed, title)
    }
    for (const { id, title, gridPos } of everyPanel(dashboard)) {
      t.notOk(ids.has(id), `id ${id} is used once`)
      ids.add(id)
      t.ok(gridPos.x + gridPos.w <= 24, `${title} ends within the grid`)
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          t.equal(taken.get(`${x},${y}`), undefined, `${title} overlaps nothing`)
          taken.set(`${x},${y}`, title)
        }
      }
    }
    t.match(dashboard.uid, /^postern-[a-z]+$/)
    t.equal(`${dashboard.uid.slice('postern-'.length)}.json`, file)
    t.same(dashboard.tags, ['postern'])
    const text = read(`grafana/dashboards/${file}`)
    t.notMatch(text, /__inputs|\$\{DS_/, 'provisioned files have no inputs')
    for (const [, uid] of text.matchAll(/\/d\/(postern-[a-z]+)/g)) {
      t.ok(dashboards.some(other => other.dashboard.uid === uid), `a link leads to ${uid}`) // prettier-ignore
    }
  })
}

t.test('money has its currency, and a sum of it is of one currency', async t => {
  for (const { dashboard } of dashboards) {
    for (const { panel, target } of targetsOf(dashboard)) {
      if (!/conversion_payout_(sum|count)/.test(target.expr)) continue
      t.ok(readPromql(target.expr).labels.includes('currency'), `${panel.title}: by currency`)
      const isNamed = panel.options?.textMode === 'value_and_name'
      if (panel.type === 'stat') t.ok(isNamed, `${panel.title} names it`)
      if (panel.type === 'timeseries') t.match(target.legendFormat, /\{\{currency\}\}/)
    }
  }
})

t.test('every metric is on a panel', async t => {
  const shown = new Set(
    dashboards.flatMap(({ dashboard }) =>
      targetsOf(dashboard).flatMap(({ target }) =>
        readPromql(target.expr).selectors.map(selector => selector.metric),
      ),
    ),
  )
  for (const { name, type } of Object.values<MetricSpec>(CATALOGUE)) {
    const names = type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name]
    t.ok(names.some(one => shown.has(one)), name) // prettier-ignore
  }
})

t.test('provisioning finds the files, and Prometheus finds the rules', async t => {
  const datasources = parse(read('grafana/provisioning/datasources/postern.yaml')) as {
    apiVersion: number
    datasources: { uid: string; type: string; jsonData: { timeInterval: string } }[]
  }
  const [datasource] = datasources.datasources
  t.equal(datasources.apiVersion, 1)
  t.equal(datasource?.type, 'prometheus')
  const prometheus = parse(read('grafana/prometheus/prometheus.yml')) as {
    global: { scrape_interval: string }
    rule_files: string[]
    scrape_configs: { job_name: string }[]
  }
  t.equal(datasource?.jsonData.timeInterval, prometheus.global.scrape_interval, 'else $__rate_interval is wrong') // prettier-ignore
  t.same(prometheus.rule_files, ['rules/*.yml'])
  t.equal(prometheus.scrape_configs[0]?.job_name, 'postern', 'the alerts ask for this job')
  const providers = parse(read('grafana/provisioning/dashboards/postern.yaml')) as {
    providers: { type: string; allowUiUpdates: boolean; options: { path: string } }[]
  }
  const path = providers.providers[0]?.options.path ?? ''
  const { services } = composed()
  const mounts = Object.values(services).flatMap(service => service.volumes ?? [])
  t.ok(mounts.includes(`./grafana/dashboards:${path}:ro`), 'the provider reads what is mounted')
  for (const mount of mounts) {
    const [from = ''] = mount.split(':')
    if (from.startsWith('.')) t.ok(existsSync(join(ROOT, from)), `${from} exists`)
  }
  for (const port of Object.values(services).flatMap(service => service.ports ?? [])) {
    t.match(port, /^127\.0\.0\.1:/, 'nothing is published beyond this machine')
  }
})

interface Service {
  readonly image?: string
  readonly command?: string | readonly string[]
  readonly volumes?: readonly string[]
  readonly ports?: readonly string[]
  readonly secrets?: readonly string[]
  readonly read_only?: boolean
}
interface Compose {
  readonly services: Readonly<Record<string, Service>>
  readonly secrets?: Readonly<Record<string, { readonly file: string }>>
}

/** Both files as `docker compose -f … -f …` sees them: the second one's options win. */
function composed(): Compose {
  const load = (file: string) => parse(read(file), { merge: true }) as Compose
  const [first, second] = [load('compose.yaml'), load('compose.monitoring.yaml')]
  const names = new Set([...Object.keys(first.services), ...Object.keys(second.services)])
  return {
    ...second,
    services: Object.fromEntries(
      [...names].map(name => [name, { ...first.services[name], ...second.services[name] }]),
    ),
  }
}

t.test('the containers are named exactly, confined, and Redis flushes every write', async t => {
  const { services } = composed()
  for (const [name, { image, read_only: isReadOnly }] of Object.entries(services)) {
    if (image !== undefined)
      t.match(image, /:v?\d+\.\d+\.\d+(-[a-z]+)?(@sha256:[0-9a-f]{64})?$/, name)
    if (name !== 'redis') t.equal(isReadOnly, true, `${name} writes only to its volumes`)
  }
  t.match(services['redis']?.command, /--appendonly yes --appendfsync always --maxmemory-policy noeviction/) // prettier-ignore
})

t.test('Prometheus shows the gateways the token that they ask for', async t => {
  const secret = '/run/secrets/admin-token'
  const { services, secrets } = composed()
  t.ok(secrets?.['admin-token']?.file)
  for (const name of ['gateway-1', 'gateway-2', 'prometheus']) {
    t.same(services[name]?.secrets, ['admin-token'], `${name} has the file`)
  }
  const { scrape_configs: scrapes } = parse(read('grafana/prometheus/prometheus.yml')) as {
    scrape_configs: { authorization: unknown; static_configs: { targets: string[] }[] }[]
  }
  t.same(scrapes[0]?.authorization, { credentials_file: secret })
  const targets = ['gateway-1:9090', 'gateway-2:9090']
  t.same(scrapes[0]?.static_configs[0]?.targets, targets)

  const { admin, ...watched } = parse(read('grafana/postern.yaml')) as { admin: unknown }
  const { admin: _, ...plain } = parse(read('postern.redis.yaml')) as { admin: unknown }
  t.same(admin, { listen: '0.0.0.0:9090', token: `\${file:${secret}}` })
  t.same(watched, plain, 'else it is the configuration of compose.yaml')
  for (const name of ['gateway-1', 'gateway-2']) {
    t.same(services[name]?.volumes, ['./grafana/postern.yaml:/etc/postern/postern.yaml:ro'])
  }
  const folder = temporaryFolder(t)
  writeFileSync(join(folder, 'token'), 'x')
  const file = join(folder, 'postern.yaml')
  writeFileSync(file, read('grafana/postern.yaml').replace(secret, join(folder, 'token')))
  const loaded = await loadRuleSet(file, { catalogue: join(ROOT, 'rules'), env: {} })
  t.ok(loaded.ok, 'and is sound')
})

t.test('Alertmanager knows its receivers, and silences only what exists', async t => {
  const config = 'grafana/alertmanager/alertmanager.yml'
  interface Route {
    readonly receiver: string
    readonly routes?: readonly Route[]
  }
  const {
    route,
    receivers,
    inhibit_rules: inhibitions,
  } = parse(read(config)) as {
    route: Route
    receivers: { name: string }[]
    inhibit_rules: { source_matchers: string[]; target_matchers: string[] }[]
  }
  const names = receivers.map(({ name }) => name)
  for (const { receiver } of [route, ...(route.routes ?? [])]) t.ok(names.includes(receiver))
  const known = new Set(alerts.map(({ alert }) => alert))
  for (const { source_matchers: sources, target_matchers: targets } of inhibitions) {
    for (const matcher of [...sources, ...targets]) {
      const [, listed = ''] = /^alertname=~?"([^"]+)"$/.exec(matcher) ?? []
      t.not(listed, '', matcher)
      for (const name of listed.split('|')) t.ok(known.has(name), name)
    }
  }
  // Debian has it in a package of its own, which nothing else here needs.
  const { error, status, stderr } = spawnSync('amtool', ['check-config', join(ROOT, config)])
  if (error) return t.comment('amtool is not on the PATH: Alertmanager itself was not asked')
  t.equal(status, 0, stderr.toString())
})

// --- rules ----------------------------------------------------------------------------------

t.test('promtool takes the rules', async t => {
  // It looks for the token, too, which is only there in the container.
  const folder = temporaryFolder(t)
  cpSync(join(ROOT, 'grafana/prometheus'), folder, { recursive: true })
  writeFileSync(join(folder, 'token'), 'x')
  const config = join(folder, 'prometheus.yml')
  const text = read('grafana/prometheus/prometheus.yml')
  writeFileSync(config, text.replace('/run/secrets/admin-token', join(folder, 'token')))
  const { code, output } = promtool(['check', 'config', config])
  t.equal(code, 0, output)
  t.match(output, /rules found/)
})

t.test('rules ask only for what exists, and are said once', async t => {
  const names = new Set<string>()
  for (const { record, alert, expr } of rules) {
    const name = record ?? alert ?? ''
    t.notOk(names.has(name), `${name} is declared once`)
    names.add(name)
    t.same(strangers(expr), [], name)
    for (const { metric, functions } of readPromql(expr).selectors) {
      const isCounted = functions.some(one => /^(rate|increase)$/.test(one))
      if (KNOWN.get(metric)?.type === 'counter') t.ok(isCounted, `${name}: ${metric}`)
    }
  }
  for (const { record, expr } of rules) {
    if (record === undefined) continue
    t.match(record, /^job(_[a-z]+)*:postern_[a-z_]+:[a-z0-9_]+$/, 'level:metric:operations')
    const left = readPromql(expr).labels.length > 0
    t.ok(left || !expr.includes('sum ('), `${record} says what it sums away`)
  }
})

t.test('alerts say what is wrong, how bad it is and what to do', async t => {
  const pages = new Set(readdirSync(join(ROOT, 'docs/runbooks')))
  for (const { alert = '', expr, labels, annotations, for: wait } of alerts) {
    t.match(alert, /^Postern[A-Z][A-Za-z]+$/)
    t.ok(['critical', 'warning', 'info'].includes(labels?.['severity'] ?? ''), `${alert}: severity`)
    t.ok(annotations?.['summary'] && annotations['description'], `${alert}: words`)
    t.equal(annotations?.['runbook_url'], `docs/runbooks/${alert}.md`)
    t.ok(pages.delete(`${alert}.md`), `${alert}: its page exists`)
    t.match(expr, /[<>=]=?|absent/, `${alert}: alerts/comparison`)
    t.notMatch(expr, /\b(topk|bottomk)\b/, `${alert}: promql/fragile`)
    if (expr.includes('absent(')) t.ok(wait, `${alert}: alerts/absent`)
  }
  t.same([...pages], [], 'a page without an alert')
  for (const page of readdirSync(join(ROOT, 'docs/runbooks'))) {
    const text = read(`docs/runbooks/${page}`)
    t.match(text, new RegExp(`^# ${page.slice(0, -3)}\n\n[^#]+\n## How to look\n\n- [^#]+\n## What to do\n\n- `)) // prettier-ignore
    for (const [, other = ''] of text.matchAll(/\]\((\w+\.md)\)/g)) {
      t.ok(existsSync(join(ROOT, 'docs/runbooks', other)), `${page} links to ${other}`)
    }
    for (const [metric] of text.matchAll(/\bpostern_[a-z_]+/g)) {
      const isKnown = KNOWN.has(metric) || metric === 'postern_' || KNOWN.has(`${metric}_bucket`)
      t.ok(isKnown, `${page}: ${metric}`)
    }
  }
})

t.test('the burst alert knows every way to fail authentication', async t => {
  const { expr = '' } = alerts.find(rule => rule.alert === 'PosternUnauthenticatedBurst') ?? {}
  const listed = /reason=~"([^"]+)"/.exec(expr)?.[1]?.split('|') ?? []
  t.same(listed.sort(), [...AUTHENTICATION_REASONS].sort())
})

t.test('every alert fires when it should and is quiet when it should be', async t => {
  const files = ['alerts', 'week'].map(name => `grafana/prometheus/tests/${name}.yml`)
  const fires = new Set<string>()
  const quiet = new Set<string>()
  for (const file of files) {
    const { tests } = parse(read(file)) as {
      tests: { alert_rule_test: { alertname: string; exp_alerts: unknown[] }[] }[]
    }
    for (const { alertname, exp_alerts } of tests.flatMap(test => test.alert_rule_test)) {
      const cases = exp_alerts.length > 0 ? fires : quiet
      cases.add(alertname)
    }
  }
  const names = alerts.map(rule => rule.alert ?? '').sort()
  t.same([...fires].sort(), names, 'a case in which it fires')
  t.same([...quiet].sort(), names, 'a case in which it does not')
  const { code, output } = promtool(['test', 'rules', ...files.map(file => join(ROOT, file))])
  t.equal(code, 0, output)
})
