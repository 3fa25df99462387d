/**
 * Counters, gauges and histograms as plain numbers that become text at the scrape. An increment is
 * a few map look-ups (tens of ns; prom-client takes some 200 ns, and a scrape of it ten times ours).
 */
import type { MetricSpec } from './catalogue.ts'
import { headerText, seriesText } from './exposition.ts'
import { createSeries, type Series } from './series.ts'

/** One value per label, in the order of the catalogue. */
export type LabelValues<Labels extends readonly string[]> = { readonly [I in keyof Labels]: string }

interface Instrument {
  /** Forgets series whose first label is not in `kept`: removed networks and destinations. */
  retain(kept: ReadonlySet<string>): void
  size(): number
  text(): string
}

export interface Counter<Labels extends readonly string[]> extends Instrument {
  inc(...labels: LabelValues<Labels>): void
  add(amount: number, ...labels: LabelValues<Labels>): void
  /** Makes the series exist at 0, so that Prometheus sees its first increment as one. */
  declare(...labels: LabelValues<Labels>): void
}

export interface Gauge<Labels extends readonly string[]> extends Instrument {
  set(value: number, ...labels: LabelValues<Labels>): void
  /** Sets the value only if the series has none yet. */
  init(value: number, ...labels: LabelValues<Labels>): void
  /** Forgets every series. */
  clear(): void
}

export interface Histogram<Labels extends readonly string[]> extends Instrument {
  observe(value: number, ...labels: LabelValues<Labels>): void
  declare(...labels: LabelValues<Labels>): void
}

export interface Bounds {
  readonly limit: number
  readonly overflowed: (metric: string) => void
}

interface Cell {
  readonly text: string
  value: number
}

export function createCounter(spec: MetricSpec, bounds: Bounds): Counter<readonly string[]> {
  const series = createSeries<Cell>({ ...bounds, spec, create: cellOf(spec, 0) })
  return {
    ...instrument(spec, series, lineOf),
    inc: (a, b, c) => {
      series.at(a, b, c).value += 1
    },
    add: (amount, a, b, c) => {
      series.at(a, b, c).value += amount
    },
    declare: (a, b, c) => {
      series.at(a, b, c)
    },
  }
}

export function createGauge(spec: MetricSpec, bounds: Bounds): Gauge<readonly string[]> {
  // Without a label there is a series before there is a value: 0 says "not yet".
  const unset = spec.labels.length === 0 ? 0 : Number.NaN
  const series = createSeries<Cell>({ ...bounds, spec, create: cellOf(spec, unset) })
  return {
    ...instrument(spec, series, lineOf),
    set: (value, a, b, c) => {
      series.at(a, b, c).value = value
    },
    init: (value, a, b, c) => {
      const cell = series.at(a, b, c)
      if (Number.isNaN(cell.value)) cell.value = value
    },
    clear: series.clear,
  }
}

function cellOf(spec: MetricSpec, value: number) {
  return (labels: readonly string[]): Cell => ({
    text: `${seriesText(spec.name, spec.labels, labels)} `,
    value,
  })
}

function lineOf(cell: Cell): string {
  return `${cell.text}${cell.value}\n`
}

interface HistogramCell {
  /** `name_bucket{…,le="…"} ` of every bucket, +Inf last. */
  readonly buckets: readonly string[]
  readonly sumText: string
  readonly countText: string
  /** Not cumulative: made so at the scrape. */
  readonly counts: number[]
  sum: number
}

export function createHistogram(spec: MetricSpec, bounds: Bounds): Histogram<readonly string[]> {
  const limits = spec.buckets ?? []
  const create = (labels: readonly string[]): HistogramCell => ({
    buckets: [...limits.map(String), '+Inf'].map(
      le => `${seriesText(`${spec.name}_bucket`, [...spec.labels, 'le'], [...labels, le])} `,
    ),
    sumText: `${seriesText(`${spec.name}_sum`, spec.labels, labels)} `,
    countText: `${seriesText(`${spec.name}_count`, spec.labels, labels)} `,
    counts: Array.from({ length: limits.length + 1 }, () => 0),
    sum: 0,
  })
  const series = createSeries<HistogramCell>({ ...bounds, spec, create })

  return {
    ...instrument(spec, series, histogramLines),
    observe: (value, a, b, c) => {
      const cell = series.at(a, b, c)
      let bucket = 0
      while (bucket < limits.length && value > (limits[bucket] ?? 0)) bucket += 1
      cell.counts[bucket] = (cell.counts[bucket] ?? 0) + 1
      cell.sum += value
    },
    declare: (a, b, c) => {
      series.at(a, b, c)
    },
  }
}

function histogramLines({ buckets, counts, sumText, countText, sum }: HistogramCell): string {
  let total = 0
  let text = ''
  for (let i = 0; i < buckets.length; i++) {
    total += counts[i] ?? 0
    text += `${buckets[i]}${total}\n`
  }
  return `${text}${sumText}${sum}\n${countText}${total}\n`
}

function instrument<C extends object>(
  spec: MetricSpec,
  series: Series<C>,
  toLine: (cell: C) => string,
): Instrument {
  const header = headerText(spec)
  return {
    retain: series.retain,
    size: series.size,
    text: () => {
      let text = header
      for (const cell of series.cells()) text += toLine(cell)
      return text
    },
  }
}
