/**
 * A dashboard as a plain page, to be looked at without Grafana: gridPos as CSS grid, data from
 * Prometheus, lines as SVG. In: dashboard JSON and where Prometheus is. Out: HTML.
 */
interface PreviewTarget {
  readonly expr: string
  readonly legendFormat: string
}
interface Result {
  readonly text: string
}
type Mapping =
  | { readonly type: 'value'; readonly options: Readonly<Record<string, Result>> }
  | {
      readonly type: 'special'
      readonly options: { readonly match: string; readonly result: Result }
    }
interface PreviewPanel {
  readonly type: string
  readonly title: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly options?: { readonly textMode?: string }
  readonly fieldConfig?: {
    readonly defaults: {
      readonly unit?: string
      readonly decimals?: number
      readonly noValue?: string
      readonly mappings?: readonly Mapping[]
    }
  }
  /** Of a closed row. */
  readonly panels?: readonly PreviewPanel[]
  readonly targets?: readonly PreviewTarget[]
} // prettier-ignore
export interface PreviewDashboard {
  readonly title: string
  readonly panels: readonly PreviewPanel[]
}

/** Without rows; those that closed rows hold included. */
export function panelsIn({ panels }: PreviewDashboard): readonly PreviewPanel[] {
  return panels.flatMap(panel => (panel.type === 'row' ? (panel.panels ?? []) : [panel]))
}

interface Line {
  readonly name: string
  readonly points: readonly (readonly [time: number, value: number])[]
}

/** What Grafana asks with these values chosen; of other variables everything. */
export function shownQuery(
  expr: string,
  window: string,
  chosen: Readonly<Record<string, string>> = {},
): string {
  return Object.entries(chosen)
    .reduce((query, [name, value]) => query.replaceAll(`$${name}`, value), expr)
    .replaceAll('$__rate_interval', window)
    .replaceAll(/\$(job|instance|network|destination)\b/g, '.+')
}

const RANGE_SECONDS = 90

/** Closed rows are drawn as if opened, where `isOpened`. */
export async function previewPage(
  dashboard: PreviewDashboard,
  prometheus: string,
  window: string,
  chosen: Readonly<Record<string, string>>,
  isOpened = false,
): Promise<string> {
  const ask = (expr: string) => shownQuery(expr, window, chosen)
  const end = Date.now() / 1000
  const panels = await Promise.all(
    (isOpened
      ? dashboard.panels.flatMap(panel => [panel, ...(panel.panels ?? [])])
      : dashboard.panels
    ).map(async panel => {
      const { x, y, w, h } = panel.gridPos
      const place = `grid-area:${y + 1}/${x + 1}/span ${h}/span ${w}`
      if (panel.type === 'row')
        return `<h2 style="${place}">${panel.panels?.length && !isOpened ? '▸' : '▾'} ${text(shownQuery(panel.title, window, chosen))}</h2>`
      const lines = (
        await Promise.all(
          (panel.targets ?? []).map(target =>
            fetchLines(prometheus, target, ask(target.expr), end),
          ),
        )
      ).flat()
      return `<section style="${place}"><h3>${text(panel.title)}</h3>${draw(panel, lines, end)}</section>`
    }),
  )
  return `<!doctype html><meta charset="utf-8"><title>${text(dashboard.title)}</title><style>${STYLE}</style>
<h1>${text(dashboard.title)}</h1><main>${panels.join('\n')}</main>`
}

async function fetchLines(
  prometheus: string,
  { legendFormat }: PreviewTarget,
  expr: string,
  end: number,
): Promise<Line[]> {
  const query = new URLSearchParams({
    query: expr,
    start: String(end - RANGE_SECONDS),
    end: String(end),
    step: '2',
  })
  const answer = (await (
    await fetch(`${prometheus}/api/v1/query_range?${query.toString()}`)
  ).json()) as {
    data: { result: { metric: Record<string, string>; values: [number, string][] }[] }
  }
  return answer.data.result.map(({ metric, values }) => ({
    name:
      legendFormat.replaceAll(/\{\{(\w+)\}\}/g, (_, label: string) => metric[label] ?? '') ||
      Object.entries(metric)
        .map(([label, value]) => `${label}=${value}`)
        .join(' '),
    points: values.map(([time, value]) => [time, Number(value)] as const),
  }))
}

function draw(panel: PreviewPanel, lines: readonly Line[], end: number): string {
  if (lines.length === 0) {
    const said = panel.fieldConfig?.defaults.noValue
    return `<p class="${said === undefined ? 'none' : 'said'}">${text(said ?? 'No data')}</p>`
  }
  const show = (value: number) => formatValue(panel, value)
  const last = (line: Line) => line.points.at(-1)?.[1] ?? Number.NaN
  switch (panel.type) {
    case 'stat':
      return lines
        .slice(0, 4)
        .map(line => `<p class="stat">${text(show(last(line)))} <small>${lines.length > 1 || panel.options?.textMode === 'value_and_name' ? text(line.name) : ''}</small></p>`)
        .join('') // prettier-ignore
    case 'table': {
      const rows = [...lines].sort((a, b) => last(b) - last(a)).slice(0, 9)
      return `<table>${rows.map(line => `<tr><td>${text(line.name)}<td>${text(show(last(line)))}`).join('')}</table>`
    }
    case 'heatmap':
      return `<table>${differences(lines)
        .map(
          line =>
            `<tr><td>${text(line.name)}<td>${'▮'.repeat(Math.min(20, Math.round(last(line))))}`,
        )
        .join('')}</table>`
    default:
      return graph(lines, end, show)
  }
}

/** Buckets as they are counted: each without those below it. */
function differences(lines: readonly Line[]): Line[] {
  const bound = ({ name }: Line) => (name === '+Inf' ? Infinity : Number(name))
  const ordered = [...lines].sort((a, b) => bound(a) - bound(b))
  return ordered.map(({ name, points }, i) => ({
    name,
    points: points.map(([time, value], j) => {
      return [time, value - (ordered[i - 1]?.points[j]?.[1] ?? 0)] as const
    }),
  }))
}

const COLOURS = ['#7eb26d', '#eab839', '#6ed0e0', '#ef843c', '#e24d42', '#1f78c1', '#ba43a9', '#705da0'] // prettier-ignore
const WIDTH = 600
const HEIGHT = 200

function graph(lines: readonly Line[], end: number, show: (value: number) => string): string {
  const values = lines.flatMap(line => line.points.map(([, value]) => value))
  const top = Math.max(...values.filter(Number.isFinite), 1e-9)
  const x = (time: number) => (WIDTH * (time - end + RANGE_SECONDS)) / RANGE_SECONDS
  const y = (value: number) => HEIGHT * (1 - Math.max(0, value) / top)
  const paths = lines.map(({ points }, i) => {
    const d = points
      .filter(([, value]) => Number.isFinite(value))
      .map(([time, value], j) => `${j ? 'L' : 'M'}${x(time).toFixed(1)} ${y(value).toFixed(1)}`)
    return `<path d="${d.join('')}" stroke="${COLOURS[i % COLOURS.length]}"/>`
  })
  const legend = lines
    .slice(0, 14)
    .map(({ name }, i) => `<i style="color:${COLOURS[i % COLOURS.length]}">▬</i> ${text(name)}`)
  return `<b>${text(show(top))}</b><svg viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none">${paths.join('')}</svg><p class="legend">${legend.join(' ')}</p>`
}

function formatValue(panel: PreviewPanel, value: number): string {
  const { unit, decimals, mappings = [] } = panel.fieldConfig?.defaults ?? {}
  for (const mapping of mappings) {
    const isNone = mapping.type === 'special' && mapping.options.match === 'nan'
    if (isNone && Number.isNaN(value)) return mapping.options.result.text
    const mapped = mapping.type === 'value' ? mapping.options[String(value)] : undefined
    if (mapped) return mapped.text
  }
  if (!Number.isFinite(value)) return String(value)
  const digits = (number: number) => number.toFixed(decimals ?? (Number.isInteger(number) ? 0 : 2))
  switch (unit) {
    case 's':
      return value < 1 ? `${digits(value * 1000)} ms` : value < 120 ? `${digits(value)} s` : `${digits(value / 60)} min` // prettier-ignore
    case 'percentunit':
      return `${digits(value * 100)} %`
    case 'bytes':
      return value < 1_048_576 ? `${digits(value / 1024)} KiB` : `${digits(value / 1_048_576)} MiB`
    case 'reqps':
    case 'ops':
      return `${digits(value)} /s`
    default:
      return digits(value)
  }
}

function text(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}

const STYLE = `body{background:#111217;color:#ccccdc;font:12px sans-serif;margin:8px}
h1{font-size:16px;margin:4px}main{display:grid;grid-template-columns:repeat(24,1fr);grid-auto-rows:30px;gap:6px}
h2{font-size:14px;margin:4px}h3{font-size:12px;margin:0 0 4px}
section{background:#181b1f;border:1px solid #2c3235;padding:6px;overflow:hidden;display:flex;flex-direction:column}
svg{flex:1;min-height:0;width:100%;border-bottom:1px solid #444}path{fill:none;stroke-width:2;vector-effect:non-scaling-stroke}
.stat{font-size:20px;margin:auto}.stat small{font-size:10px}.none{color:#e24d42;margin:auto}.said{margin:auto}.legend{margin:4px 0 0;max-height:48px;overflow:hidden}
table{font-size:11px}td{padding:0 6px}b{font-weight:normal;color:#888}i{font-style:normal}`
