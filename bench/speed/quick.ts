/**
 * A short look at some variants: rate and CPU per postback at saturation, interleaved.
 *
 *   node --import @tapjs/typescript/import bench/speed/quick.ts <variants> <copies> <rounds> <seconds>
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { VARIANTS } from './gateways.ts'
import { openBench, type Measured } from './measure.ts'
import { median } from './percentiles.ts'

const [names = 'bare,lmdb,everysec', copies = '2', rounds = '3', seconds = '2', profile] =
  process.argv.slice(2)
const variants = names.split(',').map(name => {
  const variant = VARIANTS.find(one => one.name === name)
  if (!variant) throw new Error(`no variant ${name}`)
  return variant
})
const folder = mkdtempSync(join(tmpdir(), 'postern-bench-'))
const found: Record<string, Measured[]> = {}
for (let round = 0; round < Number(rounds); round++) {
  for (const { name, start } of variants) {
    const options = { folder: join(folder, name), copies: Number(copies), profileFolder: profile }
    const bench = await openBench(options, start)
    await bench.run({ seconds: 2, rate: undefined })
    const measured = await bench.run({ seconds: Number(seconds), rate: undefined })
    ;(found[name] ??= []).push(measured)
    const { rate, cpu, redisCpu, accepted, failed, delivered, p50, p99, memory } = measured
    console.log(
      `${name.padEnd(9)} ${rate.toFixed(0).padStart(6)}/s  ${cpu.toFixed(1).padStart(6)} µs  redis ${redisCpu.toFixed(1)} µs  ` +
        `ok ${accepted} failed ${failed} delivered ${delivered}  p50 ${p50.toFixed(2)} p99 ${p99.toFixed(2)}  ${memory.toFixed(0)} MiB`,
    )
    await bench.close()
  }
}
const first = found[variants[0]?.name ?? ''] ?? []
for (const [name, list] of Object.entries(found)) {
  const ratios = list.map(({ cpu }, i) => cpu / (first[i]?.cpu ?? 1))
  console.log(`${name.padEnd(9)} median ${median(list.map(({ cpu }) => cpu)).toFixed(1)} µs  × ${median(ratios).toFixed(2)} of ${variants[0]?.name}`) // prettier-ignore
}
rmSync(folder, { recursive: true, force: true })
process.exit()
