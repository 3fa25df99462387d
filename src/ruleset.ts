/**
 * A loaded configuration compiled into what the pipeline runs: one object, swapped whole at a
 * reload. In: configuration and catalogue. Out: the rule set, or every fault at its file:line:col.
 */
import { fail, ok, type Result } from './base/result.ts'
import type { Builtins } from './config/check.ts'
import type { EffectiveNetwork } from './config/effective.ts'
import { loadConfig, type LoadedConfig, type LoadOptions } from './config/load.ts'
import { checkDestinationUrl } from './deliver/egress.ts'
import { createDestination, DESTINATION_TYPES } from './destinations/registry.ts'
import { compileFront, upstreamFaults, type FrontRules } from './front-rules.ts'
import type { Destination } from './model/delivery.ts'
import type { Postback } from './model/postback.ts'
import { compileNormalize, type Normalize } from './normalize/normalize.ts'
import type { Refusal } from './reasons.ts'
import { expandBody, replaceBody } from './receive/expand.ts'
import type { EdgeTerms } from './receive/server.ts'
import type { ReadLimits } from './receive/limits.ts'
import { compileReply, type Replier } from './receive/reply.ts'
import { compileRoutes, type Router } from './route/route.ts'
import { sortFaults, type Fault } from './rules/faults.ts'
import type { Loaded } from './rules/load.ts'
import type { RuleFault } from './rules/rule-fault.ts'
import type { NetworkRule } from './rules/schema.ts'
import type { AcceptEntry } from './store/store.ts'
import type { VerifyOptions } from './verify/context.ts'
import type { KeyRing } from './verify/key-ring.ts'
import { compileVerify, type Verifier } from './verify/verify.ts'

export interface NetworkRuntime {
  /** Its name in the configuration and in the URL. */
  readonly id: string
  readonly rule: Loaded<NetworkRule>
  readonly isEnabled: boolean
  /** HEAD and an empty GET are the network testing the URL. */
  readonly isProbed: boolean
  /** What is asked of its requests before they are read. */
  readonly terms: EdgeTerms
  /** Opens a body inside a parameter, where the rule names one. */
  read(postback: Postback): Result<Postback, Refusal>
  readonly verifier: Verifier
  /** What its checks were compiled with; for `postern explain`, which runs them one by one. */
  readonly verifyOptions: VerifyOptions
  readonly normalize: Normalize
  readonly reply: Replier
  readonly dedupe: Pick<AcceptEntry, 'windowMs' | 'onAmountChange' | 'allow'>
}

export interface RuleSet {
  readonly loaded: LoadedConfig
  readonly networks: ReadonlyMap<string, NetworkRuntime>
  readonly destinations: ReadonlyMap<string, Destination>
  readonly router: Router
  /** Set where this gateway stands in front of a tracker. */
  readonly front: FrontRules | undefined
}

/** What the rules need of the running process; without it, a dry run's. */
export interface RuleSetPorts {
  /** Public keys of networks that sign with a private one; without it their postbacks are deferred. */
  readonly keys?: KeyRing
}

const DAY_MS = 86_400_000
const DEFAULT_WINDOW_DAYS = 30

/** Types in code as the configuration has to know them. */
export const BUILTINS: Builtins = new Map(
  DESTINATION_TYPES.map(({ type, settings, verified = 'vendor' }) => [
    type,
    { settings, verified },
  ]),
)

/** Configuration file → rule set, or every fault of it and of the rule files it uses. */
export async function loadRuleSet(
  file: string,
  options: Pick<LoadOptions, 'catalogue' | 'env' | 'hasWholeCatalogue'> & RuleSetPorts,
): Promise<Result<RuleSet, Fault[]>> {
  const loaded = await loadConfig(file, { ...options, builtins: BUILTINS })
  return loaded.ok ? compileRuleSet(loaded.value, options) : loaded
}

export function compileRuleSet(
  loaded: LoadedConfig,
  ports: RuleSetPorts = {},
): Result<RuleSet, Fault[]> {
  const { value: config, source } = loaded
  const faults: Fault[] = []
  const networks = new Map<string, NetworkRuntime>()
  for (const id of Object.keys(config.networks)) {
    const network = compileNetwork(loaded, id, ports, faults)
    if (network) networks.set(id, network)
  }
  const destinations = new Map<string, Destination>()
  for (const id of Object.keys(config.destinations)) {
    const destination = compileDestination(loaded, id, faults)
    if (destination) destinations.set(id, destination)
  }
  for (const found of upstreamFaults(loaded)) faults.push(source.fault(found))
  // A route to a destination that did not compile would only repeat the fault.
  if (faults.length > 0) return fail(sortFaults(faults))
  const router = compileRoutes(config.routes, {
    networks: [...networks.keys()],
    destinations: [...destinations.values()],
  })
  if (!router.ok) return fail(sortFaults(router.error.map(found => source.fault(found))))
  const front = compileFront(loaded)
  for (const tracker of front?.trackers ?? []) destinations.set(tracker.id, tracker)
  return ok({ loaded, networks, destinations, router: router.value, front })
}

function compileNetwork(
  loaded: LoadedConfig,
  id: string,
  { keys }: RuleSetPorts,
  faults: Fault[],
): NetworkRuntime | undefined {
  const { value: config, catalogue, source } = loaded
  const network = config.networks[id] as EffectiveNetwork
  const rule = catalogue.networks.get(network.rule) as Loaded<NetworkRule>
  const take = <T>(result: Result<T, readonly RuleFault[]>): T | undefined => {
    if (result.ok) return result.value
    for (const found of result.error) {
      const [first, ...rest] = found.path
      // What postern.yaml changes of a rule is reported in postern.yaml.
      const isOverride = first === 'override'
      faults.push(
        isOverride
          ? source.fault({ ...found, path: ['networks', id, ...rest] })
          : rule.fault(found),
      )
    }
    return undefined
  }
  const { dedupe = {}, body } = rule.value
  const { fields, currency, status_map } = network
  const limits = readLimits(loaded)
  const verifyOptions: VerifyOptions = {
    secrets: network.secrets,
    tokens: network.tokens,
    ips: network.ips,
    settings: network.settings,
    publicBaseUrl: config.server.public_base_url,
    keys,
    readJson: (postback, text) => replaceBody(postback, text, limits),
  }
  const verifier = take(compileVerify(rule.value.verify, verifyOptions))
  const normalize = take(
    compileNormalize(rule.value, {
      network: id,
      secretKeys: verifier?.secretKeys ?? new Set(),
      override: {
        ...(fields === undefined ? {} : { fields }),
        ...(currency === undefined ? {} : { currency }),
        ...(status_map === undefined ? {} : { status_map }),
      },
    }),
  )
  const reply = take(
    compileReply(rule.value.reply, {
      answerRejectedWith: network.answer_rejected_with,
      settings: network.settings,
    }),
  )
  if (!verifier || !normalize || !reply) return undefined
  const windowDays = network.window_days ?? dedupe.window_days ?? DEFAULT_WINDOW_DAYS
  return {
    id,
    rule,
    isEnabled: network.enabled,
    isProbed: rule.value.reply?.probe === true,
    terms: { isHttpsOnly: network.require_https, rate: network.rate_per_second },
    read: body ? postback => expandBody(postback, body, limits) : ok,
    verifier,
    verifyOptions,
    normalize,
    reply,
    dedupe: {
      windowMs: windowDays * DAY_MS,
      onAmountChange: network.on_amount_change ?? dedupe.on_amount_change ?? 'ignore',
      allow: dedupe.allow ?? [],
    },
  }
}

function compileDestination(
  loaded: LoadedConfig,
  id: string,
  faults: Fault[],
): Destination | undefined {
  const { value: config, catalogue, source } = loaded
  const options = config.destinations[id]
  if (!options) return undefined
  const rule = catalogue.destinations.get(options.rule)
  const definition = rule?.value ?? DESTINATION_TYPES.find(({ type }) => type === options.rule)
  if (!definition) return undefined
  const created = createDestination(id, options, definition, config.rates)
  if (!created.ok) {
    for (const found of created.error) {
      const isRule = found.in === 'rule' && rule !== undefined
      const path = isRule ? found.path : ['destinations', id, ...found.path]
      faults.push((isRule ? rule : source).fault({ ...found, path }))
    }
    return undefined
  }
  for (const origin of created.value.origins) {
    const checked = checkDestinationUrl(origin, options.allow_private)
    if (checked.ok) continue
    const { message } = checked.error
    faults.push(source.fault({ path: ['destinations', id], message: `${id}: ${message}` }))
  }
  return created.value
}

/** Where the public keys of its networks are published. */
export function keyUrls({ networks }: RuleSet): readonly string[] {
  const checks = [...networks.values()].flatMap(({ rule }) => rule.value.verify)
  return checks.flatMap(({ ecdsa_signature: check }) => (check ? [check.keys_url] : []))
}

/** What one postback may ask, in the words of the receiver. */
export function readLimits({ value }: LoadedConfig): ReadLimits {
  const { params, value_chars, json_depth } = value.server.limits
  return { params, valueChars: value_chars, jsonDepth: json_depth }
}
