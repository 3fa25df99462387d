/**
 * One gateway process: everything started here is stopped here, in the order that loses nothing.
 * In: a loaded configuration and the world it runs in. Out: start, reload, close.
 */
import type { FastifyInstance } from 'fastify'
import { createAccept } from './accept.ts'
import { createAdmin, renewCertificate } from './admin/server.ts'
import type { Clock } from './base/clock.ts'
import { fail, ok, type Result } from './base/result.ts'
import { createDispatcher } from './deliver/dispatcher.ts'
import { createTransport } from './deliver/transport.ts'
import { startDemo, type Demo } from './demo.ts'
import { createCollector } from './observe/collector.ts'
import { createFront, type Front } from './front.ts'
import type { Configured } from './observe/configured.ts'
import type { PublicKeys } from './keys.ts'
import type { Events, PostbackFact } from './observe/events.ts'
import { createHealth } from './observe/health.ts'
import type { Metrics } from './observe/metrics.ts'
import { watchStore } from './observe/watch-store.ts'
import { createPipeline } from './pipeline.ts'
import { UPSTREAM } from './proxy/ports.ts'
import type { ShadowFact } from './proxy/shadow.ts'
import { REASONS, type Reason } from './reasons.ts'
import { defaultReply, type Reply } from './receive/reply.ts'
import { createReceiver } from './receive/server.ts'
import { readLimits, type NetworkRuntime, type RuleSet } from './ruleset.ts'
import { createNotes } from './store/notes.ts'
import { createReplays } from './store/replays.ts'
import { createUpkeep } from './store/upkeep.ts'
import { StoreError } from './store/store.ts'
import { createStore, unsafe } from './stores.ts'

export interface AppOptions {
  readonly rules: RuleSet
  readonly events: Events
  readonly metrics: Metrics
  readonly clock: Clock
  readonly version: string
  /** False where another process of this gateway has the admin listener and the demo. */
  readonly isAlone: boolean
  /** Those that the rules were compiled with. */
  readonly keys: Pick<PublicKeys, 'settled' | 'close'>
  /** The process must end: the store can never work again here. */
  readonly onFatal: (error: unknown) => void
  /** Certificate authorities of destinations instead of the built-in ones, PEM. */
  readonly ca?: string
}

export interface App {
  /** Resolves when postbacks are taken; fails with what to do where it must not start. */
  start(): Promise<Result<Addresses, StartFault>>
  /** Swaps the rules; deliveries in flight end as they began. */
  reload(rules: RuleSet): void
  /** Takes nothing more, finishes what was taken, gives the rest to others. Idempotent. */
  close(): Promise<void>
  readonly health: ReturnType<typeof createHealth>
}

export interface Addresses {
  readonly server: string
  readonly admin: string | undefined
  readonly demo: string | undefined
}

/** Why it does not start. */
export interface StartFault {
  readonly message: string
  /** Trying again is of no use: somebody has to mend something first. */
  readonly isLasting: boolean
}

const DRAIN_MS = 10_000
const REOPEN_MS = 1000
const REPLAYS_MAX = 100_000

export function createApp(options: AppOptions): App {
  const { events, metrics, clock, version, onFatal, keys } = options
  const { value: config } = options.rules.loaded
  const health = createHealth()
  let rules = options.rules
  let port = config.server.listen.port
  let admin: FastifyInstance | undefined
  let demo: Demo | undefined
  let front: Front | undefined
  let closing: Promise<void> | undefined

  const unwatched = createStore(config.store, {
    clock,
    onFatal,
    onError: error => events.storeFailed({ operation: 'connection', error }),
  })
  const store = watchStore(unwatched, metrics, clock)
  const notes = createNotes(store, error => events.storeFailed({ operation: 'note', error }))
  const transport = createTransport({
    clock,
    version,
    ownAddresses: () => [{ address: config.server.listen.host, port }],
    ...(options.ca === undefined ? {} : { ca: options.ca }),
  })
  const dispatcher = createDispatcher({
    store,
    transport,
    clock,
    events,
    destinations: () => front?.destinations() ?? rules.destinations,
  })
  const collector = createCollector({
    store,
    metrics,
    clock,
    intervalMs: config.admin.collect_interval_ms,
    snapshot: () => dispatcher.snapshot(),
    inFlight: () => edge.inFlight(),
    answered: health.setStore,
    failed: events.storeFailed,
  })
  const upkeep = createUpkeep({
    store,
    deadKeepMs: config.store.dead_letter_days * 86_400_000,
    onError: error => events.storeFailed({ operation: 'expire', error }),
  })
  const replays = createReplays({ max: REPLAYS_MAX, clock })
  const ports = {
    store,
    accept: createAccept(store, replays, events, clock),
    dispatcher,
    clock,
    keysSettled: () => keys.settled(),
    begin: events.begin,
    told,
    unrouted: events.unrouted,
  }
  const handle = createPipeline({ ...ports, rules: () => rules })
  const receiver = createReceiver({
    limits: receiveLimits(rules),
    ...foreignLimits(rules),
    trustedProxies: config.server.trusted_proxies,
    allowedHosts: config.server.allowed_hosts,
    certificate: options.rules.loaded.tls.server,
    clock,
    shareRates: store.shareRates,
    handle: postback => handle(postback),
    probe: network => {
      const known = rules.networks.get(network)
      return known?.isProbed ? unread(known, { reason: 'probe', method: 'HEAD' }) : undefined
    },
    terms: network => rules.networks.get(network)?.terms,
    refuse: (name, { reason, detail }, method) => {
      const network = rules.networks.get(name ?? '')
      if (!network) {
        events.unrouted(reason)
        return defaultReply(reason)
      }
      return unread(network, { reason, detail, method })
    },
    unexpected: events.failed,
  })
  // The addresses were checked when the configuration was loaded.
  if (!receiver.ok) throw new Error('server.trusted_proxies was not checked before')
  const { value: edge } = receiver
  if (rules.front) {
    front = createFront({
      rules: () => rules,
      edge,
      pipeline: ports,
      ledgers: () => store.ledgers(),
      transport,
      clock,
      events,
      sampled,
    })
    dispatcher.reload()
  }

  /** Answers and tells of a request that never reached the pipeline. */
  function unread(network: NetworkRuntime, why: Unread): Reply {
    const { reason, detail, method = 'other' } = why
    const reply = network.reply(reason, undefined)
    const { outcome } = REASONS[reason]
    const receivedAt = clock.now()
    const trace = events.begin?.(network.id, receivedAt, undefined)
    told({ ...UNREAD, network: network.id, method, outcome, reason, detail, httpStatus: reply.status, receivedAt, trace }) // prettier-ignore
    return reply
  }

  const showsClients = config.privacy.client_addresses !== 'off'

  function told(fact: PostbackFact): void {
    events.postback(showsClients ? fact : { ...fact, client: undefined })
    if (config.store.decisions === 0) return
    const { conversion, record, destinations, network, reason, detail, receivedAt: at } = fact
    notes.add({
      at,
      network,
      reason,
      detail,
      record,
      click_id: conversion?.click_id,
      transaction_id: conversion?.transaction_id,
      conversion_id: conversion?.id,
      status: conversion?.status,
      destinations,
    })
  }

  /** Samples of answers that differ are kept among the decisions: `postern log` shows them. */
  function sampled({ network, result, detail, at }: ShadowFact & { at: number }): void {
    events.shadowDiffered({ network, result })
    if (config.store.decisions === 0) return
    notes.add({ ...NOTHING_KNOWN, at, network, reason: `shadow_${result}`, detail })
  }

  /** What stands against starting; undefined for nothing. */
  async function openStore(): Promise<StartFault | undefined> {
    const opened = await patiently(() => store.open())
    if (!opened.ok) return opened.error
    const checks = await patiently(() => store.safety())
    if (!checks.ok) return checks.error
    for (const { check, ok: isMet, detail } of checks.value) {
      if (!isMet) events.warned(`${check}: ${detail}`)
    }
    const [refused] = unsafe(checks.value, config.store)
    if (!refused) return undefined
    const message = `${refused.check}: ${refused.detail} (or set store.allow_unsafe: true)`
    return { message, isLasting: true }
  }

  /** Waits for a store that is away; a store that is wrong is for a person to mend. */
  async function patiently<T>(ask: () => Promise<T>): Promise<Result<T, StartFault>> {
    for (;;) {
      try {
        return ok(await ask())
      } catch (error) {
        if (!isPassing(error)) {
          const message = `store: ${(error as Error).message}`
          return fail({ message, isLasting: error instanceof StoreError })
        }
        events.storeFailed({ operation: 'open', error })
        if (closing) return fail({ message: 'stopped while the store was away', isLasting: false })
        await new Promise(resolve => setTimeout(resolve, REOPEN_MS))
      }
    }
  }

  async function start(): Promise<Result<Addresses, StartFault>> {
    events.configured(configured(rules))
    if (options.isAlone) {
      admin = createAdmin({
        health,
        metrics: () => metrics.registry.metrics(),
        contentType: metrics.registry.contentType,
        administered: events.administered,
        certificate: rules.loaded.tls.admin,
        token: config.admin.token,
        host: config.admin.listen.host,
      })
      await admin.listen({ ...config.admin.listen })
      if (config.demo) demo = await startDemo(config.demo.listen, events.demoReceived)
    }
    const problem = await openStore()
    if (problem) return fail(problem)
    dispatcher.start()
    front?.start()
    collector.start()
    upkeep.start()
    port = await edge.start({ ...config.server.listen })
    health.setStore(true)
    health.set('ready')
    return ok({
      server: `${hostOf(config.server.listen.host)}:${port}`,
      admin: admin && `${hostOf(config.admin.listen.host)}:${portOf(admin)}`,
      demo: demo && `${hostOf(config.demo?.listen.host ?? '')}:${demo.port}`,
    })
  }

  async function close(): Promise<void> {
    health.set('draining')
    edge.setDraining()
    front?.endTunnels()
    await edge.close()
    await front?.close()
    await dispatcher.drain(DRAIN_MS)
    await collector.stop()
    await upkeep.stop()
    keys.close()
    await notes.close()
    await store.close()
    await demo?.close()
    await admin?.close()
  }

  return {
    start,
    reload: next => {
      // Whether there is a proxy is settled at the start.
      rules = { ...next, front: front && (next.front ?? rules.front) }
      front?.reload()
      events.configured(configured(rules))
      const { tls } = rules.loaded
      if (tls.server) edge.setCertificate(tls.server)
      if (tls.admin && admin) renewCertificate(admin, tls.admin)
      dispatcher.reload()
    },
    close: () => (closing ??= close()),
    health,
  }
}

/** What metrics have series for. */
function configured({ loaded, networks, destinations, front }: RuleSet): Configured {
  return {
    networks: [...networks.values()].map(({ id, isEnabled, rule }) => {
      const { max_silence_hours: hours = 0, currency } = loaded.value.networks[id] ?? {}
      return {
        id,
        maxSilenceSeconds: isEnabled ? hours * 3600 : 0,
        currency: currency ?? rule.value.money?.currency ?? 'USD',
      }
    }),
    destinations: [...destinations.keys()],
    judgingLater: [...destinations.values()].flatMap(({ id, confirm }) => (confirm ? [id] : [])),
    ...(front ? { proxy: { upstreams: [UPSTREAM], isShadowed: front.shadow !== undefined } } : {}),
  }
}

const NOTHING_KNOWN = {
  conversion_id: undefined,
  record: undefined,
  click_id: undefined,
  transaction_id: undefined,
  status: undefined,
  destinations: [],
} as const

interface Unread {
  readonly reason: Reason
  readonly detail?: string
  readonly method?: string | undefined
}

const UNREAD = {
  client: undefined,
  conversion: undefined,
  record: undefined,
  destinations: [],
  durationMs: 0,
} as const

function receiveLimits(rules: RuleSet) {
  const { limits } = rules.loaded.value.server
  return {
    ...readLimits(rules.loaded),
    urlBytes: limits.url_bytes,
    bodyBytes: limits.body_bytes,
    headerBytes: limits.header_bytes,
    inFlight: limits.in_flight,
    requestTimeoutMs: limits.request_timeout_ms,
    headerTimeoutMs: limits.header_timeout_ms,
    connections: limits.connections,
    addressRate: limits.address_rate_per_second,
  }
}

function foreignLimits({ loaded }: RuleSet) {
  const { proxy } = loaded.value
  if (!proxy) return {}
  const { header_bytes: headerBytes, request_timeout_ms: requestTimeoutMs } = proxy
  return { foreign: { headerBytes, requestTimeoutMs } }
}

/** Of the reasons of a `StoreError`, those that no waiting mends. */
const LASTING: ReadonlySet<string> = new Set(['layout', 'io', 'closed'])

function isPassing(error: unknown): boolean {
  return error instanceof StoreError && !LASTING.has(error.reason)
}

function hostOf(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

function portOf(server: FastifyInstance): number {
  const address = server.server.address()
  return address !== null && typeof address === 'object' ? address.port : 0
}
