/** A timestamp that must be near our clock, so that an old signed postback cannot be sent again. */
import { fail, ok } from '../base/result.ts'
import { compileSource, type Reading } from '../rules/source.ts'
import type { Check } from '../rules/check-schema.ts'
import { refusal, type CompileCheck } from './context.ts'

type Freshness = NonNullable<Check['freshness']>
type Format = Freshness['format']

export const compileFreshness: CompileCheck<Freshness> = (spec, _options, path) => {
  const source = compileSource(spec.from)
  if (!source.ok) return fail([{ path: [...path, 'from'], message: source.error }])
  const from = source.value
  const window = spec.within_seconds * 1000
  return ok({
    check: (postback, now) => {
      const reading = from.read(postback)
      const time = reading.found === 'one' ? parseTime(reading.value, spec.format) : undefined
      if (time !== undefined && Math.abs(now - time) <= window) return undefined
      return refusal(whyNot(reading), spec.from)
    },
    proof: {
      from,
      fromText: spec.from,
      kind: 'time',
      value: (_postback, now) => ok(formatTime(now, spec.format)),
    },
  })
}

function whyNot(reading: Reading) {
  switch (reading.found) {
    case 'none':
      return 'timestamp_missing'
    case 'many':
      return 'param_duplicate'
    case 'broken':
      return 'encoding_invalid'
    case 'one':
      return reading.value === '' ? 'timestamp_missing' : 'timestamp_out_of_window'
  }
}

const ISO = /^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)$/

/** Epoch milliseconds; undefined where the text is not of the format. */
function parseTime(text: string, format: Format): number | undefined {
  switch (format) {
    case 'unix_s':
      return /^\d{1,11}$/.test(text) ? Number(text) * 1000 : undefined
    case 'unix_ms':
      return /^\d{1,14}$/.test(text) ? Number(text) : undefined
    case 'iso': {
      const time = ISO.test(text) ? Date.parse(text) : Number.NaN
      return Number.isNaN(time) ? undefined : time
    }
    case 'auto':
      if (!/^\d+$/.test(text)) return parseTime(text, 'iso')
      return parseTime(text, text.length > 11 ? 'unix_ms' : 'unix_s')
  }
}

function formatTime(now: number, format: Format): string {
  if (format === 'iso') return new Date(now).toISOString()
  return format === 'unix_ms' ? String(now) : String(Math.floor(now / 1000))
}
