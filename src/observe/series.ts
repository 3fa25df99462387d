/**
 * The series of one metric, found by their label values. In: label values in the order they were
 * declared. Out: the cell that counts them, made on first use. Bounded: above the limit every new
 * combination shares one cell, `_other`. A look-up is one map access a label and allocates nothing,
 * which is why labels are parameters and not a list.
 */
import type { MetricSpec } from './catalogue.ts'

export interface Series<Cell> {
  at(a?: string, b?: string, c?: string): Cell
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
const MAX_LABELS = 3

export function createSeries<Cell extends object>(options: SeriesOptions<Cell>): Series<Cell> {
  const { spec, limit, create, overflowed } = options
  const depth = spec.labels.length
  if (depth > MAX_LABELS) throw new Error(`${spec.name} has more labels than are looked up`)
  const root: Node<Cell> = new Map()
  let size = 0
  // A metric without labels has its one series from the start.
  let only = depth === 0 ? create([]) : undefined

  function at(a = '', b = '', c = ''): Cell {
    if (only) return only
    const first = root.get(a)
    if (depth === 1) return (first as Cell | undefined) ?? add([a])
    const second = (first as Node<Cell> | undefined)?.get(b)
    if (depth === 2) return (second as Cell | undefined) ?? add([a, b])
    const third = (second as Node<Cell> | undefined)?.get(c)
    return (third as Cell | undefined) ?? add([a, b, c])
  }

  function add(labels: readonly string[]): Cell {
    if (size >= limit && labels[0] !== OTHER) {
      overflowed(spec.name)
      return at(OTHER, OTHER, OTHER)
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
