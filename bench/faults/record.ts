/** Writes what a fault run found into bench/FAULTS.md: one row a fault and setting, newest wins. */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'

const FILE = join(import.meta.dirname, '..', 'FAULTS.md')
const HEAD = `# Faults: what was done, how often, and what came of it

Written by \`npm run faults\`; each row is the last run of that fault. *Lost* counts postbacks that were
answered 2xx and that no destination got and no dead letter holds. \`+\` after a commit: with changes
that were committed later. What each check means:
\`test/support/account.ts\`; what is promised: [guarantees](../docs/guarantees.md).

| Fault | Setting | Runs | Answered 2xx | Lost | Found | Run |
|---|---|---|---|---|---|---|
`

export interface FaultRow {
  /** `F3`, and what was done. */
  readonly fault: string
  readonly setting: string
  readonly runs: number
  readonly acknowledged: number
  readonly lost: number
  readonly found: string
}

export function record(row: FaultRow): void {
  const rows = new Map<string, string>()
  const before = existsSync(FILE) ? readFileSync(FILE, 'utf8') : ''
  for (const line of before.split('\n').filter(text => /^\| F\d/.test(text))) {
    const [, fault = '', setting = ''] = line.split('|').map(cell => cell.trim())
    rows.set(`${fault}|${setting}`, line)
  }
  const { fault, setting, runs, acknowledged, lost, found } = row
  const cells = [fault, setting, runs, acknowledged, lost, found, where()]
  rows.set(`${fault}|${setting}`, `| ${cells.join(' | ')} |`)
  const order = (key: string) => Number(/\d+/.exec(key)?.[0])
  const sorted = [...rows].sort(([a], [b]) => order(a) - order(b) || a.localeCompare(b))
  writeFileSync(FILE, `${HEAD}${sorted.map(([, line]) => line).join('\n')}\n`)
}

function where(): string {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim()
  const isChanged = execFileSync('git', [
    'status',
    '--porcelain',
    '--',
    'src',
    'test',
    'bench/faults',
  ])
  const date = new Date().toISOString().slice(0, 10)
  return `${date}, ${commit}${isChanged.length > 0 ? '+' : ''}, Node ${process.versions.node}, ${cpus().length} cores`
}

/** Smallest, median and largest. */
export function spread(values: readonly number[]): string {
  const sorted = [...values].sort((a, b) => a - b).map(value => Math.round(value))
  if (sorted.length === 0) return 'none'
  return `${sorted[0]} / ${sorted[Math.floor(sorted.length / 2)]} / ${sorted.at(-1)}`
}
