/**
 * What a rule's checks leave open although each is correct: warnings of `postern check`, for an
 * operator to accept with open eyes. None stops a rule from loading.
 */
import { MONEY_FIELDS } from '../model/conversion.ts'
import { paramKey } from '../model/postback.ts'
import type { RuleFault } from '../rules/rule-fault.ts'
import type { SignatureCheck } from '../rules/check-schema.ts'
import type { NetworkRule } from '../rules/schema.ts'
import { compileSource } from '../rules/source.ts'

type LintedRule = Pick<NetworkRule, 'verify' | 'fields'>

export function lintVerify(rule: LintedRule): RuleFault[] {
  const checks = rule.verify
  if (checks.length === 0) {
    return [
      {
        path: ['verify'],
        message: 'nothing is checked: whoever knows the URL can report conversions',
        hint: 'use at least `- token: path:token`',
      },
    ]
  }
  const warnings: RuleFault[] = []
  if (checks.every(check => check.token !== undefined)) {
    warnings.push({
      path: ['verify'],
      message: 'a token alone ends up in logs of every proxy on the way; it is all that is checked',
      hint: 'add an `ip` check if the network publishes its addresses',
    })
  }
  for (const [index, check] of checks.entries()) {
    for (const [entry, cidr] of (check.ip ?? []).entries()) {
      if (!cidr.endsWith('/0')) continue
      const path = ['verify', index, 'ip', entry]
      warnings.push({ path, message: 'this range holds every address' })
    }
    if (check.signature)
      warnings.push(...lintSignature(check.signature, ['verify', index, 'signature']))
  }
  warnings.push(...unsignedMoney(rule))
  return warnings
}

interface MacroPlace {
  readonly name: string
  readonly start: number
  readonly end: number
}

function lintSignature(check: SignatureCheck, path: RuleFault['path']): RuleFault[] {
  const warnings: RuleFault[] = []
  const macros = macrosOf(check.over)
  const first = macros[0]
  const endsWithSecret =
    macros.at(-1)?.name === 'secret' && macros.at(-1)?.end === check.over.length
  if (!check.hmac && first?.name === 'secret' && first.start === 0 && !endsWithSecret) {
    // https://www.rfc-editor.org/rfc/rfc2104#section-6: hash(key, text) lets text be appended.
    warnings.push({
      path: [...path, 'over'],
      message: `${check.algorithm} with the secret in front lets an attacker append to the last value`,
      hint: 'give every signed value a format in `formats`',
    })
  }
  const formats = new Set(Object.keys(check.formats ?? {}).map(paramKey))
  for (const [index, macro] of macros.entries()) {
    const next = macros[index + 1]
    if (!next || next.start !== macro.end || !isValue(macro.name) || !isValue(next.name)) continue
    if (formats.has(signedKey(macro.name)) && formats.has(signedKey(next.name))) continue
    warnings.push({
      path: [...path, 'over'],
      message: `nothing stands between {${macro.name}} and {${next.name}}, so characters can be shifted from one to the other`,
      hint: 'give both a format in `formats`',
    })
  }
  return warnings
}

/** Money that decides what is paid, read from where no signature reaches. */
function unsignedMoney({ verify, fields }: LintedRule): RuleFault[] {
  const signatures = verify.flatMap(({ signature }) => (signature ? [signature] : []))
  if (signatures.length === 0) return []
  const names = signatures.flatMap(({ over }) => macrosOf(over).map(({ name }) => name))
  if (names.includes('url')) return []
  const isBodySigned = names.includes('body')
  const signed = new Set(names.map(signedKey))
  return MONEY_FIELDS.flatMap(field => {
    const open = (fields?.[field] ?? []).filter(text => {
      const source = compileSource(text)
      if (!source.ok || source.value.kind === 'literal') return false
      // A parameter may come from the query too, `json:` only from the body.
      if (isBodySigned && source.value.kind === 'json') return false
      return !signed.has(source.value.name)
    })
    if (open.length === 0) return []
    return [
      {
        path: ['fields', field],
        message: `the signature does not cover ${open.join(', ')}, so whoever sees one valid postback can send another amount`,
        hint: isBodySigned
          ? 'a parameter may also come from the query, which is not signed; read it as json:NAME'
          : 'ask the network for a signature over the amount, or add an `ip` check',
      },
    ]
  })
}

function macrosOf(template: string): MacroPlace[] {
  return [...template.matchAll(/\{_?([A-Za-z][\w.-]*)[^{}]*\}/g)].map(match => ({
    name: match[1] ?? '',
    start: match.index,
    end: match.index + match[0].length,
  }))
}

/** Comes from the postback, at a length that its sender chooses. */
function isValue(name: string): boolean {
  return name !== 'secret' && !name.startsWith('settings.')
}

function signedKey(name: string): string {
  return paramKey(name.replace(/^(raw|q|header)\./, ''))
}
