/** Samples → the tables of RESULTS.md. Medians; ratios are paired within a round, then the median. */
import { VARIANTS } from './gateways.ts'
import { median } from './percentiles.ts'
import type { Sample } from './rounds.ts'

type Value = (sample: Sample) => number | undefined

const row = (cells: readonly string[]) => `| ${cells.join(' | ')} |`

export function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [row(head), row(head.map(() => '---')), ...rows.map(row)].join('\n')
}

export function medianOf(
  samples: readonly Sample[],
  variant: string,
  copies: number,
  value: Value,
): number {
  const values = of(samples, variant, copies).map(value)
  return median(values.filter(found => found !== undefined))
}

/** Of `variant` to `other`, within each round. */
export function ratioOf(
  samples: readonly Sample[],
  variant: string,
  other: string,
  copies: number,
  value: Value,
): number {
  const others = new Map(of(samples, other, copies).map(sample => [sample.round, value(sample)]))
  const ratios = of(samples, variant, copies).flatMap(sample => {
    const [one, two] = [value(sample), others.get(sample.round)]
    return one === undefined || two === undefined ? [] : [one / two]
  })
  return median(ratios)
}

function of(samples: readonly Sample[], variant: string, copies: number): Sample[] {
  return samples.filter(sample => sample.variant === variant && sample.copies === copies)
}

export const cpu: Value = ({ saturated }) => saturated.cpu
export const rate: Value = ({ saturated }) => saturated.rate

export function comparison(samples: readonly Sample[], copies: number): string {
  const names = VARIANTS.filter(({ name }) => of(samples, name, copies).length > 0)
  const rows = names.map(({ name, title }) => {
    const at = (value: Value, digits: number) => {
      const found = medianOf(samples, name, copies, value)
      return shown(found, digits)
    }
    const failed = of(samples, name, copies).reduce((sum, { saturated, half, most }) => sum + saturated.failed + (half?.failed ?? 0) + (most?.failed ?? 0), 0) // prettier-ignore
    const latency = (value: Value) => (copies === 2 ? at(value, 1) : '–')
    return [
      title,
      at(rate, 0),
      at(cpu, 1),
      shown(ratioOf(samples, name, 'bare', copies, cpu), 2),
      at(({ saturated }) => saturated.redisCpu || undefined, 1),
      copies === 2 ? at(s => s.half?.cpu, 1) : '–',
      `${latency(s => s.half?.p50)} / ${latency(s => s.half?.p99)}`,
      `${latency(s => s.most?.p50)} / ${latency(s => s.most?.p99)}`,
      at(({ saturated }) => saturated.memory, 0),
      String(failed),
    ]
  })
  return tableOf(
    [
      'gateway',
      'postbacks/s',
      'CPU µs per postback',
      '× (a)',
      'Redis CPU µs',
      'CPU µs at 50 %',
      'p50 / p99 ms at 50 %',
      'p50 / p99 ms at 80 %',
      'RSS MiB',
      'failed',
    ],
    rows,
  )
}

interface Target {
  readonly text: string
  readonly value: number
  readonly digits: number
  readonly isMet: (value: number) => boolean
}

const OURS = ['lmdb', 'everysec', 'always'] as const

/** With two destinations, as the targets are set. */
export function targets(samples: readonly Sample[]): string {
  const list: Target[] = []
  const has = (name: string) => of(samples, name, 2).length > 0
  for (const name of OURS.filter(has)) {
    const add = (text: string, value: number, digits: number, isMet: Target['isMet']) =>
      list.push({ text: `${name}: ${text}`, value, digits, isMet })
    const ratio = (other: string) => ratioOf(samples, name, other, 2, rate)
    const at = (value: Value) => medianOf(samples, name, 2, value)
    add('CPU per postback ≤ 1.4 × (a)', ratioOf(samples, name, 'bare', 2, cpu), 2, v => v <= 1.4)
    if (has('mirror')) add('≥ 1 × throughput of nginx mirror', ratio('mirror'), 2, v => v >= 1)
    if (has('bullmq')) add('≥ 3.5 × BullMQ', ratio('bullmq'), 1, v => v >= 3.5)
    if (has('by-hand')) add('≥ 8 × relay by hand', ratio('by-hand'), 1, v => v >= 8)
    add('p99 ≤ 10 ms at 50 % load', at(s => s.half?.p99), 1, v => v <= 10) // prettier-ignore
    add('RSS ≤ 200 MiB', at(({ saturated }) => saturated.memory), 0, v => v <= 200) // prettier-ignore
  }
  return tableOf(
    ['target', 'measured', ''],
    list.map(({ text, value, digits, isMet }) => [text, value.toFixed(digits), isMet(value) ? 'met' : '**missed**']), // prettier-ignore
  )
}

function shown(value: number, digits: number): string {
  return Number.isFinite(value) && value > 0 ? value.toFixed(digits) : '–'
}
