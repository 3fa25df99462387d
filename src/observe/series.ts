/**
 * The series of one metric, found by their label values. In: label values in the order they were
 * declared. Out: the cell that counts them, made on first use. Bounded: above the limit every new
 * combination shares one cell, `_other`. A look-up is one map access a label and allocates nothing.
 */
import type { MetricSpec } from './catalogue.ts'

export interface Series<Cell> {
  at(labels: readonly string[]): Cell
  /** Forgets every series whose first label is not in `kept`. */
  retain(kept: ReadonlySet<string>): void
  clear(): void
  cells(): Iterable<Cell>
  size(): number
}

interface SeriesOptions<Cell> {
  readonly spec: MetricSpec
  readonly limit: number
  readonly create: (labels: readonly string[]) => Cell
  readonly overflowed: (metric: string) => void
}

/** Inner nodes are maps; at the depth of the last label they hold cells. */
type Node<Cell> = Map<string, Node<Cell> | Cell>

export const OTHER = '_other'

export function createSeries<Cell extends object>(options: SeriesOptions<Cell>): Series<Cell> {
  const { spec, limit, create, overflowed } = options
  const depth = spec.labels.length
  const root: Node<Cell> = new Map()
  let size = 0
  // A metric without labels has its one series from the start.
  let only = depth === 0 ? create([]) : undefined

  function at(labels: readonly string[]): Cell {
    if (only) return only
    let node: Node<Cell> | Cell = root
    for (let i = 0; i < depth; i++) {
      const next: Node<Cell> | Cell | undefined = (node as Node<Cell>).get(labels[i] ?? '')
      if (next === undefined) return add(labels)
      node = next
    }
    return node as Cell
  }

  function add(labels: readonly string[]): Cell {
    if (size >= limit && labels[0] !== OTHER) {
      overflowed(spec.name)
      return at(spec.labels.map(() => OTHER))
    }
    let node = root
    for (let i = 0; i < depth - 1; i++) {
      const label = labels[i] ?? ''
      let next = node.get(label) as Node<Cell> | undefined
      if (!next) node.set(label, (next = new Map()))
      node = next
    }
    const cell = create(labels.slice(0, depth))
    node.set(labels[depth - 1] ?? '', cell)
    size += 1
    return cell
  }

  function* cells(): Generator<Cell> {
    if (only) yield only
    else yield* leaves(root, depth)
  }

  return {
    at,
    cells,
    retain: kept => {
      for (const label of root.keys()) if (!kept.has(label)) root.delete(label)
      size = [...leaves(root, depth)].length
    },
    clear: () => {
      root.clear()
      size = 0
      if (depth === 0) only = create([])
    },
    size: () => (only ? 1 : size),
  }
}

function* leaves<Cell>(node: Node<Cell>, depth: number): Generator<Cell> {
  for (const child of node.values()) {
    if (depth === 1) yield child as Cell
    else yield* leaves(child as Node<Cell>, depth - 1)
  }
}
