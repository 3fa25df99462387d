/** What was measured → RESULTS.md: machine, date, commit, tables, targets met or missed. */
import { execFileSync } from 'node:child_process'
import { cpus, release, totalmem } from 'node:os'
import type { Growth, StartTimes } from './growth.ts'
import type { Share, Shares } from './profile.ts'
import { comparison, tableOf, targets } from './report.ts'
import type { Sample } from './rounds.ts'

export interface Results {
  readonly began: Date
  readonly samples: readonly Sample[]
  readonly growth: readonly Growth[]
  readonly starts: readonly StartTimes[]
  readonly profiles: readonly { readonly title: string; readonly shares: Shares }[]
  readonly rounds: number
  readonly fewer: number
  readonly seconds: number
}

const MAX_GROWTH = 1.2

export function resultsText(results: Results): string {
  const { began, samples, growth, starts, profiles, rounds, fewer, seconds } = results
  const copies = [...new Set(samples.map(sample => sample.copies))].toSorted((a, b) => a - b)
  const parts = [
    '# How fast it is',
    `Written by \`npm run bench\` on ${began.toISOString().slice(0, 16).replace('T', ' ')} UTC, commit ${commit()}. Compare numbers of one run only; the ratios are what carries over to other machines.`,
    machine(),
    METHOD.replace('SECONDS', String(seconds))
      .replace('ROUNDS', String(rounds))
      .replace('FEWER', String(fewer)),
    ...copies.map(
      count => `## ${count} destination${count === 1 ? '' : 's'}\n\n${comparison(samples, count)}`,
    ),
    `## Targets, with two destinations\n\nThroughput ratios are of postbacks/s, paired within a round.\n\n${targets(samples)}\n\n${REASONS}`,
    growth.length > 0 ? `## How cost grows\n\n${growthTable(growth)}` : '',
    starts.length > 0 ? `## Start and reload\n\n${startTable(starts)}` : '',
    ...profiles.map(({ title, shares }) => profileText(title, shares)),
  ]
  return `${parts.filter(Boolean).join('\n\n')}\n`
}

const METHOD = `The gateway has core 0; sender, destinations (nginx, \`return 200\`) and Redis share core 1. Every
variant is started fresh once a round and warmed up; ROUNDS rounds with two destinations, FEWER with
one and five; SECONDS s per measurement; values are medians. Postbacks are GETs with ten parameters and
a transaction id of their own, over 64 connections. Saturation: as fast as the gateway goes with at most
256 postbacks outstanding, where a postback is done when it was answered and all its deliveries have
arrived; so postbacks/s is what is sustained, not what is taken in. CPU is that of all threads of the
gateway's processes until the last delivery is in. Latency is measured at a constant rate and counts from
when a postback was due (no coordinated omission), so it holds the sender's own tick of up to 1 ms and
its share of a busy core 1.

Postern has everything on: HMAC-SHA256 verification, normalization, routing, dedupe, journal, settlement,
decision log, metrics, logs. (a) and nginx verify nothing and store nothing; nginx + Lua dedupes only; the
relay by hand verifies, dedupes with SET NX, and answers when the destinations have; BullMQ verifies and
stores a job per destination. Redis of the peers: AOF everysec.`

const REASONS = `What stands behind a miss: the ceiling (a) checks no signature, reads no rule, stores nothing and
forgets every delivery it has started; what Postern does beyond it is listed by part in the profiles
below. Little of it is the store: the row of the memory store is the same gateway with nothing durable. nginx mirror neither stores nor repeats nor dedupes anything. The relay by hand and BullMQ are
measured against the same signed postbacks, but keep no journal, no order and no decision log.`

function commit(): string {
  const git = (...args: string[]) => execFileSync('git', args, { encoding: 'utf8' }).trim()
  const isDirty = git('status', '--porcelain', '--untracked-files=no', '--', 'src', 'bench') !== ''
  return git('rev-parse', '--short', 'HEAD') + (isDirty ? ' with changes' : '')
}

function version(command: string, ...args: string[]): string {
  try {
    const text = execFileSync(command, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    return /\d+\.\d+\.\d+/.exec(text)?.[0] ?? ''
  } catch {
    return 'none'
  }
}

function machine(): string {
  const [first] = cpus()
  const memory = Math.round(totalmem() / 2 ** 30)
  return `${cpus().length} × ${first?.model ?? 'unknown CPU'}, ${memory} GiB, Linux ${release()}, Node ${process.version}, Redis ${version('redis-server', '--version')}.` // prettier-ignore
}

function growthTable(growth: readonly Growth[]): string {
  const rows = growth.map(({ what, from, to, before, after }) => {
    const ratio = after / before
    const verdict = ratio <= MAX_GROWTH ? 'met' : '**missed**'
    return [`${what}: ${from} → ${to}`, before.toFixed(1), after.toFixed(1), ratio.toFixed(2), verdict] // prettier-ignore
  })
  return tableOf(['what grows', 'CPU µs before', 'after', 'ratio', '≤ 1.20'], rows)
}

function startTable(starts: readonly StartTimes[]): string {
  const rows = starts.map(({ networks, startMs, reloadMs }) => [
    networks.toLocaleString('en'),
    startMs.toFixed(0),
    reloadMs.toFixed(0),
  ])
  return tableOf(
    ['networks, a rule file each', 'start until postbacks are taken, ms', 'changed file until in force, ms'],
    rows,
  ) // prettier-ignore
}

function profileText(title: string, { functions, parts }: Shares): string {
  return `## Where the time goes: ${title}

Main thread at saturation with two destinations, start and warm-up left out. First by part, where
what Node and packages do counts for the part that called them; then the top of the flame graph by
self time.

${profileTable(parts)}

${profileTable(functions)}`
}

function profileTable(top: readonly Share[]): string {
  return tableOf(
    ['share', 'where'],
    top.map(({ name, percent }) => [`${percent.toFixed(1)} %`, `\`${name}\``]),
  )
}
