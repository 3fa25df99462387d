/**
 * `postern erase`: forgets a conversion, because a person asked to be forgotten. Finds it by its
 * click id or transaction id, or by the fields that make its dedupe key, and removes it from dedupe
 * state, journal, queue, dead letters and decision log of the store.
 */
import { TIME_FIELDS, type Conversion } from '../model/conversion.ts'
import type { DeliveryRecord } from '../model/delivery.ts'
import { compileDedupeKey } from '../normalize/dedupe-key.ts'
import { DEDUPE_PARTS } from '../rules/schema.ts'
import type { NetworkRuntime } from '../ruleset.ts'
import { dedupeHash } from '../store/dedupe.ts'
import type { Decision, Erased, Erasure, Store } from '../store/store.ts'
import type { CommandContext, ExitCode } from './context.ts'
import { withStore } from './with-store.ts'

export interface EraseOptions {
  readonly config: string
  readonly network: string
  /** `VALUE` of a click id or transaction id, or `field=value`, which all must hold. */
  readonly key: readonly string[]
  readonly json?: boolean
}

/** What is asked for: the values of some fields, or one id that may be either. */
interface Wanted {
  readonly fields: ReadonlyMap<string, string>
  readonly id: string | undefined
}

/** A gateway may be moving a delivery while this looks; the next look finds where it went. */
const LOOKS = 3

export async function erase(options: EraseOptions, context: CommandContext): Promise<ExitCode> {
  const { terminal } = context
  const wanted = parseWanted(options.key)
  if (!wanted) {
    terminal.error('--key takes one id, or field=value for each part of the key')
    return 1
  }
  return withStore(options.config, context, async (store, rules) => {
    const network = rules.networks.get(options.network)
    if (!network) {
      terminal.error(`no such network; configured: ${[...rules.networks.keys()].join(', ')}`)
      return 1
    }
    // Without what identifies it, `event=sale` would forget every sale.
    if (candidates(network, wanted).length === 0) {
      const parts = network.rule.value.dedupe?.key ?? ['transaction_id', 'event']
      terminal.error(`the key of this network begins with ${parts[0]}: give that, or one id`)
      return 1
    }
    const total = await eraseAll(store, toErasure(store, network, wanted))
    if (options.json) terminal.line(JSON.stringify(total))
    else print(total, wanted, context)
    return sum(total) > 0 ? 0 : 1
  })
}

async function eraseAll(store: Store, erasure: Erasure): Promise<Erased> {
  let total: Erased = { states: 0, pending: 0, deadLetters: 0, decisions: 0 }
  for (let look = 0; look < LOOKS; look++) {
    const found = await store.erase(erasure)
    if (sum(found) === 0) break
    total = {
      states: total.states + found.states,
      pending: total.pending + found.pending,
      deadLetters: total.deadLetters + found.deadLetters,
      decisions: total.decisions + found.decisions,
    }
  }
  return total
}

function sum({ states, pending, deadLetters, decisions }: Erased): number {
  return states + pending + deadLetters + decisions
}

function print(total: Erased, { id }: Wanted, { terminal }: CommandContext): void {
  terminal.line(`dedupe state      ${total.states}`)
  terminal.line(`pending           ${total.pending}`)
  terminal.line(`dead letters      ${total.deadLetters}`)
  terminal.line(`decision log      ${total.decisions}`)
  if (sum(total) === 0) terminal.error('nothing found')
  if (total.states === 0 && id !== undefined) {
    terminal.line('No dedupe state: if its key has other parts, name each as --key field=value.')
  }
}

const FIELDS: ReadonlySet<string> = new Set(DEDUPE_PARTS)

function parseWanted(texts: readonly string[]): Wanted | undefined {
  const fields = new Map<string, string>()
  let id: string | undefined
  for (const text of texts) {
    const equals = text.indexOf('=')
    const name = text.slice(0, Math.max(0, equals))
    // An id may hold `=` itself, as base64 does.
    if (FIELDS.has(name)) fields.set(name, text.slice(equals + 1))
    else if (id === undefined && text !== '') id = text
    else return undefined
  }
  return id !== undefined && fields.size > 0 ? undefined : { fields, id }
}

function toErasure(store: Store, network: NetworkRuntime, wanted: Wanted): Erasure {
  const keys = candidates(network, wanted).map(text => dedupeHash(store.hashKey, network.id, text))
  return {
    keys,
    keyOf: body => {
      const { conversion } = JSON.parse(body) as DeliveryRecord
      if (conversion.network !== network.id) return undefined
      return keys.includes(conversion.id) || isWanted(conversion, wanted)
        ? conversion.id
        : undefined
    },
    isNoted: decision => decision.network === network.id && isNoted(decision, wanted),
  }
}

/** The texts of the dedupe keys that such a conversion may have. */
function candidates({ rule }: NetworkRuntime, { fields, id }: Wanted): readonly string[] {
  const { of } = compileDedupeKey(rule.value.dedupe ?? {})
  const event = rule.value.event?.default
  const guesses =
    id === undefined
      ? [fieldsOf(fields)]
      : [{ transaction_id: id }, { click_id: id }].flatMap(guess =>
          event === undefined ? guess : [guess, { ...guess, event }],
        )
  // Nothing of a conversion but the parts of its key is read.
  return guesses.flatMap(guess => of(guess as unknown as Conversion) ?? [])
}

/** As a conversion holds them: times in epoch ms. */
function fieldsOf(fields: Wanted['fields']): Record<string, unknown> {
  const times: readonly string[] = TIME_FIELDS
  return Object.fromEntries(
    [...fields].map(([name, value]) => {
      if (name === 'received_day') return ['received_at', timeOf(value)]
      return [name, times.includes(name) ? timeOf(value) : value]
    }),
  )
}

/** What is no date is no day of any conversion. */
function timeOf(text: string): number {
  const time = Date.parse(text)
  return Number.isNaN(time) ? 0 : time
}

function isWanted(conversion: Conversion, { fields, id }: Wanted): boolean {
  if (id !== undefined) return conversion.click_id === id || conversion.transaction_id === id
  return Object.entries(fieldsOf(fields)).every(([name, value]) =>
    name === 'received_at'
      ? dayOf(conversion.received_at) === dayOf(Number(value))
      : conversion[name as keyof Conversion] === value,
  )
}

function dayOf(time: number): number {
  return Math.floor(time / 86_400_000)
}

/** The log knows click and transaction ids only; other fields find their lines by the key. */
function isNoted(decision: Decision, { fields, id }: Wanted): boolean {
  if (id !== undefined) return decision.click_id === id || decision.transaction_id === id
  const known = (['click_id', 'transaction_id'] as const).filter(name => fields.has(name))
  return known.length === fields.size && known.every(name => decision[name] === fields.get(name))
}
