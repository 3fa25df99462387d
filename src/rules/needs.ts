/** What a network's rule wants from the operator before it can run. In: a rule. Out: its needs. Pure. */
import type { Check } from './check-schema.ts'
import type { NetworkRule } from './schema.ts'

export interface Needs {
  /** A key that signs or encrypts: `secrets`. */
  readonly secrets: boolean
  /** Where each shared token is read, as the rule writes it: `tokens`. */
  readonly tokens: readonly string[]
  /** The rule checks the sender's address and knows none: `ips`. */
  readonly ips: boolean
  /** A signature covers the full URL: `server.public_base_url`. */
  readonly publicBaseUrl: boolean
  /** Settings that have no default. */
  readonly settings: readonly string[]
  /** Nobody has verified the facts: `accept_unverified`. */
  readonly acceptance: boolean
}

export function needsOf(rule: Pick<NetworkRule, 'verify' | 'settings' | 'verified'>): Needs {
  const { verify, settings = {} } = rule
  return {
    secrets: verify.some(needsSecret),
    tokens: verify.flatMap(({ token }) => (token === undefined ? [] : [token])),
    ips: verify.some(({ ip }) => ip !== undefined) && !verify.some(({ ip }) => ip?.length),
    publicBaseUrl: verify.some(usesUrl),
    settings: Object.keys(settings).filter(name => settings[name]?.default === undefined),
    acceptance: rule.verified === 'unverified',
  }
}

function needsSecret(check: Check): boolean {
  if (check.body_signature || check.timestamped_signature || check.envelope) return true
  const { signature, url_signature: url, pairs_signature: pairs } = check
  if (url?.hmac || pairs?.hmac) return true
  const templates = [
    signature?.over,
    signature?.hmac ? (signature.key ?? '{secret}') : undefined,
    url?.append,
    pairs?.pair,
    pairs?.append,
  ]
  return templates.some(template => template !== undefined && /\{secret[|}]/.test(template))
}

function usesUrl({ url_signature: url }: Check): boolean {
  return url?.covers === 'url'
}
