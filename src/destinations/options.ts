/** What postern.yaml says of one destination, as far as this stage reads it. */
import type { Status } from '../model/status.ts'

export interface DestinationOptions {
  /** Rule file or built-in type; default: the destination's own name. */
  readonly rule?: string
  readonly settings?: Readonly<Record<string, string>>
  /** A field, or a template over fields such as `{sub1|split:_:1}`. */
  readonly click_id_from?: string
  readonly statuses?: readonly Status[]
  readonly events?: readonly string[]
  readonly timeout_ms?: number
  readonly concurrency?: number
  readonly rate_per_second?: number
  readonly memory?: number
  readonly retry_schedule_ms?: readonly number[]
  readonly budget_hours?: number
  readonly allow_private?: readonly string[]
  /** For a destination that takes one currency: instead of what its rule says. */
  readonly other_currency?: 'drop' | 'refuse' | 'convert'
  /** Query parameters, form fields and top-level JSON keys of its rule that are not sent. */
  readonly omit?: readonly string[]
}
