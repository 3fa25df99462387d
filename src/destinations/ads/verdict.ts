/**
 * What the answer of an ad platform means, in six classes: taken, taken before, try again, try
 * again in hours, the account is refused, never. HTTP 200 alone means little: most platforms say in
 * the body what they did.
 */
import { resultOfStatus, verdictOfStatus } from '../../model/answer.ts'
import type { DeliveryResponse, DeliveryVerdict } from '../../model/delivery.ts'

export type ReadAnswer = (response: DeliveryResponse, now: number) => DeliveryVerdict

export const TAKEN: DeliveryVerdict = { kind: 'delivered', result: 'ok' }
export const DUPLICATE: DeliveryVerdict = { kind: 'delivered', result: 'duplicate' }
/** Token or permission: the destination is parked, the delivery waits. */
export const REFUSED: DeliveryVerdict = { kind: 'park', result: 'auth_failed' }

const HOUR_MS = 3_600_000

/** Too early: the platform does not know the click or the conversion yet. */
export function later(hours: number): DeliveryVerdict {
  return { kind: 'retry', result: 'body_rejected', afterMs: hours * HOUR_MS }
}

/** By the schedule, or when the platform says. */
export function again({ status, headers }: DeliveryResponse, now: number): DeliveryVerdict {
  const header = headers['retry-after']
  const text = Array.isArray(header) ? header[0] : header
  // A refusal inside a 200 is read as a fault of the server for the moment.
  const byStatus = verdictOfStatus(status >= 400 ? status : 500, text, now)
  const afterMs = byStatus.kind === 'retry' ? byStatus.afterMs : undefined
  return { kind: 'retry', result: resultOf(status), ...(afterMs === undefined ? {} : { afterMs }) }
}

/** Too many requests: the whole destination slows down, for `afterMs` where it is known. */
export function throttled(afterMs: number | undefined): DeliveryVerdict {
  return { kind: 'retry', result: 'http_429', ...(afterMs === undefined ? {} : { afterMs }) }
}

/** Never by itself. */
export function dropped({ status }: DeliveryResponse): DeliveryVerdict {
  return { kind: 'dead', result: resultOf(status), reason: 'rejected' }
}

const PASSING = new Set([408, 423, 425, 429])

/** 401 and 403 are the account, 408, 423, 425, 429 and 5xx pass, other 4xx never will. */
export const readAdStatus: ReadAnswer = (response, now) => {
  const { status } = response
  if (status >= 200 && status < 300) return TAKEN
  if (status === 401 || status === 403) return REFUSED
  if (status >= 500 || PASSING.has(status)) return again(response, now)
  if (status >= 400) return dropped(response)
  return verdictOfStatus(status, undefined, now)
}

/**
 * For platforms that say in JSON what they did with a 200: without it somebody else answered, such
 * as a proxy on the way, and the request has gone nowhere.
 */
export function readSpoken(read: ReadAnswer): ReadAnswer {
  return (response, now) =>
    response.status === 200 && bodyOf(response) === undefined
      ? again(response, now)
      : read(response, now)
}

/** The body; undefined where it is not JSON. */
export function bodyOf({ body }: DeliveryResponse): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

/** What stands at a path of parsed JSON; undefined where there is nothing. */
export function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  let node = value
  for (const step of path) {
    if (typeof node !== 'object' || node === null || !Object.hasOwn(node, step)) return undefined
    node = (node as Readonly<Record<string | number, unknown>>)[step]
  }
  return node
}

/** The items where it is a list, else none. */
export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function resultOf(status: number) {
  return status >= 200 && status < 300 ? 'body_rejected' : resultOfStatus(status)
}
