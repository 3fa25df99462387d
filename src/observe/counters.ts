/**
 * Counters as plain numbers, handed to Prometheus at the scrape: a prom-client increment costs
 * some 200 ns on the hot path, this one a few map look-ups.
 */
import { Counter, type Registry } from 'prom-client'

interface Cell {
  readonly labels: readonly string[]
  value: number
}

export interface PlainCounter {
  /** One value per label, in the order they were declared. */
  inc(...labels: string[]): void
  add(amount: number, ...labels: string[]): void
  /** Makes the series exist at 0, so that its first increment is seen as one. */
  declare(...labels: string[]): void
  /** Forgets every series whose first label is not in `kept` (removed networks, destinations). */
  retain(kept: ReadonlySet<string>): void
}

const SEPARATOR = '\u0000'

export function createCounter(
  registry: Registry,
  name: string,
  help: string,
  labelNames: readonly string[],
  maxSeries = 2000,
): PlainCounter {
  const cells = new Map<string, Cell>()
  const counter: Counter = new Counter({
    name,
    help,
    labelNames: [...labelNames],
    registers: [registry],
    collect() {
      counter.reset()
      for (const { labels, value } of cells.values()) counter.inc(toLabels(labels), value)
    },
  })

  function toLabels(values: readonly string[]): Record<string, string> {
    return Object.fromEntries(labelNames.map((label, i) => [label, values[i] ?? '']))
  }

  function cellOf(labels: readonly string[]): Cell {
    const key = labels.length === 1 ? (labels[0] ?? '') : labels.join(SEPARATOR)
    let cell = cells.get(key)
    if (!cell) {
      if (cells.size >= maxSeries && labels[0] !== '_other')
        return cellOf(labels.map(() => '_other'))
      cell = { labels, value: 0 }
      cells.set(key, cell)
    }
    return cell
  }

  return {
    inc: (...labels) => {
      cellOf(labels).value++
    },
    add: (amount, ...labels) => {
      cellOf(labels).value += amount
    },
    declare: (...labels) => {
      cellOf(labels)
    },
    retain: kept => {
      for (const [key, { labels }] of cells) if (!kept.has(labels[0] ?? '')) cells.delete(key)
    },
  }
}
