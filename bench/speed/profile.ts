/** What a CPU profile says, in the shares of busy time: the top list of a flame graph. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

interface Node {
  readonly id: number
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number } // prettier-ignore
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

/** `from`: share of the run that is left out, as start and warm-up. */
export function topOf(folder: string, from: number, count: number): Share[] {
  const [name] = readdirSync(folder).filter(file => file.endsWith('.cpuprofile'))
  if (name === undefined) return []
  const profile = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Profile
  const names = new Map(profile.nodes.map(node => [node.id, nameOf(node)]))
  const times = new Map<string, number>()
  const first = Math.floor(profile.samples.length * from)
  let busy = 0
  for (let i = first; i < profile.samples.length; i++) {
    const frame = names.get(profile.samples[i] ?? 0) ?? ''
    const delta = profile.timeDeltas[i] ?? 0
    if (frame === '(idle)') continue
    busy += delta
    times.set(frame, (times.get(frame) ?? 0) + delta)
  }
  return [...times]
    .toSorted((a, b) => b[1] - a[1])
    .slice(0, count)
    .map(([frame, time]) => ({ name: frame, percent: (100 * time) / busy }))
}

function nameOf({ callFrame: { functionName, url } }: Node): string {
  const name = functionName || '(anonymous)'
  if (url === '') return name
  const place = /.*(?:\/node_modules\/|\/(?=dist\/))(.*)/.exec(url)?.[1] ?? url
  return `${name} ${place}`
}
