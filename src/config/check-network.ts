/** One configured network against its rule: secrets, addresses, settings, replaced fields. */
import { INPUT_FIELDS } from '../model/conversion.ts'
import { tokenReaders } from '../rules/lint.ts'
import { needsOf } from '../rules/needs.ts'
import { unknownKey } from '../rules/schema-faults.ts'
import { SOURCE_PATTERN } from '../rules/shape.ts'
import type { NetworkRule } from '../rules/schema.ts'
import { checkCidrs } from './check-server.ts'
import type { Findings } from './findings.ts'
import type { Config, NetworkConfig } from './schema.ts'
import { checkSettings } from './settings.ts'

const SOURCE = new RegExp(SOURCE_PATTERN)

export function checkNetwork(
  name: string,
  rule: NetworkRule,
  config: Config,
  written: NetworkConfig | undefined,
  to: Findings,
): void {
  const network = config.networks[name] ?? {}
  const path = ['networks', name]
  const declared = rule.settings ?? {}
  to.add(checkSettings(to.document, path, declared, written?.settings, network.settings))
  checkCidrs(network.ips, [...path, 'ips'], to)
  checkFields(network, rule, path, to)
  // A network that is switched off may wait for its secrets.
  if (network.enabled === false) return

  if (rule.verify.length === 0) {
    to.warn(path, `the rule of \`${name}\` checks nothing: everybody can report conversions`)
  }
  const needs = needsOf(rule)
  if (needs.tokens.length > 0 && !network.tokens) {
    const hint = "tokens: ['${NAME}'], and the same token in the URL at the network"
    to.fault(path, 'missing key `tokens`: the rule checks a shared token', hint)
  }
  if (needs.secrets && !network.secrets) {
    const hint = "secrets: ['${NAME}'], the key that the network shows beside its postback URL"
    to.fault(path, 'missing key `secrets`: the rule checks a signature', hint)
  }
  if (needs.ips && !network.ips?.length) {
    const hint = "ips: ['203.0.113.0/24'], the addresses that the network sends from"
    to.fault(path, 'missing key `ips`: the rule checks the sender’s address', hint)
  }
  if (needs.publicBaseUrl && config.server?.public_base_url === undefined) {
    const message = `the signature of \`${name}\` covers the full URL; \`server.public_base_url\` is missing`
    to.fault(
      path,
      message,
      'set it to the URL that the network calls, such as https://in.example.com',
    )
  }
  if (network.ips && !rule.verify.some(check => check.ip)) {
    to.fault([...path, 'ips'], 'the rule has no `ip` check: these addresses would not be checked')
  }
  if (network.tokens && needs.tokens.length === 0) {
    to.fault([...path, 'tokens'], 'the rule has no `token` check: these would not be checked')
  }
}

function checkFields(
  network: NetworkConfig,
  rule: NetworkRule,
  path: readonly string[],
  to: Findings,
): void {
  for (const [field, sources] of Object.entries(network.fields ?? {})) {
    const at = [...path, 'fields', field]
    if (!INPUT_FIELDS.some(known => known === field)) {
      to.add([unknownKey(to.document, at, field, INPUT_FIELDS)])
      continue
    }
    for (const [index, source] of sources.entries()) {
      if (SOURCE.test(source)) continue
      const hint =
        'a parameter name, `header:NAME`, `path:token`, `path:event`, `json:a.b` or `literal:TEXT`'
      to.fault([...at, index], 'not a source of a value', hint)
    }
  }
  for (const found of tokenReaders(network.fields, rule.verify)) {
    to.fault([...path, ...found.path], found.message, found.hint)
  }
}
