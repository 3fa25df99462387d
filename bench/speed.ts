/**
 * The speed proof: `npm run bench` measures, compares and writes bench/RESULTS.md. Wants a quiet
 * machine with two cores, redis-server and nginx on the path, and `npm ci --prefix bench` for the
 * peers; what is missing is left out and said.
 *
 *   --short            a minute of each kind, to see that it works; writes nothing unless --out
 *   --rounds N         with two destinations; default 5 (and 3 with one and five)
 *   --seconds S        per measurement; default 2
 *   --only a,b         variants
 *   --keys N --redis-keys N --backlog N
 *   --no-growth
 *   --out FILE         default bench/RESULTS.md
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { VARIANTS } from './speed/gateways.ts'
import { runGrowth, timeStarts } from './speed/growth.ts'
import { openBench } from './speed/measure.ts'
import { sharesOf, type Shares } from './speed/profile.ts'
import { resultsText } from './speed/results.ts'
import { runRounds } from './speed/rounds.ts'

const { values } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    only: { type: 'string' },
    keys: { type: 'string' },
    'redis-keys': { type: 'string' },
    backlog: { type: 'string' },
    'no-growth': { type: 'boolean', default: false },
    out: { type: 'string' },
  },
})
const isShort = values.short
const seconds = Number(values.seconds ?? (isShort ? 1 : 2))
const rounds = Number(values.rounds ?? (isShort ? 1 : 5))
const fewer = Math.min(rounds, isShort ? 1 : 3)
const variants = values.only?.split(',') ?? VARIANTS.map(({ name }) => name)
const folder = mkdtempSync(join(tmpdir(), 'postern-bench-'))
const began = new Date()
const told = (line: string) => console.log(`${new Date().toISOString().slice(11, 19)} ${line}`)

const samples = await runRounds({
  folder,
  rounds: isShort ? { 2: 1 } : { 1: fewer, 2: rounds, 5: fewer },
  variants,
  seconds,
  warmUpSeconds: isShort ? 1 : 2,
  told,
})

const growth = values['no-growth']
  ? []
  : await runGrowth({
      folder,
      seconds,
      rounds: isShort ? 1 : 3,
      lmdbKeys: Number(values.keys ?? (isShort ? 100_000 : 10_000_000)),
      redisKeys: Number(values['redis-keys'] ?? (isShort ? 100_000 : 10_000_000)),
      backlog: Number(values.backlog ?? (isShort ? 50_000 : 1_000_000)),
      told,
    })
const starts = values['no-growth']
  ? []
  : [await timeStarts(join(folder, 'few'), 1), await timeStarts(join(folder, 'many'), 1000)]

const profiles: { readonly title: string; readonly shares: Shares }[] = []
for (const { name, title, start } of VARIANTS) {
  if (!['lmdb', 'everysec'].includes(name) || !variants.includes(name)) continue
  const profileFolder = join(folder, 'profile', name)
  mkdirSync(profileFolder, { recursive: true })
  const bench = await openBench({ folder: join(folder, name), copies: 2, profileFolder }, start)
  await bench.run({ seconds: isShort ? 2 : 8, rate: undefined })
  await bench.close()
  profiles.push({ title, shares: sharesOf(profileFolder, 0.5) })
  told(`profile of ${name}`)
}
rmSync(folder, { recursive: true, force: true })

const text = resultsText({ began, samples, growth, starts, profiles, rounds, fewer, seconds })
const out = values.out ?? (isShort ? undefined : join(import.meta.dirname, 'RESULTS.md'))
if (out === undefined) console.log(text)
else writeFileSync(out, text)
process.exit()
