/**
 * A second tracker on trial. In: what the first was sent and answered. Out: the same request to the
 * second, and whether it answered alike. Guarantees: its answer reaches nobody, a slow or broken
 * one delays nothing, and never more than a few copies are under way.
 */
import { LRUCache } from 'lru-cache'
import type { DeliveryRequest, DeliveryResponse, OriginalRequest } from '../model/delivery.ts'
import { compileCompare, type Answered, type CompareSpec } from './compare.ts'
import { toRequest } from './original.ts'

export interface ShadowSpec extends CompareSpec {
  /** `scheme://host[:port]`. */
  readonly origin: string
  readonly in_flight: number
}

export type ShadowResult = 'agree' | 'differ' | 'failed' | 'skipped'

export interface ShadowFact {
  readonly network: string
  readonly result: ShadowResult
  /** For `differ` and `failed`: what each said; as long as both are, not masked. */
  readonly detail: string | undefined
}

type Sent =
  | { readonly kind: 'answered'; readonly response: DeliveryResponse }
  | { readonly kind: 'failed'; readonly detail: string }

export interface ShadowOptions {
  readonly spec: ShadowSpec
  /** Bounded in time by whoever gives it. */
  send(request: DeliveryRequest, id: string): Promise<Sent>
  told(fact: ShadowFact): void
}

export interface Shadow {
  /** `id`: of the exchange; one that was compared already is not sent again. */
  compare(network: string, id: string, original: OriginalRequest, answer: Answered): void
  /** Resolves when nothing is under way. */
  idle(): Promise<void>
}

const REMEMBERED = 10_000
const EXCERPT = 60

export function createShadow({ spec, send, told }: ShadowOptions): Shadow {
  const compare = compileCompare(spec)
  const done = new LRUCache<string, true>({ max: REMEMBERED })
  const underWay = new Set<Promise<void>>()

  async function run(network: string, id: string, original: OriginalRequest, first: Answered) {
    const sent = await send(toRequest(original, spec.origin), id)
    if (sent.kind === 'failed') return told({ network, result: 'failed', detail: sent.detail })
    const difference = compare(first, sent.response)
    const result = difference ? 'differ' : 'agree'
    told({ network, result, detail: difference && describe(difference, first, sent.response) })
  }

  return {
    compare: (network, id, original, answer) => {
      if (done.has(id)) return
      done.set(id, true)
      if (underWay.size >= spec.in_flight) {
        told({ network, result: 'skipped', detail: undefined })
        return
      }
      const exchange: Promise<void> = run(network, id, original, answer)
        .catch((error: unknown) => told({ network, result: 'failed', detail: String(error) }))
        .finally(() => underWay.delete(exchange))
      underWay.add(exchange)
    },
    idle: async () => {
      while (underWay.size > 0) await Promise.all(underWay)
    },
  }
}

function describe(difference: string, first: Answered, second: Answered): string {
  const show = ({ status, body }: Answered) => `${status} ${JSON.stringify(body.slice(0, EXCERPT))}`
  return `${difference}: tracker ${show(first)}, shadow ${show(second)}`
}
