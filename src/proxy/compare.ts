/** Whether two trackers answered alike. Pure; patterns are compiled once. */
import { RE2JS } from 're2js'
import type { DeliveryResponse } from '../model/delivery.ts'

export interface CompareSpec {
  readonly status: 'exact' | 'class'
  readonly body: 'ignore' | 'same'
  /** RE2 patterns, taken out of both bodies first. */
  readonly body_without: readonly string[]
}

export type Answered = Pick<DeliveryResponse, 'status' | 'body'>
export type Difference = 'status' | 'body'

/** Undefined where they agree. */
export type Compare = (first: Answered, second: Answered) => Difference | undefined

export function compileCompare(spec: CompareSpec): Compare {
  const patterns = spec.body_without.map(pattern => RE2JS.compile(pattern))
  const plain = (body: string): string =>
    patterns.reduce((text, pattern) => pattern.matcher(text).replaceAll(''), body).trim()
  const rank = (status: number) => (spec.status === 'exact' ? status : Math.floor(status / 100))
  return (first, second) => {
    if (rank(first.status) !== rank(second.status)) return 'status'
    if (spec.body === 'ignore') return undefined
    return plain(first.body) === plain(second.body) ? undefined : 'body'
  }
}
