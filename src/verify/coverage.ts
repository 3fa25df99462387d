/** Which sources a signature covers: what is read from elsewhere can be changed under it. */
import { paramKey } from '../model/postback.ts'
import type { Check } from '../rules/check-schema.ts'
import { compileSource, type Source } from '../rules/source.ts'
import { macrosOf } from './macros-of.ts'

export type IsCovered = (source: Source) => boolean

/** Undefined for a check that signs nothing. */
export function coverageOf(check: Check): IsCovered | undefined {
  if (check.signature) return coverageOfText(check.signature.over)
  if (check.url_signature) {
    const carriers = keysOf(check.url_signature.from)
    const hasPath = check.url_signature.covers === 'url'
    // A body is refused, so every parameter comes from the query.
    return ({ kind, keys }) =>
      kind === 'path' ? hasPath : keys.length > 0 && keys.every(key => !carriers.includes(key))
  }
  if (check.ecdsa_signature) {
    const carriers = [check.ecdsa_signature.from, check.ecdsa_signature.key_id].map(paramKey)
    return ({ keys }) => keys.length > 0 && keys.every(key => !carriers.includes(key))
  }
  if (check.pairs_signature) {
    const { from, exclude = [], names } = check.pairs_signature
    const open = new Set([...keysOf(from), ...exclude.map(paramKey)])
    const signed = names && new Set(names.map(paramKey))
    return ({ keys }) =>
      keys.length > 0 && keys.every(key => !open.has(key) && (signed?.has(key) ?? true))
  }
  // A parameter may come from the query too, `json:` only from the body.
  if (check.body_signature || check.timestamped_signature) return ({ kind }) => kind === 'json'
  if (check.envelope) return ({ kind, keys }) => kind === 'json' || keys.length > 0
  return undefined
}

/** Whether it signs the body as a whole, so that `json:` is the way to read what is signed. */
export function signsBody(check: Check): boolean {
  const { signature, body_signature, timestamped_signature } = check
  const isBody = signature && macrosOf(signature.over).some(({ name }) => name === 'body')
  return Boolean(isBody ?? body_signature ?? timestamped_signature)
}

function coverageOfText(over: string): IsCovered {
  const names = macrosOf(over).map(({ name }) => name)
  const hasBody = names.includes('body')
  const signed = new Set(names.map(signedKey))
  return ({ kind, keys, name }) => {
    if (hasBody && kind === 'json') return true
    return keys.length > 0 ? keys.every(key => signed.has(key)) : signed.has(name)
  }
}

export function signedKey(name: string): string {
  return paramKey(name.replace(/^(raw|q|header)\./, ''))
}

function keysOf(text: string): readonly string[] {
  const source = compileSource(text)
  return source.ok ? source.value.keys : []
}
