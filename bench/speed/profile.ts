/**
 * What a CPU profile says, in shares of busy time: the top list of a flame graph, and the parts of
 * the program, where what Node and its libraries do counts for the part that called them.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Node {
  readonly id: number
  readonly children?: readonly number[]
  readonly callFrame: { readonly functionName: string; readonly url: string }
}
interface Profile {
  readonly nodes: readonly Node[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

export interface Share {
  readonly name: string
  readonly percent: number
}

export interface Shares {
  readonly functions: readonly Share[]
  readonly parts: readonly Share[]
}

/** `from`: share of the run that is left out, as start and warm-up. */
export function sharesOf(folder: string, from: number): Shares {
  const [file] = readdirSync(folder).filter(name => name.endsWith('.cpuprofile'))
  if (file === undefined) return { functions: [], parts: [] }
  const profile = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Profile
  const nodes = new Map(profile.nodes.map(node => [node.id, node]))
  const parents = new Map<number, Node>()
  for (const node of profile.nodes)
    for (const child of node.children ?? []) parents.set(child, node)
  const first = Math.floor(profile.samples.length * from)
  const functions = new Map<string, number>()
  const parts = new Map<string, number>()
  let busy = 0
  for (let i = first; i < profile.samples.length; i++) {
    const node = nodes.get(profile.samples[i] ?? 0)
    const delta = profile.timeDeltas[i] ?? 0
    if (!node || node.callFrame.functionName === '(idle)') continue
    busy += delta
    add(functions, nameOf(node), delta)
    add(parts, partOf(node, parents), delta)
  }
  return { functions: top(functions, busy, 30), parts: top(parts, busy, 20) }
}

function add(times: Map<string, number>, name: string, time: number): void {
  times.set(name, (times.get(name) ?? 0) + time)
}

function top(times: ReadonlyMap<string, number>, busy: number, count: number): Share[] {
  return [...times]
    .toSorted((a, b) => b[1] - a[1])
    .slice(0, count)
    .map(([name, time]) => ({ name, percent: (100 * time) / busy }))
}

const OURS = /\/dist\/([^/]+)/
const PACKAGE = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/

function nameOf({ callFrame: { functionName, url } }: Node): string {
  const name = functionName || '(anonymous)'
  const place =
    PACKAGE.exec(url)?.[1] ?? (OURS.test(url) ? url.slice(url.indexOf('/dist/') + 1) : url)
  return place === '' ? name : `${name} ${place}`
}

/** Ours before a package, a package before Node. */
function partOf(node: Node, parents: ReadonlyMap<number, Node>): string {
  if (node.callFrame.functionName === '(garbage collector)') return 'garbage collector'
  let found: string | undefined
  for (let at: Node | undefined = node; at; at = parents.get(at.id)) {
    const { url } = at.callFrame
    const name = PACKAGE.exec(url)?.[1]
    if (name === undefined) {
      const ours = OURS.exec(url)?.[1]
      if (ours !== undefined) return `src/${ours.replace(/\.js$/, '.ts')}`
    } else found ??= name
  }
  return found ?? 'Node itself'
}
