/**
 * The expositions of several processes of one gateway as one. In: what each worker exposes. Out:
 * one text. Counters and histograms add up and never fall: what a worker has counted stays counted
 * when it dies, because a sum that falls looks like a restart, and rate() would count it all again.
 */
import { CATALOGUE, type MetricSpec } from './catalogue.ts'

type Way = 'sum' | 'max' | 'min'

export interface Merger {
  /** What a worker exposes now; it counts until the next time, also if that is late. */
  heard(worker: number, text: string): void
  /** It ended: what it counted stays, what it held is gone. */
  gone(worker: number): void
  /** `counters`: of the process that asks; its gauges say nothing of the workers. */
  text(counters?: string): string
}

interface Family {
  readonly header: readonly string[]
  /** Undefined for counters and histograms. */
  readonly gauge: Way | undefined
  readonly series: Map<string, number>
}
type Exposition = Map<string, Family>

const WAYS = new Map<string, Way>(
  Object.values<MetricSpec>(CATALOGUE).map(({ name, merge = 'max' }) => [name, merge]),
)
/** Of prom-client: what every process has for itself. */
const OWN_PART = /^(process|nodejs)_.*(_bytes|_open_fds|_active_\w+)$/

export function createMerger(): Merger {
  const workers = new Map<number, Exposition>()
  const ended: Exposition = new Map()

  return {
    heard: (worker, text) => void workers.set(worker, parse(text)),
    gone: worker => {
      const last = workers.get(worker)
      workers.delete(worker)
      if (last) addCounters(ended, last)
    },
    text: (counters = '') => {
      const merged: Exposition = new Map()
      for (const exposition of workers.values()) {
        for (const [name, family] of exposition) add(merged, name, family)
      }
      addCounters(merged, ended)
      addCounters(merged, parse(counters))
      return [...merged.values()].map(toText).join('')
    },
  }
}

function addCounters(to: Exposition, from: Exposition): void {
  for (const [name, family] of from) if (!family.gauge) add(to, name, family)
}

function add(to: Exposition, name: string, { header, gauge, series }: Family): void {
  const family = to.get(name) ?? { header, gauge, series: new Map<string, number>() }
  to.set(name, family)
  for (const [key, value] of series) {
    const before = family.series.get(key)
    family.series.set(key, before === undefined ? value : combine(before, value, gauge ?? 'sum'))
  }
}

function combine(a: number, b: number, way: Way): number {
  return way === 'sum' ? a + b : way === 'max' ? Math.max(a, b) : Math.min(a, b)
}

/** Reads what this program writes; not any exposition there is. */
function parse(text: string): Exposition {
  const families: Exposition = new Map()
  let help = ''
  let series = new Map<string, number>()
  for (const line of text.split('\n')) {
    if (line.startsWith('# HELP ')) help = line
    else if (line.startsWith('# TYPE ')) {
      const [, , name = '', type] = line.split(' ')
      series = new Map()
      families.set(name, {
        header: [help, line],
        gauge: type === 'gauge' ? wayOf(name) : undefined,
        series,
      })
    } else if (line !== '') {
      const space = line.lastIndexOf(' ')
      const value = line.slice(space + 1)
      series.set(line.slice(0, space), value === '+Inf' ? Infinity : Number(value))
    }
  }
  return families
}

function wayOf(name: string): Way {
  return WAYS.get(name) ?? (OWN_PART.test(name) ? 'sum' : 'max')
}

function toText({ header, series }: Family): string {
  let text = `${header.join('\n')}\n`
  for (const [key, value] of series) text += `${key} ${value === Infinity ? '+Inf' : value}\n`
  return text
}
