/**
 * Every variant once a round, each started fresh, so that a slow moment of the machine meets all
 * alike. Ratios are taken within a round.
 */
import { join } from 'node:path'
import { VARIANTS, type Variant } from './gateways.ts'
import { openBench, type Measured } from './measure.ts'

export interface Sample {
  readonly variant: string
  readonly copies: number
  readonly round: number
  readonly saturated: Measured
  /** At half and at four fifths of this sample's own saturation. */
  readonly half: Measured | undefined
  readonly most: Measured | undefined
}

export interface RoundsOptions {
  readonly folder: string
  /** Destinations per postback → rounds. */
  readonly rounds: Readonly<Record<number, number>>
  readonly variants: readonly string[]
  readonly seconds: number
  readonly warmUpSeconds: number
  readonly told: (line: string) => void
}

export async function runRounds(options: RoundsOptions): Promise<Sample[]> {
  const { rounds, told } = options
  const samples: Sample[] = []
  const most = Math.max(...Object.values(rounds))
  for (let round = 0; round < most; round++) {
    for (const [copies, count] of Object.entries(rounds)) {
      if (round >= count) continue
      for (const variant of VARIANTS) {
        if (!options.variants.includes(variant.name)) continue
        const missing = variant.missing?.()
        if (missing !== undefined) {
          told(`${variant.name}: left out, ${missing}`)
          continue
        }
        const sample = await sampleOf(variant, Number(copies), round, options)
        samples.push(sample)
        const { rate, cpu, memory } = sample.saturated
        told(`round ${round + 1}, ${copies} destinations, ${variant.name}: ${rate.toFixed(0)}/s, ${cpu.toFixed(1)} µs, p99 at 50 % ${sample.half?.p99.toFixed(1) ?? '-'} ms, ${memory.toFixed(0)} MiB`) // prettier-ignore
      }
    }
  }
  return samples
}

/** Latency is looked at with two destinations only: it is what the targets speak of. */
async function sampleOf(
  variant: Variant,
  copies: number,
  round: number,
  { folder, seconds, warmUpSeconds }: RoundsOptions,
): Promise<Sample> {
  const bench = await openBench({ folder: join(folder, variant.name), copies }, variant.start)
  try {
    await bench.run({ seconds: warmUpSeconds, rate: undefined })
    const saturated = await bench.run({ seconds, rate: undefined })
    const isTimed = copies === 2
    const at = (share: number) => bench.run({ seconds, rate: saturated.rate * share })
    const half = isTimed ? await at(0.5) : undefined
    const most = isTimed ? await at(0.8) : undefined
    return { variant: variant.name, copies, round, saturated, half, most }
  } finally {
    await bench.close()
  }
}
