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
  type Confirmation,
  type DeadReason,
  type DeliveryRequest,
  type DeliveryResponse,
  type DeliveryVerdict,
  type Destination,
  type Question,
} from '../model/delivery.ts'
import { maskPersonalIn } from '../model/personal.ts'
import type { Held } from './custody.ts'
import type { EgressReason } from './egress.ts'
import { nextStep, type NextStep } from './next-step.ts'
import type { Sent } from './exchange.ts'
import type { Tokens } from './tokens.ts'
import type { Channel } from './transport.ts'

export interface Attempted {
  readonly attempt: Attempt
  readonly next: NextStep
  /** The pause a destination asked for with 429, in ms. */
  readonly pauseMs: number | undefined
  readonly egress: EgressReason | undefined
  /** What to ask later about a delivered request. */
  readonly question: Question | undefined
}

interface Outcome {
  readonly verdict: DeliveryVerdict
  readonly httpStatus?: number
  readonly detail?: string
  readonly isAmbiguous?: boolean
  readonly egress?: EgressReason | undefined
  /** The access token it went with, to be masked. */
  readonly token?: string | undefined
  readonly question?: Question | undefined
}

/** Enough of an answer to see what is wrong; secrets are masked before it is cut shorter. */
const EXCERPT = 1_024
/** "Slow down" without a time. */
const PAUSE_MS = 1_000

/** How one destination is reached. */
export interface Way {
  readonly destination: Destination
  readonly channel: Channel
  /** Where the destination has a grant. */
  readonly tokens?: Tokens | undefined
  readonly clock: Clock
  /** In [0, 1), for jitter. */
  readonly random: () => number
}

export async function attemptDelivery(held: Held, way: Way): Promise<Attempted> {
  const { destination, clock, random } = way
  const started = clock.monotonic()
  const outcome = await tryOnce(held, way)
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
      trace: held.record.trace,
      detail: outcome.detail && shown(outcome.detail, outcome.token, held, destination),
    },
    next,
    pauseMs: isThrottled ? (verdict.afterMs ?? PAUSE_MS) : undefined,
    egress: outcome.egress,
    question: outcome.question,
  }
}

/** Asks what became of a delivered request; undefined while nobody says. Never rejects. */
export async function askAbout(
  question: Question,
  { destination, channel, tokens }: Way,
): Promise<Confirmation | undefined> {
  try {
    const token = await tokens?.get()
    if (token && !token.ok) return undefined
    const request = token ? withToken(question.request, token.value.text) : question.request
    const sent = await channel.send(request, 'status', 1)
    return sent.kind === 'answered' ? destination.confirm?.read(sent.response) : undefined
  } catch {
    return undefined
  }
}

/** Destinations repeat in their answers what they were sent. */
function shown(
  detail: string,
  token: string | undefined,
  { record: { conversion } }: Held,
  { secrets }: Destination,
): string {
  const masked = maskSecrets(detail.slice(0, EXCERPT), token ? [token, ...secrets] : secrets)
  return printable(maskPersonalIn(masked, conversion))
}

async function tryOnce(held: Held, way: Way): Promise<Outcome> {
  const { destination, tokens, clock } = way
  const id = deliveryId(held.record.id, destination.id)
  const context = { deliveryId: id, attempt: held.attempts + 1, now: clock.now() }
  try {
    const built = destination.request(held.record, context)
    if (!built.ok) return unbuildable(built.error.reason, built.error.detail)
    const send: Send = request => way.channel.send(request, id, held.record.hop ?? 1)
    if (!tokens) {
      const sent = await send(built.value)
      if (sent.kind === 'answered') destination.answered?.(held.record, sent.response)
      return outcomeOf(sent, destination, clock)
    }
    return await sendWithToken(built.value, send, tokens, way)
  } catch (error) {
    // A fault in a destination's code must not stop the process: it would meet it again at once.
    return unbuildable('template_error', `fault in ${destination.rule}: ${String(error)}`)
  }
}

type Send = (request: DeliveryRequest) => Promise<Sent>

async function sendWithToken(
  request: DeliveryRequest,
  send: Send,
  tokens: Tokens,
  { destination, clock }: Way,
): Promise<Outcome> {
  const first = await tokens.get()
  if (!first.ok) return first.error
  let token = first.value.text
  let sent = await send(withToken(request, token))
  if (sent.kind === 'answered' && sent.response.status === 401 && !first.value.isFresh) {
    // Withdrawn before its time, as after a change of password: a new one may do.
    tokens.forget(token)
    const second = await tokens.get()
    if (!second.ok) return second.error
    token = second.value.text
    sent = await send(withToken(request, token))
  }
  return { ...outcomeOf(sent, destination, clock), token }
}

function withToken(request: DeliveryRequest, token: string): DeliveryRequest {
  return { ...request, headers: { ...request.headers, authorization: `Bearer ${token}` } }
}

function outcomeOf(sent: Sent, destination: Destination, clock: Clock): Outcome {
  if (sent.kind === 'answered') return read(sent.response, destination, clock)
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
}

function unbuildable(reason: DeadReason, detail: string): Outcome {
  return { verdict: { kind: 'dead', result: 'template_error', reason }, detail }
}

function read(response: DeliveryResponse, destination: Destination, clock: Clock): Outcome {
  const verdict = destination.verdict(response, clock.now())
  const { status, body } = response
  if (verdict.kind === 'delivered') {
    return { verdict, httpStatus: status, question: destination.confirm?.question(response) }
  }
  return { verdict, httpStatus: status, detail: `HTTP ${status} ${body.slice(0, EXCERPT)}` }
}
