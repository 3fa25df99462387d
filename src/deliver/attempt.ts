/**
 * One attempt: build the request, send it, read the answer. In: a held delivery and its
 * destination. Out: the attempt as events tell it, and what follows. Never rejects: whatever a
 * destination's code or the network does becomes a result.
 */
import type { Clock } from '../base/clock.ts'
import { maskSecrets, printable } from '../base/redact.ts'
import { UNLIKELY_ATTEMPTS } from '../model/answer.ts'
import {
  deliveryId,
  type Attempt,
  type DeadReason,
  type DeliveryResponse,
  type DeliveryVerdict,
  type Destination,
} from '../model/delivery.ts'
import type { Held } from './custody.ts'
import type { EgressReason } from './egress.ts'
import { nextStep, type NextStep } from './next-step.ts'
import type { Channel } from './transport.ts'

export interface Attempted {
  readonly attempt: Attempt
  readonly next: NextStep
  /** The pause a destination asked for with 429, in ms. */
  readonly pauseMs: number | undefined
  readonly egress: EgressReason | undefined
}

interface Outcome {
  readonly verdict: DeliveryVerdict
  readonly httpStatus?: number
  readonly detail?: string
  readonly isAmbiguous?: boolean
  readonly egress?: EgressReason | undefined
}

/** Enough of an answer to see what is wrong; secrets are masked before it is cut shorter. */
const EXCERPT = 1_024
/** "Slow down" without a time. */
const PAUSE_MS = 1_000

export async function attemptDelivery(
  held: Held,
  destination: Destination,
  channel: Channel,
  clock: Clock,
  random: () => number,
): Promise<Attempted> {
  const started = clock.monotonic()
  const outcome = await tryOnce(held, destination, channel, clock)
  const { conversion } = held.record
  const { verdict } = outcome
  const attempts = held.attempts + 1
  const next = nextStep({
    verdict,
    attempts,
    isAmbiguous: outcome.isAmbiguous ?? false,
    policy: destination.policy,
    receivedAt: conversion.received_at,
    now: clock.now(),
    random: random(),
  })
  const isThrottled = verdict.kind === 'retry' && verdict.result === 'http_429'
  return {
    attempt: {
      deliveryId: deliveryId(held.record.id, destination.id),
      record: held.record.id,
      destination: destination.id,
      network: conversion.network,
      status: conversion.status,
      attempt: attempts,
      result: verdict.result,
      httpStatus: outcome.httpStatus,
      durationMs: clock.monotonic() - started,
      detail:
        outcome.detail &&
        printable(maskSecrets(outcome.detail.slice(0, EXCERPT), destination.secrets)),
    },
    next,
    pauseMs: isThrottled ? (verdict.afterMs ?? PAUSE_MS) : undefined,
    egress: outcome.egress,
  }
}

async function tryOnce(
  held: Held,
  destination: Destination,
  channel: Channel,
  clock: Clock,
): Promise<Outcome> {
  const id = deliveryId(held.record.id, destination.id)
  const context = { deliveryId: id, attempt: held.attempts + 1, now: clock.now() }
  try {
    const built = destination.request(held.record, context)
    if (!built.ok) return unbuildable(built.error.reason, built.error.detail)
    const sent = await channel.send(built.value, id, held.record.hop ?? 1)
    if (sent.kind === 'answered') {
      destination.answered?.(held.record, sent.response)
      return read(sent.response, destination, clock)
    }
    if (sent.result === 'template_error') return unbuildable('template_error', sent.detail)
    // A refused address may be a passing fault of the name server, so it is looked up again; but
    // not for days.
    const limit = sent.result === 'egress_blocked' ? { maxAttempts: UNLIKELY_ATTEMPTS } : {}
    return {
      verdict: { kind: 'retry', result: sent.result, ...limit },
      detail: sent.detail,
      isAmbiguous: sent.isAmbiguous,
      egress: sent.egress,
    }
  } catch (error) {
    // A fault in a destination's code must not stop the process: it would meet it again at once.
    return unbuildable('template_error', `fault in ${destination.rule}: ${String(error)}`)
  }
}

function unbuildable(reason: DeadReason, detail: string): Outcome {
  return { verdict: { kind: 'dead', result: 'template_error', reason }, detail }
}

function read(response: DeliveryResponse, destination: Destination, clock: Clock): Outcome {
  const verdict = destination.verdict(response, clock.now())
  const { status, body } = response
  if (verdict.kind === 'delivered') return { verdict, httpStatus: status }
  return { verdict, httpStatus: status, detail: `HTTP ${status} ${body.slice(0, EXCERPT)}` }
}
