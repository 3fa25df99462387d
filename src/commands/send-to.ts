/** `postern send --to`: the exact request that a destination would get, and, if asked, one real delivery. */
import { createHash } from 'node:crypto'
import { attemptDelivery } from '../deliver/attempt.ts'
import { createTokens } from '../deliver/tokens.ts'
import { createTransport } from '../deliver/transport.ts'
import { exampleConversion } from '../destinations/examples.ts'
import { DESTINATION_TYPES } from '../destinations/registry.ts'
import { maskedRequest } from '../masked-request.ts'
import type { Conversion } from '../model/conversion.ts'
import { deliveryId, type DeliveryRecord, type Destination } from '../model/delivery.ts'
import type { DestinationExample } from '../rules/destination-schema.ts'
import type { RuleSet } from '../ruleset.ts'
import { loadOrReport, type CommandContext, type ExitCode } from './context.ts'
import { requestText } from './request-text.ts'
import { paints } from './terminal.ts'
import { parseCount } from './with-store.ts'

export interface SendToOptions {
  readonly config: string
  readonly example: string
  /** `field=value` over the example's conversion. */
  readonly set?: readonly string[]
  readonly really?: boolean
  /** In the destination's own test mode; sends. */
  readonly test?: boolean
  readonly json?: boolean
}

export async function sendTo(
  name: string,
  options: SendToOptions,
  context: CommandContext,
): Promise<ExitCode> {
  const { terminal, clock } = context
  const rules = await loadOrReport(options.config, context)
  if (!rules) return 1
  const configured = rules.destinations.get(name)
  if (!configured) {
    const known = [...rules.destinations.keys()].join(', ')
    terminal.error(`no destination "${name}" is configured; there are ${known}`)
    return 1
  }
  const destination = asTest(configured)
  const examples = examplesOf(rules, destination)
  const example = examples[(parseCount(options.example) ?? 0) - 1]
  if (!example) {
    terminal.error(`--example takes 1 to ${examples.length}:`)
    examples.forEach(({ title }, i) => terminal.error(`  ${i + 1}  ${title}`))
    return 1
  }
  const now = clock.now()
  const record = recordOf(example, options.set ?? [], rules.loaded.value.destinations[name], now)
  if (typeof record === 'string') {
    terminal.error(record)
    return 1
  }
  if (!options.test) return tell(record, destination, rules, options, context)
  const { test } = destination
  if (test?.missing !== undefined || !test) {
    const why = test ? `needs the setting "${test.missing}"` : 'is not there'
    terminal.error(`${name}: a test mode ${why}; --really sends it as a real one`)
    return 1
  }
  return tell(record, destination, rules, { ...options, really: true }, context)
}

async function tell(
  record: DeliveryRecord,
  destination: Destination,
  { loaded }: RuleSet,
  options: SendToOptions,
  context: CommandContext,
): Promise<ExitCode> {
  const { terminal, clock } = context
  const { good, bad, strong } = paints(terminal)
  const { status } = record.conversion
  if (!destination.wants(record.conversion)) {
    terminal.error(`${destination.id} never gets a conversion like this one, status ${status}`)
    return 1
  }
  const id = deliveryId(record.id, destination.id)
  const built = destination.request(record, { deliveryId: id, attempt: 1, now: clock.now() })
  if (!built.ok) {
    const { reason, detail } = built.error
    terminal.error(`no request can be built: ${reason}: ${detail}; --set FIELD=VALUE fills it in`)
    return 1
  }
  const request = maskedRequest(built.value, [...destination.secrets, ...loaded.secrets])
  if (!options.json) terminal.line(requestText(request, id))
  if (!options.really) {
    if (options.json) terminal.line(JSON.stringify({ ...request, deliveryId: id, sent: false }))
    else
      terminal.line(
        strong(`\nnot sent; --really sends it${hasTestMode(destination) ? ' as a test' : ''}`),
      )
    return 0
  }
  const { attempt } = await attemptOnce(record, destination, context)
  const isTaken = attempt.result === 'ok' || attempt.result === 'duplicate'
  const { result, httpStatus, detail = '' } = attempt
  if (options.json) {
    const answer = { result, httpStatus, detail }
    terminal.line(JSON.stringify({ ...request, deliveryId: id, sent: true, answer }))
  } else {
    const text = `${httpStatus ?? 'no answer'} ${isTaken ? 'delivered' : 'not delivered'}: ${result}`
    terminal.line(`\n${(isTaken ? good : bad)(text)} ${detail}`.trimEnd())
  }
  return isTaken ? 0 : 1
}

/** Where there is a test mode that is set up, everything sent from here is a test. */
function asTest(destination: Destination): Destination {
  if (!hasTestMode(destination)) return destination
  const { request } = destination
  return {
    ...destination,
    request: (record, context) => request(record, { ...context, isTest: true }),
  }
}

function hasTestMode({ test }: Destination): boolean {
  return test !== undefined && test.missing === undefined
}

/** The attempt that a running gateway would make, without store and schedule. */
function attemptOnce(
  record: DeliveryRecord,
  destination: Destination,
  { clock, version }: CommandContext,
) {
  const channel = createTransport({ clock, version }).channel(destination.policy)
  const held = {
    record,
    destination: destination.id,
    attempts: 0,
    from: 'journal',
    startBefore: Number.POSITIVE_INFINITY,
  } as const
  const tokens = destination.grant && createTokens({ grant: destination.grant, channel, clock })
  const way = { destination, channel, tokens, clock, random: () => 0 }
  return attemptDelivery(held, way).finally(() => channel.close())
}

/** What a conversion is like that no rule describes; `--set` gives it the ids it needs. */
const PLAIN: DestinationExample = { title: 'a plain sale', conversion: {} }

/** Those that show a request; the types in code of ad platforms show none. */
function examplesOf({ loaded }: RuleSet, { rule }: Destination): readonly DestinationExample[] {
  const source =
    loaded.catalogue.destinations.get(rule)?.value ??
    DESTINATION_TYPES.find(({ type }) => type === rule)
  const shown = (source?.examples ?? []).filter(({ request }) => request !== undefined)
  return shown.length > 0 ? shown : [PLAIN]
}

/** A conversion of its own at every call, so that a test is never a repeat; or what is wrong. */
function recordOf(
  example: DestinationExample,
  set: readonly string[],
  options: { readonly click_id_from?: string } | undefined,
  now: number,
): DeliveryRecord | string {
  const given = set.map(pair => {
    const equals = pair.indexOf('=')
    return equals < 0 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)]
  })
  const problems: string[] = []
  const fields = { ...example.conversion, ...(Object.fromEntries(given) as Fields) }
  const conversion = exampleConversion(fields, problems)
  if (problems.length > 0) return problems.join('; ')
  const id = createHash('sha256').update(`test ${now}`).digest('hex').slice(0, 32)
  const own: Conversion = { ...conversion, id, network: 'test', received_at: now }
  return { id: `test-${now.toString(36)}-0`, conversion: withOwnClickId(own, options) }
}

type Fields = Readonly<Record<string, string>>

/** Examples carry the click id in `click_id`; a destination may read it from another field. */
function withOwnClickId(
  conversion: Conversion,
  options: { readonly click_id_from?: string } | undefined,
): Conversion {
  const field = options?.click_id_from
  if (field === undefined || field.includes('{') || field.startsWith('q.')) return conversion
  const { click_id } = conversion
  if (click_id === undefined || Object.hasOwn(conversion, field)) return conversion
  return { ...conversion, [field]: click_id }
}
