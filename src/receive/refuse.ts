/** Refusals of the edge, with details that never repeat what was sent. */
import { fail, type Result } from '../base/result.ts'
import type { Refusal, Rejection } from '../reasons.ts'

export function refuse(reason: Rejection, detail: string): Result<never, Refusal> {
  return fail({ reason, detail })
}
