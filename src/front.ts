/**
 * The proxy put together with the pipeline. In: the parts of a gateway whose configuration has a
 * `proxy` section. Out: a proxy on the edge's listener. Gate, tap and direct postbacks run through
 * the same pipeline; they differ in the rules they see: in tap mode verification is only recorded,
 * and where a request is kept, the tracker is one destination more.
 */
import type { Clock } from './base/clock.ts'
import { canonicalAddress, compileCidrs } from './base/address.ts'
import { printable } from './base/redact.ts'
import type { Transport } from './deliver/transport.ts'
import type { FrontRules } from './front-rules.ts'
import type { Destination, DeliveryRecord, DeliveryResponse } from './model/delivery.ts'
import type { Events } from './observe/events.ts'
import { createPipeline, type PipelinePorts } from './pipeline.ts'
import { createProxy, type Proxy } from './proxy/proxy.ts'
import { createShadow, type Shadow, type ShadowFact } from './proxy/shadow.ts'
import { TRACKER_OF } from './proxy/tracker.ts'
import { readPostbackAt } from './receive/read.ts'
import { FOREIGN_ROUTE, type Receiver } from './receive/server.ts'
import { isInbound } from './receive/target.ts'
import { readLimits, type NetworkRuntime, type RuleSet } from './ruleset.ts'
import type { Ledger } from './store/store.ts'
import { recordOnly } from './verify/record-only.ts'

export interface FrontOptions {
  readonly rules: () => RuleSet
  readonly edge: Receiver
  readonly pipeline: Omit<PipelinePorts, 'rules'>
  readonly ledgers: () => Promise<readonly Ledger[]>
  readonly transport: Transport
  readonly clock: Clock
  readonly events: Events
  /** Kept samples of answers that differ. */
  readonly sampled: (fact: ShadowFact & { readonly at: number }) => void
}

export interface Front {
  /** The configured destinations, the tracker among them. */
  destinations(): ReadonlyMap<string, Destination>
  reload(): void
  /** Begins to watch what waits for the tracker. */
  start(): void
  endTunnels: Proxy['endTunnels']
  close(): Promise<void>
}

/** Rule sets as the ways through the proxy see them. */
interface Views {
  readonly front: FrontRules
  readonly gate: RuleSet
  readonly tapCopy: RuleSet
  readonly tapStored: RuleSet
  readonly destinations: ReadonlyMap<string, Destination>
  readonly shadow: Shadow | undefined
}

const SAMPLE_EVERY_MS = 1_000
const LOOK_EVERY_MS = 2_000

export function createFront(options: FrontOptions): Front {
  const { rules, edge, pipeline, clock, events } = options
  const { server } = rules().loaded.value
  const trusted = compileCidrs(server.trusted_proxies)
  const views = remember(rules, compileViews)
  let sampledAt = -Infinity
  let timer: NodeJS.Timeout | undefined
  let isClosed = false

  const pipelineOf = (view: (views: Views) => RuleSet) =>
    createPipeline({ ...pipeline, rules: () => view(views()) })
  const gate = pipelineOf(({ gate: seen }) => seen)
  const tapCopy = pipelineOf(({ tapCopy: seen }) => seen)
  const tapStored = pipelineOf(({ tapStored: seen }) => seen)

  function compileViews(set: RuleSet): Views {
    const { front } = set
    if (!front) throw new Error('a rule set without its proxy section')
    const networks = new Map(
      [...set.networks].map(([id, network]) => [id, tapped(network)] as const),
    )
    const shadow = openShadow(front)
    return {
      front,
      gate: withTracker(set, TRACKER_OF.gate),
      tapCopy: { ...set, networks },
      tapStored: { ...withTracker(set, TRACKER_OF.tap), networks },
      destinations: withShadow(set.destinations, front, shadow),
      shadow,
    }
  }

  function tapped(network: NetworkRuntime): NetworkRuntime {
    const verifier = recordOnly(network.verifier, reason =>
      events.tapVerified({ network: network.id, reason }),
    )
    return { ...network, verifier }
  }

  function openShadow({ shadow }: FrontRules): Shadow | undefined {
    if (!shadow) return undefined
    const channel = options.transport.channel(shadow.policy)
    return createShadow({
      spec: shadow.spec,
      send: (request, id) => channel.send(request, id, 1),
      told: fact => {
        events.shadowed(fact)
        if (fact.detail === undefined || clock.monotonic() - sampledAt < SAMPLE_EVERY_MS) return
        sampledAt = clock.monotonic()
        options.sampled({ ...fact, detail: printable(fact.detail, 300), at: clock.now() })
      },
    })
  }

  const proxy = createProxy({
    http: edge.http,
    route: FOREIGN_ROUTE,
    clock,
    isForeign: target => target.startsWith('/') && !isInbound(target),
    isDraining: edge.isDraining,
    ports: {
      rules: () => views().front.proxy,
      shadow: () => views().shadow,
      postbackBytes: server.limits.body_bytes,
      postbackTimeoutMs: server.limits.request_timeout_ms,
      client: edge.client,
      isTrusted: peer => {
        const address = peer === undefined ? undefined : canonicalAddress(peer)
        return trusted.ok && address !== undefined && trusted.value(address)
      },
      read: (request, { token, event }, client, receivedAt) => {
        const mark = request.target.indexOf('?')
        const query = mark < 0 ? '' : request.target.slice(mark + 1)
        // Whose it is, is told by what is read here.
        const path = { network: '', token, event, query }
        return readPostbackAt(path, request, client, receivedAt, readLimits(rules().loaded))
      },
      gate: postback => edge.process(() => gate(postback)),
      tap: (postback, ended) =>
        postback.original ? tapStored(postback, ended) : tapCopy(postback, ended),
      refuse: edge.refuse,
      probe: id => {
        const network = rules().networks.get(id)
        return network?.isProbed ? network.reply('probe', undefined) : undefined
      },
      answer: edge.answer,
      events,
    },
  })

  /** What waits for the tracker may have been stored by any gateway, so the store is asked. */
  async function look(): Promise<void> {
    const startedAt = clock.monotonic()
    try {
      const ledgers = await options.ledgers()
      const own = ledgers.find(({ destination }) => destination === TRACKER_OF.tap)
      proxy.backlogRead(own ? own.pending.journal + own.pending.queued : 0, startedAt)
    } catch (error) {
      events.storeFailed({ operation: 'ledgers', error })
    }
    if (!isClosed) timer = setTimeout(() => void look(), LOOK_EVERY_MS)
  }

  return {
    destinations: () => views().destinations,
    reload: () => proxy.reload(),
    start: () => void look(),
    endTunnels: proxy.endTunnels,
    close: async () => {
      isClosed = true
      clearTimeout(timer)
      await proxy.close()
      await views().shadow?.idle()
    },
  }
}

/** Compiled once for each rule set. */
function remember<T>(rules: () => RuleSet, compile: (set: RuleSet) => T): () => T {
  let known: { readonly set: RuleSet; readonly value: T } | undefined
  return () => {
    const set = rules()
    if (known?.set !== set) known = { set, value: compile(set) }
    return known.value
  }
}

function withTracker(set: RuleSet, destination: string): RuleSet {
  const { router } = set
  const tracker = { destination, delayMs: 0, share: undefined }
  return {
    ...set,
    router: { ...router, route: conversion => [...router.route(conversion), tracker] },
  }
}

/** What the tracker answers to stored requests is compared, too, once it is its last word. */
function withShadow(
  destinations: ReadonlyMap<string, Destination>,
  { trackers }: FrontRules,
  shadow: Shadow | undefined,
): ReadonlyMap<string, Destination> {
  if (!shadow) return destinations
  const answered = (record: DeliveryRecord, response: DeliveryResponse): void => {
    if (!record.original || response.status >= 500 || response.status === 429) return
    shadow.compare(record.conversion.network, record.id, record.original, response)
  }
  const watched = trackers.map(tracker => [tracker.id, { ...tracker, answered }] as const)
  return new Map([...destinations, ...watched])
}
