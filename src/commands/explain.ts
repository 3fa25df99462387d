/** `postern explain`: where would this postback go, and why? */
import { explain as explainRequest, type Explanation } from '../explain.ts'
import { printable } from '../base/redact.ts'
import { loadOrReport, type CommandContext, type ExitCode } from './context.ts'
import { requestText } from './request-text.ts'
import { paints, table, type Terminal } from './terminal.ts'

export interface ExplainCommandOptions {
  readonly config: string
  readonly method?: string
  readonly body?: string
  readonly header?: readonly string[]
  readonly from: string
  readonly skipVerify?: boolean
  readonly json?: boolean
}

export async function explain(
  url: string,
  options: ExplainCommandOptions,
  context: CommandContext,
): Promise<ExitCode> {
  const { terminal, clock } = context
  const rules = await loadOrReport(options.config, context)
  if (!rules) return 1
  const { body = '' } = options
  const method = options.method ?? (options.body === undefined ? 'GET' : 'POST')
  if (method !== 'GET' && method !== 'POST') {
    terminal.error('--method is GET or POST')
    return 1
  }
  const raw = {
    method,
    target: targetOf(url),
    headers: headersOf(options, body),
    body: Buffer.from(body),
  } as const
  const explanation = explainRequest(rules, raw, {
    client: options.from,
    now: clock.now(),
    skipVerify: options.skipVerify === true,
  })
  if (options.json) terminal.line(JSON.stringify(explanation))
  else print(explanation, terminal)
  return explanation.outcome === 'rejected' ? 1 : 0
}

/** Path and query as they would arrive: whatever stands before the path is not sent. */
function targetOf(url: string): string {
  const target = url.replace(/^https?:\/\/[^/?#]*/i, '').replace(/#.*$/s, '')
  return target.startsWith('/') ? target : `/${target}`
}

function headersOf(
  { header = [], body }: ExplainCommandOptions,
  text: string,
): Record<string, string> {
  const headers: Record<string, string> = {}
  if (body !== undefined) {
    const isJson = /^\s*[[{]/.test(text)
    headers['content-type'] = isJson ? 'application/json' : 'application/x-www-form-urlencoded'
  }
  for (const line of header) {
    const colon = line.indexOf(':')
    headers[line.slice(0, colon).trim().toLowerCase()] = line.slice(colon + 1).trim()
  }
  return headers
}

function print(explanation: Explanation, terminal: Terminal): void {
  const { good, bad, strong } = paints(terminal)
  const { received, checks, fields, routes, deliveries, conversion, dedupeKey } = explanation
  const section = (
    title: string,
    head: readonly string[],
    rows: readonly (readonly string[])[],
  ) => {
    if (rows.length === 0) return
    terminal.line(strong(title))
    for (const line of table(terminal, head, rows)) terminal.line(`  ${line}`)
    terminal.line()
  }
  section(
    'receive',
    ['parameter', 'from', 'value'],
    received.map(({ name, from, value }) => [printable(name), from, printable(value)]),
  )
  section(
    'verify',
    ['check', 'result', 'rule'],
    checks.map(({ check, result, at }) => [
      check,
      result === 'passed' ? good(result) : bad(result),
      at,
    ]),
  )
  section(
    'normalize',
    ['field', 'value', 'source', 'rule'],
    fields.map(({ field, value, source, at }) => [field, printable(value), source, at]),
  )
  if (conversion) {
    const shown = Object.entries(conversion).filter(([name]) => name !== 'q' && name !== 'id')
    section(
      'conversion',
      ['field', 'value'],
      shown.map(([name, value]) => [name, printable(String(value))]),
    )
  }
  if (dedupeKey !== undefined) terminal.line(`${strong('dedupe key')}  ${printable(dedupeKey)}\n`)
  section(
    'route',
    ['route', 'result', 'configuration'],
    routes.map(({ route, result, at }) => [String(route), result, at]),
  )
  for (const { destination, delayMs, request, fault } of deliveries) {
    const delay = delayMs > 0 ? `, after ${delayMs / 1000} s` : ''
    terminal.line(strong(`deliver to ${destination}${delay}`))
    const text = request ? requestText(request, `<record>_${destination}`) : bad(fault ?? '')
    for (const line of text.split('\n')) terminal.line(`  ${line}`)
    terminal.line()
  }
  const { outcome, reason, detail, answer } = explanation
  const colour = outcome === 'accepted' ? good : outcome === 'rejected' ? bad : strong
  terminal.line(`${strong('answer')}  ${answer.status} ${JSON.stringify(answer.body)}`)
  terminal.line(`${colour(outcome)}  ${reason}${detail === undefined ? '' : `: ${detail}`}`)
}
