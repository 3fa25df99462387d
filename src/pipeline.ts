/**
 * The story: receive → verify → normalize → route → accept → answer, and deliveries go on from
 * there. Every early exit names its reason; nothing before `accept` leaves a trace in the store,
 * and 2xx is answered only after `accept` is durable.
 */
import type { Clock } from './base/clock.ts'
import type { Conversion, NormalizedConversion } from './model/conversion.ts'
import type { DeliveryRecord, RoutedDelivery } from './model/delivery.ts'
import type { Postback } from './model/postback.ts'
import { REASONS, type Reason } from './reasons.ts'
import type { NetworkRuntime, RuleSet } from './ruleset.ts'
import type { Batcher } from './store/batch.ts'
import { dedupeHash } from './store/dedupe.ts'
import type { Replays } from './store/replays.ts'
import { StoreError, type Accepted, type AcceptEntry, type Placement, type Store } from './store/store.ts'
import type { PostbackFact } from './observe/events.ts'
import type { Reply } from './receive/reply.ts'

export interface PipelinePorts {
  readonly rules: () => RuleSet
  readonly store: Pick<Store, 'hashKey' | 'newRecord'>
  readonly accept: Batcher<AcceptEntry, Accepted>
  readonly replays: Replays
  readonly dispatcher: {
    place(routed: RoutedDelivery): Placement
    offer(record: DeliveryRecord, body: string, destinations: readonly string[]): void
  }
  readonly clock: Clock
  /** Tells what became of a postback: metrics, log line, decision log. */
  readonly told: (fact: PostbackFact, receivedAt: number) => void
}

/** What is known of a postback so far; each stage adds to it. */
interface Story {
  readonly postback: Postback
  readonly network: NetworkRuntime
  readonly started: number
  conversion?: Omit<Conversion, 'id'> & { readonly id?: string }
  record?: string
  destinations?: readonly string[]
}

export function createPipeline(ports: PipelinePorts) {
  const { store, clock } = ports

  /** Undefined where no network of that name is configured. */
  return async function handle(sent: Postback): Promise<Reply | undefined> {
    const rules = ports.rules()
    const network = rules.networks.get(sent.network)
    if (!network) return undefined
    const story: Story = { postback: sent, network, started: clock.monotonic() }
    if (!network.isEnabled) return answer(story, 'network_disabled')

    const read = network.read(sent)
    if (!read.ok) return answer(story, read.error.reason, read.error.detail)

    const verified = network.verify(read.value, clock.now())
    if (!verified.ok) return answer(story, verified.error.reason, verified.error.detail)

    const normalized = network.normalize(verified.value)
    if (normalized.kind === 'refused') {
      return answer(story, normalized.refusal.reason, normalized.refusal.detail)
    }
    story.conversion = normalized.value.conversion
    if (normalized.kind === 'ignored') return answer(story, normalized.reason)

    const conversion = identify(network, normalized.value)
    const entry = toEntry(network, conversion, rules.route(conversion))
    story.conversion = conversion
    if (ports.replays.has(entry)) return answer(story, 'duplicate')

    try {
      const accepted = await ports.accept.add(entry)
      ports.replays.remember(entry)
      if (accepted.verdict === 'new' || accepted.verdict === 'update') {
        story.record = entry.record
        story.destinations = entry.placements.map(placement => placement.destination)
        ports.dispatcher.offer(entry.content, entry.body, accepted.memory)
      }
      return answer(story, accepted.verdict)
    } catch (error) {
      return answer(story, deferral(error))
    }
  }

  function identify(network: NetworkRuntime, normalized: NormalizedConversion): Conversion {
    const id = dedupeHash(store.hashKey, network.id, normalized.dedupeKey)
    return { ...normalized.conversion, id }
  }

  function toEntry(network: NetworkRuntime, conversion: Conversion, routed: readonly RoutedDelivery[]) {
    const record = store.newRecord(conversion.id)
    const cut = routed.filter(delivery => delivery.share !== undefined)
    const shares = Object.fromEntries(cut.map(({ destination, share = '' }) => [destination, share]))
    const content: DeliveryRecord =
      cut.length > 0 ? { id: record, conversion, shares } : { id: record, conversion }
    const { payout, currency = '' } = conversion
    return {
      ...network.dedupe,
      record,
      content,
      key: conversion.id,
      status: conversion.status,
      amount: payout === undefined ? '' : `${payout} ${currency}`,
      body: JSON.stringify(content),
      placements: routed.map(delivery => ports.dispatcher.place(delivery)),
    }
  }

  function answer(story: Story, reason: Reason, detail?: string): Reply {
    const { postback, network, conversion, record, destinations = [] } = story
    const { outcome } = REASONS[reason]
    const reply = network.reply(reason, conversion)
    const durationMs = clock.monotonic() - story.started
    const { method, client, receivedAt } = postback
    ports.told(
      { network: network.id, method, outcome, reason, detail, httpStatus: reply.status, durationMs, client, conversion, record, destinations },
      receivedAt,
    ) // prettier-ignore
    return reply
  }
}

function deferral(error: unknown): Reason {
  return error instanceof StoreError && error.reason === 'full' ? 'store_full' : 'store_unavailable'
}
