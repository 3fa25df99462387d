/**
 * What a rule's checks leave open although each is correct: warnings of `postern check`, for an
 * operator to accept with open eyes. None stops a rule from loading.
 */
import { MONEY_FIELDS } from '../model/conversion.ts'
import { paramKey } from '../model/postback.ts'
import type { RuleFault } from '../rules/rule-fault.ts'
import type { Check, PairsSignatureCheck, SignatureCheck } from '../rules/check-schema.ts'
import type { NetworkRule } from '../rules/schema.ts'
import { compileSource } from '../rules/source.ts'
import { coverageOf, signedKey, signsBody } from './coverage.ts'
import { macrosOf } from './macros-of.ts'

/** 128 bits in hex. */
const SAFE_DIGITS = 32

type LintedRule = Pick<NetworkRule, 'verify' | 'fields'>

export function lintVerify(rule: LintedRule): RuleFault[] {
  const checks = rule.verify
  if (checks.every(isNoProof)) {
    return [
      {
        path: ['verify'],
        message: 'nothing is checked: whoever knows the URL can report conversions',
        hint: 'use at least `- token: path:token`',
      },
    ]
  }
  const warnings: RuleFault[] = []
  if (checks.every(check => check.token !== undefined || isNoProof(check))) {
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
    const { signature, pairs_signature: pairs } = check
    if (signature) {
      const path = ['verify', index, 'signature']
      warnings.push(...lintSignature(signature, path), ...lintLength(signature.truncate, path))
    }
    if (pairs) {
      const path = ['verify', index, 'pairs_signature']
      warnings.push(...lintPairs(pairs, path), ...lintLength(pairs.truncate, path))
    }
  }
  warnings.push(...unsignedMoney(rule))
  return warnings
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

/** What is signed with few bits can be guessed by trying. */
function lintLength(truncate: number | undefined, path: RuleFault['path']): RuleFault[] {
  if (truncate === undefined || truncate >= SAFE_DIGITS) return []
  return [
    {
      path: [...path, 'truncate'],
      message: `a signature of ${truncate * 4} bits can be found by trying`,
      hint: 'add `- token: path:token` or an `ip` check',
    },
  ]
}

function lintPairs({ pair, join = '' }: PairsSignatureCheck, path: RuleFault['path']): RuleFault[] {
  const literal = pair.replace(/\{[^{}]*\}/g, '')
  if (literal !== '' || join !== '' || /\{(key|secret|settings\.)/.test(pair)) return []
  return [
    {
      path: [...path, 'pair'],
      message: 'nothing stands between the values, so characters can be shifted between them',
      hint: 'ask the network for a signature over names and values',
    },
  ]
}

/** Money that decides what is paid, read from where no signature reaches. */
function unsignedMoney({ verify, fields }: LintedRule): RuleFault[] {
  const coverages = verify.flatMap(check => coverageOf(check) ?? [])
  if (coverages.length === 0) return []
  return MONEY_FIELDS.flatMap(field => {
    const open = (fields?.[field] ?? []).filter(text => {
      const source = compileSource(text)
      if (!source.ok || source.value.kind === 'literal') return false
      return !coverages.some(isCovered => isCovered(source.value))
    })
    if (open.length === 0) return []
    return [
      {
        path: ['fields', field],
        message: `the signature does not cover ${open.join(', ')}, so whoever sees one valid postback can send another amount`,
        hint: verify.some(signsBody)
          ? 'a parameter may also come from the query, which is not signed; read it as json:NAME'
          : 'ask the network for a signature over the amount, or add an `ip` check',
      },
    ]
  })
}

/** Comes from the postback, at a length that its sender chooses. */
function isValue(name: string): boolean {
  return name !== 'secret' && !name.startsWith('settings.')
}

/** Says something about a postback, but proves nothing of its sender. */
function isNoProof({ equals, freshness }: Check): boolean {
  return equals !== undefined || freshness !== undefined
}
