/**
 * One request through the real stages, dry: nothing is stored or sent. In: a rule set and a request
 * as it would arrive. Out: what each stage decided, by which line of which file, and every request
 * that would go out, with secrets masked.
 */
import { MASK } from './base/redact.ts'
import { maskedRequest } from './masked-request.ts'
import type { Conversion } from './model/conversion.ts'
import { deliveryId, type DeliveryRequest } from './model/delivery.ts'
import type { Postback, VerifiedPostback } from './model/postback.ts'
import type { FieldTrace } from './normalize/normalize.ts'
import { REASONS, type Outcome, type Reason } from './reasons.ts'
import { readPostback, type RawRequest } from './receive/read.ts'
import { defaultReply, type Reply } from './receive/reply.ts'
import { hopOf, isEmpty, toRecord } from './record.ts'
import { readLimits, type NetworkRuntime, type RuleSet } from './ruleset.ts'
import { dedupeHash } from './store/dedupe.ts'
import { compileVerify } from './verify/verify.ts'

export interface Explanation {
  readonly outcome: Outcome
  readonly reason: Reason
  readonly detail: string | undefined
  readonly answer: Reply
  readonly network: string | undefined
  readonly received: readonly { name: string; value: string; from: string }[]
  readonly checks: readonly { check: string; at: string; result: string }[]
  readonly fields: readonly { field: string; value: string; source: string; at: string }[]
  readonly conversion: Readonly<Record<string, unknown>> | undefined
  readonly dedupeKey: string | undefined
  readonly routes: readonly { route: number; at: string; result: string }[]
  readonly deliveries: readonly ExplainedDelivery[]
}

export interface ExplainedDelivery {
  readonly destination: string
  readonly delayMs: number
  /** The request, or why none can be built. */
  readonly request?: DeliveryRequest
  readonly fault?: string
}

export interface ExplainOptions {
  readonly client: string
  readonly now: number
  /** Goes on where verification refuses, to see what would come of it otherwise. */
  readonly skipVerify?: boolean
}

/** A dry run has no store; samples and ids are those of a store with this hash key. */
const HASH_KEY = Buffer.alloc(32)
const RECORD = 'explain-0-0'
const NOTHING = {
  received: [],
  checks: [],
  fields: [],
  conversion: undefined,
  dedupeKey: undefined,
  routes: [],
  deliveries: [],
} as const

type Partly = Partial<Explanation>

export function explain(rules: RuleSet, raw: RawRequest, options: ExplainOptions): Explanation {
  const { client, now, skipVerify = false } = options
  const read = readPostback(raw, client, now, readLimits(rules.loaded))
  if (!read.ok) return end(undefined, read.error.reason, read.error.detail, {})
  const sent = read.value
  const network = rules.networks.get(sent.network)
  if (!network) {
    const known = [...rules.networks.keys()].join(', ')
    return end(undefined, 'unknown_network', `configured: ${known}`, { network: sent.network })
  }
  let so: Partly = { network: network.id, received: receivedOf(sent, network) }
  if (!network.isEnabled) return end(network, 'network_disabled', undefined, so)
  if (network.isProbed && isEmpty(sent)) return end(network, 'probe', undefined, so)
  const opened = network.read(sent)
  if (!opened.ok) return end(network, opened.error.reason, opened.error.detail, so)

  so = { ...so, checks: checksOf(network, opened.value, now) }
  const verified = network.verifier.check(opened.value, now)
  if (!verified.ok && !skipVerify) {
    return end(network, verified.error.reason, verified.error.detail, so)
  }
  // Only here may an unverified postback go on: nothing comes of it.
  const postback = verified.ok ? verified.value : (opened.value as VerifiedPostback)

  const trace: FieldTrace[] = []
  const normalized = network.normalize(postback, trace)
  so = {
    ...so,
    fields: trace.map(({ path, ...field }) => ({ ...field, at: placeOf(rules, network, path) })),
  }
  if (normalized.kind === 'refused') {
    const { reason, detail } = normalized.refusal
    return end(network, reason, detail, so)
  }
  if (normalized.kind === 'ignored') {
    return end(network, normalized.reason, undefined, {
      ...so,
      conversion: normalized.value.conversion,
    })
  }
  const { dedupeKey } = normalized.value
  const id = dedupeHash(HASH_KEY, network.id, dedupeKey)
  const conversion: Conversion = { ...normalized.value.conversion, id }
  so = {
    ...so,
    dedupeKey,
    conversion,
    routes: routesOf(rules, conversion),
    deliveries: deliveriesOf(rules, conversion, hopOf(sent), now),
  }
  return end(network, 'new', undefined, so)
}

function end(
  network: NetworkRuntime | undefined,
  reason: Reason,
  detail: string | undefined,
  so: Partly,
): Explanation {
  const conversion = so.conversion as Partial<Conversion> | undefined
  const answer = network ? network.reply(reason, conversion) : defaultReply(reason)
  return {
    ...NOTHING,
    network: undefined,
    ...so,
    outcome: REASONS[reason].outcome,
    reason,
    detail,
    answer,
  }
}

function receivedOf({ params, pathToken, pathEvent }: Postback, { verifier }: NetworkRuntime) {
  const path = [
    ...(pathToken === undefined ? [] : [{ name: 'token', value: MASK, from: 'path' }]),
    ...(pathEvent === undefined ? [] : [{ name: 'event', value: pathEvent, from: 'path' }]),
  ]
  const pairs = params.map(({ name, key, value, raw, source }) => ({
    name,
    value: verifier.secretKeys.has(key) ? MASK : (value ?? `${raw} (cannot be decoded)`),
    from: source as string,
  }))
  return [...path, ...pairs]
}

function checksOf({ rule, verifyOptions }: NetworkRuntime, postback: Postback, now: number) {
  let seen = postback
  return rule.value.verify.map((check, index) => {
    const one = compileVerify([check], verifyOptions)
    const result = one.ok ? one.value.check(seen, now) : undefined
    // Behind an envelope, checks see what was inside.
    if (result?.ok) seen = result.value
    return {
      check: Object.keys(check).join(),
      at: at(rule.locate(['verify', index])),
      result: !result || result.ok ? 'passed' : `${result.error.reason}: ${result.error.detail}`,
    }
  })
}

function routesOf({ router, loaded }: RuleSet, conversion: Conversion) {
  return router.explain(conversion).map(({ route, miss, to }) => ({
    route: route + 1,
    at: at(loaded.source.locate(['routes', route])),
    result:
      miss === undefined
        ? to.map(({ destination, decision }) => `${destination}: ${decision}`).join(', ')
        : `does not apply: ${miss}`,
  }))
}

function deliveriesOf(
  rules: RuleSet,
  conversion: Conversion,
  hop: number,
  now: number,
): readonly ExplainedDelivery[] {
  const routed = rules.router.route(conversion)
  const record = toRecord(RECORD, conversion, routed, { hop })
  return routed.flatMap(({ destination: id, delayMs }): ExplainedDelivery[] => {
    const destination = rules.destinations.get(id)
    if (!destination) return []
    const context = { deliveryId: deliveryId(RECORD, id), attempt: 1, now }
    const built = destination.request(record, context)
    if (!built.ok)
      return [{ destination: id, delayMs, fault: `${built.error.reason}: ${built.error.detail}` }]
    const secrets = [...destination.secrets, ...rules.loaded.secrets]
    const request = maskedRequest(built.value, secrets)
    return [{ destination: id, delayMs, request }]
  })
}

/** `override` paths lie in postern.yaml, all others in the network's rule file. */
function placeOf(
  { loaded }: RuleSet,
  { id, rule }: NetworkRuntime,
  path: FieldTrace['path'],
): string {
  const [first, ...rest] = path
  if (first === 'override') return at(loaded.source.locate(['networks', id, ...rest]))
  return at(rule.locate(path))
}

function at({ file, line, col }: { file: string; line: number; col: number }): string {
  return `${file}:${line}:${col}`
}
