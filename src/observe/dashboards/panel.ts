/**
 * Grafana's classic dashboard model, as far as ours need it. In: what a panel shows. Out: the JSON
 * that Grafana provisions. Positions are computed: panels flow left to right in rows of 24.
 * https://grafana.com/docs/grafana/latest/visualizations/dashboards/build-dashboards/view-dashboard-json-model/
 */
export interface Query {
  readonly expr: string
  readonly legend?: string
}

type Kind = 'stat' | 'timeseries' | 'table' | 'heatmap' | 'state-timeline'

export interface Panel {
  readonly kind: Kind
  readonly title: string
  readonly description: string
  readonly unit: string
  readonly width: number
  readonly queries: readonly Query[]
  readonly more: Readonly<Record<string, unknown>>
  readonly defaults: Readonly<Record<string, unknown>>
}

export interface Row {
  readonly title: string
  /** Name of a variable: the row is shown once for each of its values. */
  readonly repeat?: string
  /** Closed until it is asked for: its panels are of use to some gateways only. */
  readonly collapsed?: true
  readonly panels: readonly Panel[]
}

interface Look {
  /** What stands there where this is no use, instead of "No data". */
  readonly none?: string
  readonly width?: number
  /** Numbers that mean nothing without their name, such as money without its currency. */
  readonly named?: true
  /** Colours from this value on: `[[1, 'red']]` is green below 1. */
  readonly steps?: readonly (readonly [number, string])[]
  readonly decimals?: number
  readonly stack?: boolean
  readonly max?: number
  readonly mappings?: Readonly<Record<string, readonly [text: string, color: string]>>
}

type Make = (
  title: string,
  description: string,
  unit: string,
  queries: readonly Query[] | string,
  look?: Look,
) => Panel

const asQueries = (queries: readonly Query[] | string): readonly Query[] =>
  typeof queries === 'string' ? [{ expr: queries }] : queries

function defaultsOf(unit: string, look: Look): Record<string, unknown> {
  const { steps = [], decimals, max, mappings, none } = look
  return {
    unit,
    ...(none === undefined ? {} : { noValue: none }),
    ...(decimals === undefined ? {} : { decimals }),
    ...(max === undefined ? {} : { max }),
    min: 0,
    color: { mode: steps.length > 0 || mappings ? 'thresholds' : 'palette-classic' },
    thresholds: {
      mode: 'absolute',
      steps: [
        { color: 'green', value: null },
        ...steps.map(([value, color]) => ({ color, value })),
      ],
    },
    mappings: mappingsOf(look),
  }
}

/** Of a share while nothing happens: 0 of 0. */
const NOT_A_NUMBER = { type: 'special', options: { match: 'nan', result: { text: '–', index: 0 } } }

function mappingsOf({ mappings }: Look): readonly unknown[] {
  if (!mappings) return []
  const options = Object.entries(mappings).map(([value, [text, color]], index) => [
    value,
    { text, color, index },
  ])
  return [{ type: 'value', options: Object.fromEntries(options) as unknown }]
}

/** One number, as it is now. */
export const stat: Make = (title, description, unit, queries, look = {}) => ({
  kind: 'stat',
  title,
  description,
  unit,
  width: look.width ?? 3,
  queries: asQueries(queries),
  defaults: {
    ...defaultsOf(unit, look),
    mappings: look.mappings ? mappingsOf(look) : [NOT_A_NUMBER],
  },
  more: {
    options: {
      reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
      colorMode: look.steps || look.mappings ? 'value' : 'none',
      graphMode: 'none',
      justifyMode: 'auto',
      orientation: 'auto',
      textMode: look.named ? 'value_and_name' : 'auto',
    },
  },
})

/** Lines over time, with a table of names below. */
export const graph: Make = (title, description, unit, queries, look = {}) => ({
  kind: 'timeseries',
  title,
  description,
  unit,
  width: look.width ?? 8,
  queries: asQueries(queries),
  defaults: {
    ...defaultsOf(unit, look),
    color: { mode: 'palette-classic' },
    custom: {
      drawStyle: 'line',
      lineWidth: 1,
      fillOpacity: look.stack ? 30 : 5,
      showPoints: 'never',
      stacking: { mode: look.stack ? 'normal' : 'none', group: 'A' },
    },
  },
  more: {
    options: {
      legend: { displayMode: 'list', placement: 'bottom', showLegend: true },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
  },
})

/** The distribution of a histogram over time; the query is a rate of buckets by `le`. */
export const heatmap: Make = (title, description, unit, queries, look = {}) => ({
  kind: 'heatmap',
  title,
  description,
  unit,
  width: look.width ?? 8,
  queries: asQueries(queries).map(query => ({ ...query, legend: '{{le}}' })),
  defaults: { unit },
  more: {
    options: {
      calculate: false,
      cellGap: 1,
      color: { mode: 'scheme', scheme: 'Spectral', steps: 64, reverse: false },
      yAxis: { unit, axisPlacement: 'left' },
      legend: { show: true },
      tooltip: { mode: 'single' },
    },
  },
})

/** States over time. */
export const timeline: Make = (title, description, unit, queries, look = {}) => ({
  kind: 'state-timeline',
  title,
  description,
  unit,
  width: look.width ?? 8,
  queries: asQueries(queries),
  defaults: defaultsOf(unit, look),
  more: { options: { showValue: 'auto', rowHeight: 0.8, mergeValues: true } },
})

/** One line a series, sorted by value; `link` opens a dashboard for the line. */
export function table(
  title: string,
  description: string,
  unit: string,
  expr: string,
  look: Look & { readonly link?: { readonly title: string; readonly url: string } } = {},
): Panel {
  return {
    kind: 'table',
    title,
    description,
    unit,
    width: look.width ?? 8,
    queries: [{ expr }],
    defaults: {
      ...defaultsOf(unit, look),
      ...(look.link ? { links: [look.link] } : {}),
    },
    more: {
      options: { showHeader: true, sortBy: [{ displayName: 'Value', desc: true }] },
      transformations: [{ id: 'organize', options: { excludeByName: { Time: true } } }],
    },
  }
}

/** Rows as Grafana wants them: one flat list, each with its place; a closed row holds its panels. */
export function layOut(rows: readonly Row[]): Record<string, unknown>[] {
  const placed: Record<string, unknown>[] = []
  let y = 0
  let id = 1
  for (const row of rows) {
    const held: Record<string, unknown>[] = []
    placed.push({
      id: id++,
      type: 'row',
      title: row.title,
      collapsed: row.collapsed === true,
      gridPos: { x: 0, y: y++, w: 24, h: 1 },
      panels: held,
      ...(row.repeat === undefined ? {} : { repeat: row.repeat }),
    })
    let x = 0
    let tallest = 0
    for (const panel of row.panels) {
      if (x + panel.width > 24) {
        x = 0
        y += tallest
        tallest = 0
      }
      const h = panel.kind === 'stat' ? 4 : 8
      ;(row.collapsed ? held : placed).push(toJson(panel, id++, { x, y, w: panel.width, h }))
      x += panel.width
      tallest = Math.max(tallest, h)
    }
    y += tallest
  }
  return placed
}

export const DATASOURCE = { type: 'prometheus', uid: '$datasource' }

function toJson(panel: Panel, id: number, gridPos: unknown): Record<string, unknown> {
  const isInstant = panel.kind === 'stat' || panel.kind === 'table'
  return {
    id,
    type: panel.kind,
    title: panel.title,
    description: panel.description,
    datasource: DATASOURCE,
    gridPos,
    fieldConfig: { defaults: panel.defaults, overrides: [] },
    targets: panel.queries.map(({ expr, legend }, i) => ({
      refId: String.fromCharCode(65 + i),
      datasource: DATASOURCE,
      expr,
      legendFormat: legend ?? '',
      ...(isInstant ? { instant: true, range: false } : { range: true }),
      format: { table: 'table', heatmap: 'heatmap' }[panel.kind as string] ?? 'time_series',
    })),
    ...panel.more,
  }
}
