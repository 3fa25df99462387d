/** What becomes of a postback, told once: its log line and its metrics together. */
import type { Logger } from 'pino'
import { printable, truncateAddress } from '../base/redact.ts'
import type { Conversion } from '../model/conversion.ts'
import { STATUSES } from '../model/status.ts'
import type { Outcome, Reason } from '../reasons.ts'
import { MAX_CURRENCIES } from './catalogue.ts'
import type { AcceptVerdict } from '../store/store.ts'
import type { Metrics } from './metrics.ts'
import type { Trace } from './trace.ts'

/** One postback and its answer. */
export interface PostbackFact {
  readonly network: string
  readonly method: string
  readonly outcome: Outcome
  readonly reason: Reason
  /** Which check or field decided; never input. */
  readonly detail: string | undefined
  readonly httpStatus: number
  readonly durationMs: number
  /** Bytes of the body; 0 without one. */
  readonly bodyBytes?: number
  readonly client: string | undefined
  /** Epoch milliseconds. */
  readonly receivedAt: number
  /** As far as it could be read. */
  readonly conversion: Partial<Conversion> | undefined
  readonly record: string | undefined
  readonly destinations: readonly string[]
  /** Where it is traced. */
  readonly trace?: Trace | undefined
}

const LEVELS = {
  accepted: 'debug',
  duplicate: 'debug',
  ignored: 'debug',
  rejected: 'info',
  deferred: 'warn',
} as const satisfies Record<Outcome, string>

export function createPostbackEvents(logger: Logger, metrics: Metrics, nowSeconds: () => number) {
  const currencyOf = createCurrencies((network, currency) => {
    // A reversal that is the first of its series would not be seen as an increase.
    for (const status of STATUSES) metrics.payout.declare(network, currency, status)
  })
  return {
    postback(fact: PostbackFact): void {
      const { network, outcome, reason, conversion } = fact
      metrics.inboundRequests.inc(network, methodOf(fact.method), String(fact.httpStatus))
      metrics.inboundDuration.observe(fact.durationMs / 1000, network)
      metrics.inboundBytes.observe(fact.bodyBytes ?? 0)
      metrics.postbacks.inc(network, outcome)
      if (isFromNetwork(outcome, reason)) metrics.lastPostback.set(nowSeconds(), network)
      if (outcome === 'rejected') metrics.rejected.inc(network, reason)
      if (outcome === 'deferred') metrics.deferred.inc(network, reason)
      if (outcome === 'accepted') {
        for (const destination of fact.destinations) metrics.enqueued.inc(destination)
        if (conversion) countConversion(network, conversion)
      }
      fact.trace?.end(fact)
      const level = LEVELS[outcome]
      if (logger.isLevelEnabled(level)) logger[level](toLine(fact), `postback.${outcome}`)
    },

    /** Refused before a network was found for it. */
    unrouted(reason: Reason): void {
      metrics.unrouted.inc(reason)
      logger.debug({ reason }, 'request.unrouted')
    },

    /** What the store said of a conversion. */
    deduped(verdict: AcceptVerdict): void {
      metrics.dedupe.inc(verdict)
    },

    /** A look-up in the memory of what this process just made durable. */
    replayed(hit: boolean): void {
      metrics.replays.inc(hit ? 'hit' : 'miss')
    },
  }

  function countConversion(network: string, conversion: Partial<Conversion>): void {
    const { status = 'approved', payout, currency = 'none' } = conversion
    metrics.conversions.inc(network, status)
    if (payout === undefined) return
    // A histogram sum is a float by nature; exact money stays in the conversion. Without its sign,
    // because a sum that falls would look like a restart; the status says which way it counts.
    metrics.payout.observe(Math.abs(Number(payout)), network, currencyOf(network, currency), status)
  }
}

/**
 * True where the checks of the network were passed. Anyone can send something that is rejected, or
 * an empty probe: that must not hide the silence of the network.
 */
function isFromNetwork(outcome: Outcome, reason: Reason): boolean {
  switch (outcome) {
    case 'accepted':
    case 'duplicate':
      return true
    case 'ignored':
      return reason !== 'probe'
    case 'deferred':
      return reason === 'store_unavailable' || reason === 'store_full'
    case 'rejected':
      return false
  }
}

function methodOf(method: string): string {
  return method === 'GET' || method === 'POST' ? method : 'other'
}

/** The first few currencies of a network under their name, the rest as `other`. */
function createCurrencies(
  met: (network: string, currency: string) => void,
): (network: string, currency: string) => string {
  const known = new Map<string, Set<string>>()
  return (network, currency) => {
    let currencies = known.get(network)
    if (!currencies) known.set(network, (currencies = new Set()))
    if (currencies.has(currency)) return currency
    if (currencies.size >= MAX_CURRENCIES) return 'other'
    currencies.add(currency)
    met(network, currency)
    return currency
  }
}

/** No personal data: the client's address is truncated. */
function toLine(fact: PostbackFact): Record<string, unknown> {
  const { conversion } = fact
  return {
    network: fact.network,
    reason: fact.reason,
    detail: fact.detail,
    http_status: fact.httpStatus,
    ms: Math.round(fact.durationMs * 10) / 10,
    client: fact.client === undefined ? undefined : truncateAddress(fact.client),
    record: fact.record,
    click_id: clip(conversion?.click_id),
    transaction_id: clip(conversion?.transaction_id),
    status: conversion?.status,
    event: clip(conversion?.event),
    payout: conversion?.payout,
    currency: conversion?.currency,
    destinations: fact.destinations.length > 0 ? fact.destinations.join(',') : undefined,
  }
}

function clip(value: string | undefined): string | undefined {
  return value === undefined ? undefined : printable(value, 80)
}
