/**
 * The metrics of one process, built from the catalogue, and their text for a scrape. Process and
 * Node metrics come from prom-client; ours do not go through it (see instruments.ts).
 */
import { collectDefaultMetrics, Registry } from 'prom-client'
import { CATALOGUE, MAX_SERIES, type MetricKey, type MetricSpec } from './catalogue.ts'
import {
  createCounter,
  createGauge,
  createHistogram,
  type Counter,
  type Gauge,
  type Histogram,
} from './instruments.ts'

/** prom-client exports these three gauges under counter names; promtool refuses them. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
]

type InstrumentOf<Spec extends MetricSpec> = Spec['type'] extends 'counter'
  ? Counter<Spec['labels']>
  : Spec['type'] extends 'gauge'
    ? Gauge<Spec['labels']>
    : Histogram<Spec['labels']>

type Instruments = { readonly [Key in MetricKey]: InstrumentOf<(typeof CATALOGUE)[Key]> }

export interface Metrics extends Instruments {
  readonly registry: {
    readonly contentType: string
    /** Everything, as the text that Prometheus reads. */
    metrics(): Promise<string>
  }
  /** Runs before each scrape: for values at hand in this process. Never for I/O. */
  beforeScrape(read: () => void): void
}

export function createMetrics(limit = MAX_SERIES): Metrics {
  const defaults = new Registry()
  collectDefaultMetrics({ register: defaults })
  for (const name of MISNAMED) defaults.removeSingleMetric(name)

  const built = new Map<string, ReturnType<typeof build>>()
  const overflowed = (metric: string) => instruments.overflow.inc(metric)
  const build = (spec: MetricSpec) =>
    create(spec, { limit: spec === CATALOGUE.overflow ? Infinity : limit, overflowed })
  for (const [key, spec] of Object.entries(CATALOGUE)) built.set(key, build(spec))
  // The keys and types of the catalogue, which Object.entries forgets.
  const instruments = Object.fromEntries(built) as unknown as Instruments

  for (const { name } of Object.values(CATALOGUE)) instruments.overflow.declare(name)

  const reads: (() => void)[] = []
  return {
    ...instruments,
    beforeScrape: read => void reads.push(read),
    registry: {
      contentType: defaults.contentType,
      metrics: async () => {
        for (const read of reads) read()
        let text = ''
        for (const instrument of built.values()) text += instrument.text()
        return text + (await defaults.metrics())
      },
    },
  }
}

function create(spec: MetricSpec, bounds: Parameters<typeof createCounter>[1]) {
  switch (spec.type) {
    case 'counter':
      return createCounter(spec, bounds)
    case 'gauge':
      return createGauge(spec, bounds)
    case 'histogram':
      return createHistogram(spec, bounds)
  }
}
