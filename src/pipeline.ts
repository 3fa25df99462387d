/**
 * The story: receive → verify → normalize → route → accept → answer, and deliveries go on from
 * there. Every early exit names its reason; nothing before `accept` leaves a trace in the store,
 * and 2xx is answered only after `accept` is durable.
 */
import type { Accept } from './accept.ts'
import type { Clock } from './base/clock.ts'
import type { Conversion } from './model/conversion.ts'
import type { DeliveryRecord, RoutedDelivery } from './model/delivery.ts'
import type { Postback } from './model/postback.ts'
import type { PostbackFact } from './observe/events.ts'
import type { BeginTrace } from './observe/trace.ts'
import type { Reason } from './reasons.ts'
import { defaultReply, type Reply } from './receive/reply.ts'
import { firstDueMs, hopOf, isEmpty, toEntry, toRecord } from './record.ts'
import type { RuleSet } from './ruleset.ts'
import { dedupeHash } from './store/dedupe.ts'
import type { Placement, Store } from './store/store.ts'
import { toFact, type Story } from './story.ts'

export interface PipelinePorts {
  readonly rules: () => RuleSet
  readonly store: Pick<Store, 'hashKey' | 'newRecord'>
  readonly accept: Accept
  readonly dispatcher: {
    place(routed: RoutedDelivery): Placement
    offer(record: DeliveryRecord, body: string, destinations: readonly string[]): void
    /** Something waits in the store's queue, due after this. */
    queued(delayMs: number): void
  }
  readonly clock: Clock
  /** No public keys are being fetched any more. */
  readonly keysSettled: () => Promise<void>
  /** Where postbacks are traced. */
  readonly begin?: BeginTrace | undefined
  /** What became of a postback: metrics, log line, decision log. */
  readonly told: (fact: PostbackFact) => void
  /** No such network. */
  readonly unrouted: (reason: Reason) => void
}

/** Gateways a postback may pass through; more is a loop. */
const MAX_HOPS = 5

export function createPipeline({ store, clock, ...ports }: PipelinePorts) {
  return async function handle(sent: Postback, ended?: Story['ended']): Promise<Reply> {
    const started = clock.monotonic()
    const rules = ports.rules()
    const network = rules.networks.get(sent.network)
    if (!network) {
      ports.unrouted('unknown_network')
      return defaultReply('unknown_network')
    }
    const trace = ports.begin?.(network.id, sent.receivedAt, sent.headers['traceparent'])
    const story: Story = { sent, network, started, ended, trace }
    if (!network.isEnabled) return answer(story, 'network_disabled')
    if (network.isProbed && isEmpty(sent)) return answer(story, 'probe')
    const hop = hopOf(sent)
    if (hop > MAX_HOPS) return answer(story, 'loop_detected', 'a destination leads back here')

    const read = network.read(sent)
    if (!read.ok) return answer(story, read.error.reason, read.error.detail)

    let verified = network.verifier.check(read.value, clock.now())
    if (!verified.ok && verified.error.reason === 'keys_unavailable') {
      await ports.keysSettled()
      verified = network.verifier.check(read.value, clock.now())
    }
    if (!verified.ok) return answer(story, verified.error.reason, verified.error.detail)

    trace?.mark('verified')

    const normalized = network.normalize(verified.value)
    if (normalized.kind === 'refused') {
      return answer(story, normalized.refusal.reason, normalized.refusal.detail)
    }
    if (normalized.kind === 'ignored') {
      return answer({ ...story, conversion: normalized.value.conversion }, normalized.reason)
    }
    trace?.mark('normalized')
    const id = dedupeHash(store.hashKey, network.id, normalized.value.dedupeKey)
    // Made by `normalize` for this postback alone, so it is completed and not copied.
    const conversion: Conversion = Object.assign(normalized.value.conversion, { id })

    const routed = rules.router.route(conversion)

    const record = toRecord(store.newRecord(id), conversion, routed, {
      hop,
      original: sent.original,
      trace: trace?.parent,
    })
    const placements = routed.map(delivery => ports.dispatcher.place(delivery))
    const entry = toEntry(network, record, placements)
    const told: Story = { sent, network, started, ended, trace, conversion }
    const accepted = await ports.accept(entry)
    if (!accepted.ok) return answer(told, accepted.error)
    trace?.mark('committed')
    const { verdict, memory } = accepted.value
    if (verdict !== 'new' && verdict !== 'update') return answer(told, verdict)
    ports.dispatcher.offer(record, entry.body, memory)
    const dueMs = firstDueMs(placements, memory)
    if (dueMs !== undefined) ports.dispatcher.queued(dueMs)
    const destinations = routed.map(({ destination }) => destination)
    const known: Story = { ...told, record: record.id, destinations }
    return answer(known, verdict)
  }

  function answer(story: Story, reason: Reason, detail?: string): Reply {
    const reply = story.network.reply(reason, story.conversion)
    const fact = toFact(story, reason, detail, reply.status, clock.monotonic())
    story.ended?.(fact.outcome)
    ports.told(fact)
    return reply
  }
}
