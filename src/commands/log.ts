/** `postern log`: where did my conversion go? */
import { printable } from '../base/redact.ts'
import { REASONS, type Reason } from '../reasons.ts'
import type { CommandContext, ExitCode } from './context.ts'
import { paints, table } from './terminal.ts'
import { parseCount, withStore } from './with-store.ts'

export interface LogOptions {
  readonly config: string
  readonly find?: string
  readonly limit: string
  readonly json?: boolean
}

export async function log(options: LogOptions, context: CommandContext): Promise<ExitCode> {
  const { terminal } = context
  const limit = parseCount(options.limit)
  if (limit === undefined) {
    terminal.error('--limit takes a whole number from 1')
    return 1
  }
  return withStore(options.config, context, async store => {
    const text = options.find
    const decisions = await store.decisions({ limit, ...(text === undefined ? {} : { text }) })
    if (options.json) {
      for (const decision of decisions) terminal.line(JSON.stringify(decision))
      return 0
    }
    const { good, bad, faint } = paints(terminal)
    const rows = decisions.map(decision => {
      const { outcome } = REASONS[decision.reason as Reason] ?? { outcome: 'unknown' }
      const colour = outcome === 'accepted' ? good : outcome === 'rejected' ? bad : faint
      return [
        new Date(decision.at).toISOString(),
        decision.network,
        colour(decision.reason),
        decision.status ?? '',
        printable(decision.click_id ?? '', 40),
        printable(decision.transaction_id ?? '', 40),
        decision.record ?? '',
        decision.destinations.join(', ') || printable(decision.detail ?? ''),
      ]
    })
    const head = [
      'time',
      'network',
      'reason',
      'status',
      'click id',
      'transaction',
      'record',
      'sent to',
    ]
    for (const line of table(terminal, head, rows)) terminal.line(line)
    return 0
  })
}
