/** What a rule's schema cannot say. In: a rule of the right shape. Out: faults by path. Pure. */
import { paramKey } from '../model/postback.ts'
import { CIDR_WORDS, cidrProblem } from './address.ts'
import { compileWholePattern } from './match.ts'
import type { RuleFault } from './rule-fault.ts'
import type { DestinationRule } from './destination-schema.ts'
import type { NetworkRule } from './schema.ts'

export function lintNetwork(rule: NetworkRule): RuleFault[] {
  return [
    ...lintSettings(rule.settings),
    ...lintAddresses(rule),
    ...tokenReaders(rule.fields, rule.verify),
  ]
}

export function lintDestination(rule: DestinationRule): RuleFault[] {
  const byStatus = Object.entries(rule.requests_by_status ?? {})
  return [
    ...lintSettings(rule.settings),
    ...lintUrl(rule.request.url, ['request', 'url']),
    ...byStatus.flatMap(([status, { url }]) => lintUrl(url, ['requests_by_status', status, 'url'])),
  ]
}

function lintUrl(url: string, path: RuleFault['path']): RuleFault[] {
  const problem = urlProblem(url)
  return problem ? [{ path, ...problem }] : []
}

function lintSettings(settings: NetworkRule['settings']): RuleFault[] {
  const faults: RuleFault[] = []
  for (const [name, setting] of Object.entries(settings ?? {})) {
    const path = ['settings', name]
    if (setting.secret && setting.default) {
      faults.push({
        path: [...path, 'default'],
        message: 'a secret setting has no default',
        hint: 'remove it; everybody who reads the rule would know the secret',
      })
    }
    if (setting.pattern === undefined) continue
    const matches = compileWholePattern(setting.pattern)
    if (!matches.ok) {
      faults.push({
        path: [...path, 'pattern'],
        message: 'not a valid RE2 pattern',
        hint: 'no look-around and no back-references: https://github.com/google/re2/wiki/Syntax',
      })
      continue
    }
    for (const key of ['default', 'example'] as const) {
      const value = setting[key]
      // An empty default means: left out unless the operator sets it.
      if (value === undefined || value === '' || matches.value(value)) continue
      faults.push({ path: [...path, key], message: `\`${key}\` does not match its own pattern` })
    }
  }
  return faults
}

function lintAddresses(rule: NetworkRule): RuleFault[] {
  return rule.verify.flatMap((check, index) =>
    (check.ip ?? []).flatMap((entry, at): RuleFault[] => {
      const problem = cidrProblem(entry)
      if (!problem) return []
      return [{ path: ['verify', index, 'ip', at], message: CIDR_WORDS[problem] }]
    }),
  )
}

/** Fields that read the shared token: it would be sent on to every destination. */
export function tokenReaders(
  fields: Readonly<Record<string, readonly string[]>> | undefined,
  verify: NetworkRule['verify'],
): RuleFault[] {
  const tokens = new Set<string>()
  for (const check of verify) if (check.token !== undefined) tokens.add(sourceKey(check.token))
  return Object.entries(fields ?? {}).flatMap(([field, sources]) =>
    sources.flatMap((source, at): RuleFault[] => {
      if (!tokens.has(sourceKey(source))) return []
      const message = `\`${field}\` reads the parameter that carries the shared token`
      const hint = 'the token would be sent on to destinations; read another parameter'
      return [{ path: ['fields', field, at], message, hint }]
    }),
  )
}

function sourceKey(source: string): string {
  const [bare = ''] = source.startsWith('literal:') ? [source] : source.split('|')
  const colon = bare.indexOf(':')
  if (colon < 0) return paramKey(bare)
  const kind = bare.slice(0, colon)
  return kind === 'header' ? bare.toLowerCase() : bare
}

const SETTING = /^\{settings\.[a-z0-9][a-z0-9_-]*\}$/
const AUTHORITY = /^([^:/?#]+):\/\/([^/?#]*)/

/**
 * Where a request goes is decided by the rule and the operator, never by a postback: scheme and
 * host are literal text or settings. https://cheatsheetseries.owasp.org/cheatsheets/Server_Side_Request_Forgery_Prevention_Cheat_Sheet.html
 */
function urlProblem(url: string): { message: string; hint: string } | undefined {
  const whole = /^\{settings\.[a-z0-9][a-z0-9_-]*\}(?=$|[/?])/
  if (whole.test(url)) return undefined
  const [, scheme, authority] = AUTHORITY.exec(url) ?? []
  const hint = 'write `https://host/path`; the host is literal or `{settings.NAME}`'
  if (scheme === undefined || authority === undefined) return { message: 'not a full URL', hint }
  if (scheme !== 'https' && scheme !== 'http') {
    return { message: 'only https and http are spoken', hint }
  }
  if (/[@\\\s]/.test(authority)) {
    return { message: 'a URL carries no user name or password', hint: 'use a header' }
  }
  const port = /:(\d*)$/.exec(authority)?.[1]
  if (port !== undefined && !(Number(port) >= 1 && Number(port) <= 65535)) {
    return { message: 'the port is out of range: 1–65535', hint }
  }
  const parts = authority.replace(/:\d*$/, '').split(/(\{[^}]*\})/)
  for (const part of parts) {
    if (part.startsWith('{') ? !SETTING.test(part) : !/^[A-Za-z0-9.[\]:-]*$/.test(part)) {
      return { message: 'the host would depend on a postback, or is not valid', hint }
    }
  }
  const host = parts.join('')
  if (host === '' || host.startsWith('.') || host.includes('..')) {
    return { message: 'the host is empty or has an empty part', hint }
  }
  return undefined
}
