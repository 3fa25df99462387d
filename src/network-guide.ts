/**
 * What connects a network: the URL to paste there, what to put into postern.yaml, what it is
 * answered. In: its rule and where this installation is reached. Out: facts and steps as text; the
 * command `postern networks` and the reference page print the same. Pure; holds no secret.
 */
import { stringify } from 'yaml'
import { REASONS, type Outcome, type Reason } from './reasons.ts'
import { needsOf } from './rules/needs.ts'
import type { NetworkRule } from './rules/schema.ts'
import { compileSource } from './rules/source.ts'

export interface NetworkPlace {
  /** Id of the rule. */
  readonly id: string
  /** Name in the configuration and in the URL. */
  readonly name: string
  /** How networks reach this installation, without a slash at the end. */
  readonly baseUrl: string
}

export interface NetworkGuide extends NetworkPlace {
  readonly title: string
  readonly kind: NetworkRule['kind']
  readonly verified: NetworkRule['verified']
  /** Where the facts come from; none where only public code shows them. */
  readonly docs: string | undefined
  /** Keys of postern.yaml that must be set, such as `secrets` or `settings.publisher_hash`. */
  readonly needs: readonly string[]
  /** Names of the checks, in their order. */
  readonly checks: readonly string[]
  /** What to paste at the network; `TOKEN` stands for the operator's own. */
  readonly url: string
  /** For postern.yaml. */
  readonly yaml: string
  readonly steps: readonly string[]
  readonly answers: readonly NetworkAnswer[]
  readonly notes: string | undefined
}

/** What the network reads where the rule or the defaults decide. */
export interface NetworkAnswer {
  /** An outcome, or a reason that is answered otherwise than its outcome. */
  readonly when: string
  readonly status: string
  readonly body: string
  /** The rule says so; false for a default. */
  readonly isOwn: boolean
}

interface Answer {
  readonly status?: number
  readonly body?: string
}

export function guideOf(rule: NetworkRule, place: NetworkPlace): NetworkGuide {
  const guide = {
    ...place,
    title: rule.name,
    kind: rule.kind,
    verified: rule.verified,
    docs: rule.docs,
    needs: needNames(rule),
    checks: rule.verify.flatMap(check => Object.keys(check)),
    url: pasteUrl(rule, place),
    yaml: yamlOf(rule, place),
    answers: answersOf(rule),
    notes: rule.notes,
  }
  return { ...guide, steps: stepsOf(rule, guide) }
}

function needNames(rule: NetworkRule): string[] {
  const needs = needsOf(rule)
  return [
    ...(needs.secrets ? ['secrets'] : []),
    ...(needs.tokens.length > 0 ? ['tokens'] : []),
    ...(needs.ips ? ['ips'] : []),
    ...needs.settings.map(name => `settings.${name}`),
    ...(needs.publicBaseUrl ? ['server.public_base_url'] : []),
    ...(needs.acceptance ? ['accept_unverified'] : []),
  ]
}

/** The rule's own template behind this installation's URL. */
function pasteUrl(rule: NetworkRule, { baseUrl, name }: NetworkPlace): string {
  const path = needsOf(rule).tokens.includes('path:token') ? `/in/${name}/TOKEN` : `/in/${name}`
  return rule.paste === undefined ? `${baseUrl}${path}` : `${baseUrl}${path}?${rule.paste}`
}

function yamlOf(rule: NetworkRule, { id, name }: NetworkPlace): string {
  const needs = needsOf(rule)
  const { settings = {} } = rule
  const values = needs.settings.map(setting => {
    const { secret, example } = settings[setting] ?? {}
    return [setting, secret ? environment(name, setting) : (example ?? 'VALUE')]
  })
  const network = {
    ...(id === name ? {} : { rule: id }),
    ...(needs.acceptance ? { accept_unverified: true } : {}),
    ...(needs.secrets ? { secrets: [environment(name, 'secret')] } : {}),
    ...(needs.tokens.length > 0 ? { tokens: [environment(name, 'token')] } : {}),
    ...(needs.ips ? { ips: ['203.0.113.0/24'] } : {}),
    ...(values.length > 0 ? { settings: Object.fromEntries(values) } : {}),
  }
  return stringify({ networks: { [name]: network } }, { lineWidth: 0 })
}

function environment(network: string, what: string): string {
  const name = `${network}_${what}`.toUpperCase().replaceAll('-', '_')
  // A name of the environment does not begin with a digit.
  return `\${${/^\d/.test(name) ? 'N' : ''}${name}}`
}

type Unstepped = Omit<NetworkGuide, 'steps'>

function stepsOf(rule: NetworkRule, guide: Unstepped): string[] {
  const needs = needsOf(rule)
  const { settings = {} } = rule
  const addresses = rule.verify.flatMap(({ ip }) => ip ?? [])
  const steps: (string | false)[] = [
    needs.acceptance &&
      `Nobody has verified these facts: compare the rule with ${rule.docs ?? 'what the network tells you'} before you set accept_unverified.`,
    needs.publicBaseUrl &&
      `The signature covers the full URL: server.public_base_url must be exactly how ${rule.name} calls this gateway, such as ${guide.baseUrl}.`,
    `Put this into postern.yaml, with what it names in the environment:\n${guide.yaml.trimEnd()}`,
    needs.secrets &&
      `secrets: the key with which ${rule.name} signs; several may be listed, to change it without a gap.`,
    ...needs.tokens.map(token => tokenStep(rule, token)),
    ...needs.settings.map(name => `settings.${name}: ${settings[name]?.title ?? ''}.`),
    needs.ips && `ips: the addresses that ${rule.name} sends from; ask it for them.`,
    addresses.length > 0 &&
      `The sender's address must be one of ${addresses.join(', ')}. Behind a proxy of your own, name it in server.trusted_proxies; where the list has changed, set \`ips\`.`,
    `Send it on: \`routes: [{ from: [${guide.name}], to: [YOUR-DESTINATION] }]\`. Then run \`postern check\`.`,
    rule.paste === undefined
      ? `Enter this URL at ${rule.name}, which adds its parameters itself:\n${guide.url}`
      : `Enter this URL at ${rule.name}, with its macros as they stand:\n${guide.url}`,
    `Try it: \`postern send ${guide.name}\` fires a signed example at the running gateway, \`postern log\` shows what came in.`,
  ]
  return steps.filter(step => step !== false)
}

function tokenStep(rule: NetworkRule, token: string): string {
  const example = 'such as the output of `openssl rand -hex 16`'
  if (token === 'path:token') {
    return `tokens: make one up, ${example}, and write it in the place of TOKEN in the URL below.`
  }
  const filled = new URLSearchParams(rule.paste).get(token)
  if (filled === '') {
    return `tokens: make one up, ${example}, and write it behind ${token}= in the URL below.`
  }
  const where = compileSource(token)
  const kind = where.ok && where.value.kind === 'param' ? `the parameter ${token}` : token
  return `tokens: the password that ${rule.name} sends in ${kind}; set the same at both sides.`
}

/** By outcome where the rule says nothing; REASON is one of the reason codes. */
const DEFAULT_ANSWERS: readonly Omit<NetworkAnswer, 'isOwn'>[] = [
  { when: 'accepted', status: '200', body: 'OK' },
  { when: 'duplicate', status: '200', body: 'OK' },
  { when: 'ignored', status: '200', body: 'OK' },
  { when: 'rejected', status: '400, 401 or 403', body: '{"ok":false,"reason":"REASON"}' },
  { when: 'deferred', status: '503', body: '{"ok":false,"reason":"REASON"}' },
]

function answersOf({ reply = {} }: NetworkRule): NetworkAnswer[] {
  const byOutcome = DEFAULT_ANSWERS.map(({ when, status, body }) => {
    const own: Answer | undefined = reply[when as Outcome]
    return {
      when,
      status: own?.status === undefined ? status : `${own.status}`,
      body: own?.body ?? body,
      isOwn: own !== undefined,
    }
  })
  const byReason = Object.entries(reply.reasons ?? {}).map(([reason, own]) => {
    const { outcome, http } = REASONS[reason as Reason]
    const whole: Answer = { ...reply[outcome], ...own }
    const body = whole.body ?? DEFAULT_ANSWERS.find(({ when }) => when === outcome)?.body ?? ''
    return { when: reason, status: `${whole.status ?? http}`, body, isOwn: true }
  })
  return [...byOutcome, ...byReason]
}
