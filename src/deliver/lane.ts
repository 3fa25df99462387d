/**
 * One destination's deliveries in memory. In: deliveries to make. Out: attempts, never more than
 * the destination's concurrency and rate allow, never while its circuit is open, it asked for a
 * pause or the lease is in doubt. Lanes share nothing: a hanging destination delays no other.
 */
import type { Clock } from '../base/clock.ts'
import type { Destination } from '../model/delivery.ts'
import { askAbout, attemptDelivery, type Attempted } from './attempt.ts'
import { createBreaker, type CircuitState } from './breaker.ts'
import { createConfirmations } from './confirmations.ts'
import type { Custody, Held } from './custody.ts'
import type { DeliverEvents, HandOverCause } from './events.ts'
import { createFifo } from './fifo.ts'
import { healthOf } from './next-step.ts'
import { createPace } from './pace.ts'
import { createRate } from './rate.ts'
import { createTokens, type Tokens } from './tokens.ts'
import type { Transport } from './transport.ts'

export interface LaneContext {
  readonly clock: Clock
  readonly random: () => number
  readonly transport: Transport
  readonly events: DeliverEvents
  readonly custody: Custody
  /** False while another process may believe this one dead. */
  readonly isLeaseHeld: () => boolean
  /** Room appeared, or a circuit or pause changed: the queue may be asked again. */
  readonly freed: () => void
  readonly breakerOpenMs: number | undefined
}

export interface LaneSnapshot {
  readonly destination: string
  /** In memory, waiting. */
  readonly waiting: number
  readonly inFlight: number
  readonly circuit: CircuitState
}

export interface Lane {
  readonly timeoutMs: () => number
  /** True where a new delivery may be placed in memory. */
  hasRoom(): boolean
  /** Takes it, or hands it to the queue at once where there is no room. */
  push(held: Held): void
  /** Starts what may be started. */
  pump(): void
  /** How many to claim now; 0 for none. */
  claimable(): number
  /** When `claimable` may change by itself, in ms; undefined where time alone changes nothing. */
  waitMs(): number | undefined
  /** Drops what waits, because it is another's now; how many. */
  drop(): number
  /** Uses the destination as it is after a reload. */
  replace(destination: Destination): void
  /** Starts nothing more and hands what waits to the queue. */
  stop(cause: HandOverCause): void
  /** Closes connections; running attempts end by themselves. */
  close(): void
  snapshot(): LaneSnapshot
}

/** Up to here a pause is sat out in memory; longer ones wait in the store. */
const PAUSE_IN_MEMORY_MS = 5_000

export function createLane(first: Destination, context: LaneContext): Lane {
  const { clock, events, custody, random } = context
  let destination = first
  let channel = context.transport.channel(first.policy)
  let tokens = tokensFor(first)
  let rate = createRate(first.policy.ratePerSecond)
  const waiting = createFifo<Held>()
  const pace = createPace()
  let inFlight = 0
  let pausedUntil = 0
  let timer: NodeJS.Timeout | undefined
  let isStopped = false
  let stopCause: HandOverCause = 'drain'
  const { id } = first

  const breaker = createBreaker({
    clock,
    random,
    changed: (state, reason) =>
      events.circuit({ destination: id, state, ...(reason === undefined ? {} : { reason }) }),
    ...(context.breakerOpenMs === undefined ? {} : { openFirstMs: context.breakerOpenMs }),
  })

  const confirmations = createConfirmations({
    clock,
    waitMs: () => destination.confirm?.waitMs ?? 0,
    ask: question => askAbout(question, { destination, channel, tokens, clock, random }),
    told: ({ record, id: request }, found) =>
      events.confirmed({
        destination: id,
        record,
        request,
        result: found?.result ?? 'unknown',
        reasons: found?.reasons ?? [],
      }),
  })

  /** A changed grant starts without a token: the old one may be another account's. */
  function tokensFor({ grant }: Destination): Tokens | undefined {
    return grant && createTokens({ grant, channel, clock })
  }

  const pauseMs = (): number => Math.max(0, pausedUntil - clock.monotonic())
  const held = (): number => waiting.size() + inFlight

  function handOver(cause: HandOverCause, delayMs: number): void {
    let count = 0
    for (let next = waiting.shift(); next; next = waiting.shift(), count += 1) {
      giveBack(next, delayMs)
    }
    if (count > 0) events.handedOver({ destination: id, cause, count })
  }

  /** Why a delivery cannot be held, with how long it should wait in the queue. */
  function refusal(delivery: Held): readonly [HandOverCause, number] | undefined {
    if (isStopped) return [stopCause, 0]
    const isProbe = delivery.from === 'queue' && held() === 0 && breaker.state() === 'half_open'
    if (breaker.state() !== 'closed' && !isProbe) return ['circuit', breaker.waitMs()]
    if (pauseMs() > PAUSE_IN_MEMORY_MS) return ['paused', pauseMs()]
    return held() < destination.policy.memory ? undefined : ['memory_full', 0]
  }

  function giveBack(delivery: Held, delayMs: number): void {
    custody.end(delivery, {
      destination: id,
      end: 'retry',
      delayMs: Math.ceil(delayMs),
      attempts: delivery.attempts,
    })
  }

  function later(delayMs: number): void {
    timer ??= setTimeout(() => {
      timer = undefined
      pump()
    }, delayMs)
  }

  function pump(): void {
    while (!isStopped && waiting.size() > 0 && inFlight < destination.policy.concurrency) {
      // The lease wakes all lanes when it is held again.
      if (!context.isLeaseHeld()) return
      const paused = pauseMs()
      if (paused > 0) return later(paused)
      const next = waiting.peek()
      if (next && next.startBefore <= clock.monotonic()) {
        waiting.shift()
        giveBack(next, 0)
        events.handedOver({ destination: id, cause: 'claim_lapsed', count: 1 })
        continue
      }
      const wait = rate.take(clock.monotonic())
      if (wait > 0) return later(wait)
      const delivery = waiting.shift()
      if (delivery) void start(delivery)
    }
  }

  async function start(delivery: Held): Promise<void> {
    inFlight += 1
    const way = { destination, channel, tokens, clock, random }
    const attempted = await attemptDelivery(delivery, way)
    inFlight -= 1
    pace.took(attempted.attempt.durationMs)
    settle(delivery, attempted)
    learn(attempted)
    if (attempted.question) {
      confirmations.watch({ ...attempted.question, record: delivery.record.id })
    }
    pump()
    context.freed()
  }

  function settle(delivery: Held, { attempt, next, egress }: Attempted): void {
    events.attempted(attempt)
    if (egress) events.egressBlocked({ destination: id, reason: egress })
    // What parks a destination is not the delivery's fault.
    const attempts = attempt.result === 'auth_failed' ? delivery.attempts : attempt.attempt
    if (next.end === 'retry') {
      custody.end(delivery, { destination: id, end: 'retry', delayMs: next.delayMs, attempts })
      return
    }
    const isDead = next.end === 'dead'
    custody.end(
      delivery,
      isDead
        ? {
            destination: id,
            end: 'dead',
            attempts,
            reason: next.reason,
            detail: attempt.detail ?? '',
          }
        : { destination: id, end: 'delivered' },
    )
    events.ended({
      destination: id,
      network: attempt.network,
      outcome: next.end,
      reason: isDead ? next.reason : undefined,
      attempts,
      // The wall clock may have been set back meanwhile.
      latencyMs: Math.max(0, clock.now() - delivery.record.conversion.received_at),
    })
  }

  /** What the attempt says of the destination, beyond its own delivery. */
  function learn({ attempt, pauseMs: asked }: Attempted): void {
    const health = healthOf(attempt.result)
    const isRefused = attempt.result === 'auth_failed'
    if (health === 'alive' || health === 'throttled') breaker.succeeded()
    if (health === 'failing') breaker.failed()
    if (health === 'gone') breaker.trip(isRefused ? 'auth' : 'gone')
    if (isRefused) events.authFailed({ destination: id, detail: attempt.detail })
    if (asked !== undefined) pausedUntil = Math.max(pausedUntil, clock.monotonic() + asked)
    if (waiting.size() === 0) return
    if (breaker.state() === 'open') handOver('circuit', breaker.waitMs())
    else if (pauseMs() > PAUSE_IN_MEMORY_MS) handOver('paused', pauseMs())
  }

  return {
    // With a token: to get it, to use it, and once more where it had been withdrawn.
    timeoutMs: () => destination.policy.timeoutMs * (destination.grant ? 4 : 1),
    hasRoom: () =>
      !isStopped &&
      held() < destination.policy.memory &&
      breaker.state() === 'closed' &&
      pauseMs() <= PAUSE_IN_MEMORY_MS &&
      context.isLeaseHeld(),

    push: delivery => {
      const [cause, delayMs] = refusal(delivery) ?? []
      if (cause === undefined) return waiting.push(delivery)
      giveBack(delivery, delayMs ?? 0)
      events.handedOver({ destination: id, cause, count: 1 })
    },
    pump,

    claimable: () => {
      if (isStopped || pauseMs() > 0 || !context.isLeaseHeld()) return 0
      const state = breaker.state()
      if (state === 'open') return 0
      if (state === 'half_open') return held() === 0 ? 1 : 0
      const { concurrency, ratePerSecond, memory } = destination.policy
      const soon = pace.startableSoon(concurrency, ratePerSecond)
      // Half empty before asking again: one call for many, not one for each.
      const wanted = Math.min(soon, memory)
      return waiting.size() > wanted / 2 ? 0 : Math.min(wanted - waiting.size(), memory - held())
    },
    waitMs: () => {
      const open = breaker.waitMs()
      if (open > 0) return open
      return pauseMs() || undefined
    },
    drop: () => {
      let count = 0
      for (let next = waiting.shift(); next; next = waiting.shift(), count += 1) custody.drop(next)
      return count
    },
    replace: next => {
      if (next === destination) return
      const old = channel
      channel = context.transport.channel(next.policy)
      rate = createRate(next.policy.ratePerSecond)
      tokens = tokensFor(next)
      destination = next
      old.close()
    },
    stop: cause => {
      isStopped = true
      stopCause = cause
      confirmations.stop()
      clearTimeout(timer)
      handOver(cause, 0)
    },
    close: () => channel.close(),
    snapshot: () => ({
      destination: id,
      waiting: waiting.size(),
      inFlight,
      circuit: breaker.state(),
    }),
  }
}
