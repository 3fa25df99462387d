/** What the pipeline knows of a postback so far, and the fact it tells when it has answered. */
import type { Postback } from './model/postback.ts'
import type { PostbackFact } from './observe/events.ts'
import type { Trace } from './observe/trace.ts'
import { REASONS, type Outcome, type Reason } from './reasons.ts'
import type { NetworkRuntime } from './ruleset.ts'

export interface Story {
  readonly sent: Postback
  readonly network: NetworkRuntime
  /** Monotonic milliseconds. */
  readonly started: number
  /** For who must know more than the answer says: 200 may also be a refusal. */
  readonly ended: ((outcome: Outcome) => void) | undefined
  readonly trace: Trace | undefined
  readonly conversion?: PostbackFact['conversion']
  readonly record?: string
  readonly destinations?: readonly string[]
}

export function toFact(
  story: Story,
  reason: Reason,
  detail: string | undefined,
  httpStatus: number,
  ended: number,
): PostbackFact {
  const { sent, network, started, trace, conversion, record, destinations = [] } = story
  const { method, client, receivedAt, body } = sent
  return {
    network: network.id,
    method,
    client,
    receivedAt,
    bodyBytes: body.length,
    conversion,
    record,
    destinations,
    outcome: REASONS[reason].outcome,
    reason,
    detail,
    httpStatus,
    durationMs: ended - started,
    trace,
  }
}
