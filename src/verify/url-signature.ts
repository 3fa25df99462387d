/**
 * Hash or HMAC over the URL as the network called it, without the parameter that carries the
 * signature. Read from the raw target: writing a URL again turns `+` into `%20` and a right signature
 * into a wrong one. A URL covers no body, so a postback with one is refused.
 */
import { fail, ok, type Result } from '../base/result.ts'
import type { Postback } from '../model/postback.ts'
import type { Refusal } from '../reasons.ts'
import type { UrlSignatureCheck } from '../rules/check-schema.ts'
import type { RuleFault } from '../rules/rule-fault.ts'
import { compileSource } from '../rules/source.ts'
import { compileAppended } from './appended-text.ts'
import { refusal, type CompileCheck, type VerifyOptions } from './context.ts'
import { splitTarget, withoutParams } from './raw-query.ts'
import { DIGEST_BYTES, hashing, nothingSecret } from './recipe.ts'
import { compileSigned } from './signed-check.ts'

export const compileUrlSignature: CompileCheck<UrlSignatureCheck> = (spec, options, path) => {
  const { algorithm, hmac = false, covers } = spec
  const source = compileSource(spec.from)
  if (!source.ok) return fail([{ path: [...path, 'from'], message: source.error }])
  const append = compileAppended(spec.append, options, [...path, 'append'])
  if (!append.ok) return append
  const faults = faultsOf(spec, options, path)
  if (!hmac && !append.value.isSecret) faults.push(nothingSecret([...path, 'append']))
  if (faults.length > 0) return fail(faults)
  const { keys } = source.value
  const base = covers === 'url' ? options.publicBaseUrl : undefined
  return compileSigned(
    spec,
    {
      bytes: DIGEST_BYTES[algorithm],
      usesSecret: hmac || append.value.usesSecret,
      sign: (postback, secret) => {
        const text = textOf(postback, keys, base)
        if (!text.ok) return text
        const hash = hashing(algorithm, hmac ? secret : undefined)
        return ok(hash.update(text.value).update(append.value.render(secret)).digest())
      },
    },
    options,
    path,
  )
}

function faultsOf(
  { covers, hmac, append }: UrlSignatureCheck,
  { publicBaseUrl }: VerifyOptions,
  path: RuleFault['path'],
): RuleFault[] {
  const faults: RuleFault[] = []
  if (covers === 'url' && publicBaseUrl === undefined) {
    const hint = 'set `server.public_base_url` to the URL that the network calls, without the path'
    faults.push({ path, message: 'the signature covers the full URL, and it is not known', hint })
  }
  if (hmac && append !== undefined) {
    const message = 'an HMAC is keyed by the secret; nothing is put behind the URL'
    faults.push({ path: [...path, 'append'], message, hint: 'remove `append` or `hmac`' })
  }
  return faults
}

/** `base`: in front of the target; undefined for the query alone. */
function textOf(
  { target, body }: Postback,
  carriers: readonly string[],
  base: string | undefined,
): Result<string, Refusal> {
  if (body.length > 0) return fail(refusal('signature_invalid', 'the URL does not cover a body'))
  const [path, query = ''] = splitTarget(target)
  const { text, removed } = withoutParams(query, carriers)
  if (removed > 1) return fail(refusal('param_duplicate', 'the signature'))
  if (text === '') return fail(refusal('signature_invalid', 'no parameter is signed'))
  return ok(base === undefined ? text : `${base}${path}?${text}`)
}
