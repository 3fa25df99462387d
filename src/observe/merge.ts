/**
 * The expositions of several processes of one gateway as one. Counters and histograms add up;
 * a gauge adds up where it counts what each process holds for itself, and is the highest of them
 * where it says the same of something they share.
 */

/** Gauges of which every process has its own part. */
const OWN_PART = /(_bytes|_in_memory|_in_flight|_open_fds|_total)$/

export function mergeExpositions(texts: readonly string[]): string {
  /** Family → its header lines and its series, both in the order they were first met. */
  const families = new Map<
    string,
    { header: string[]; isSummed: boolean; series: Map<string, number> }
  >()
  for (const text of texts) {
    let family: ReturnType<typeof families.get>
    for (const line of text.split('\n')) {
      if (line === '') continue
      const header = /^# (HELP|TYPE) (\S+)(?: (.*))?$/.exec(line)
      if (header) {
        const [, kind, name = '', rest] = header
        family = families.get(name) ?? { header: [], isSummed: true, series: new Map() }
        families.set(name, family)
        if (!family.header.includes(line)) family.header.push(line)
        if (kind === 'TYPE') family.isSummed = rest !== 'gauge' || OWN_PART.test(name)
        continue
      }
      const space = line.lastIndexOf(' ')
      const value = Number(line.slice(space + 1))
      if (!family || Number.isNaN(value)) continue
      const { series, isSummed } = family
      const key = line.slice(0, space)
      const before = series.get(key)
      if (before === undefined) series.set(key, value)
      else series.set(key, isSummed ? before + value : Math.max(before, value))
    }
  }
  let merged = ''
  for (const { header, series } of families.values()) {
    merged += `${header.join('\n')}\n`
    for (const [key, value] of series) merged += `${key} ${toText(value)}\n`
  }
  return merged
}

function toText(value: number): string {
  return value === Infinity ? '+Inf' : value === -Infinity ? '-Inf' : String(value)
}
