/** Hash or HMAC over a template of single values: what nearly every offerwall and network does. */
import { fail, ok, type Result } from '../base/result.ts'
import type { SignatureCheck } from '../rules/check-schema.ts'
import type { RuleFault } from '../rules/rule-fault.ts'
import { refusal, type CompileCheck, type VerifyOptions } from './context.ts'
import { compileFormats } from './formats.ts'
import { compileDigest, DIGEST_BYTES, nothingSecret, type Recipe } from './recipe.ts'
import { compileSigned } from './signed-check.ts'
import { compileSignedText } from './signed-text.ts'

export const compileSignature: CompileCheck<SignatureCheck> = (spec, options, path) => {
  const recipe = compileRecipe(spec, options, path)
  if (!recipe.ok) return recipe
  const formats = compileFormats(spec.formats ?? {}, [...path, 'formats'])
  if (!formats.ok) return formats
  const signed = compileSigned(spec, recipe.value, options, path)
  if (!signed.ok || !spec.formats) return signed
  const { check } = signed.value
  return ok({
    ...signed.value,
    check: (postback, now) => check(postback, now) ?? formats.value(postback),
  })
}

function compileRecipe(
  spec: SignatureCheck,
  options: VerifyOptions,
  path: RuleFault['path'],
): Result<Recipe, readonly RuleFault[]> {
  const { algorithm, rounds = 1 } = spec
  const isHmac = spec.hmac ?? false
  const keyPath = [...path, 'key']
  const over = compileSignedText(spec.over, options, [...path, 'over'])
  if (!over.ok) return over
  const key = compileSignedText(spec.key ?? '{secret}', options, keyPath)
  if (!key.ok) return key
  const faults: RuleFault[] = []
  if (spec.key !== undefined && !isHmac) {
    faults.push({ path: keyPath, message: 'only an HMAC has a key', hint: 'set `hmac: true`' })
  }
  if (spec.rounds !== undefined && isHmac) {
    faults.push({ path: [...path, 'rounds'], message: 'only a plain hash goes more rounds' })
  }
  if (!over.value.usesPostback) {
    faults.push({
      path: [...path, 'over'],
      message: 'this signs nothing of the postback, so one signature would hold for every postback',
    })
  }
  const keyed = isHmac ? key.value : over.value
  if (!keyed.usesSecret && !keyed.usesSettings) {
    faults.push(nothingSecret([...path, isHmac ? 'key' : 'over']))
  }
  if (faults.length > 0) return fail(faults)
  const digestOf = compileDigest(algorithm)
  return ok({
    bytes: DIGEST_BYTES[algorithm],
    usesSecret: over.value.usesSecret || (isHmac && key.value.usesSecret),
    sign: (postback, secret) => {
      const text = over.value.render(postback, secret)
      if (!text.ok) return text
      if (text.value.length === 0) return fail(refusal('signature_invalid', 'nothing is signed'))
      let keyText: string | Buffer | undefined
      if (isHmac) {
        const rendered = key.value.render(postback, secret)
        if (!rendered.ok) return rendered
        keyText = rendered.value
      }
      let digest = digestOf(keyText, text.value)
      for (let round = 1; round < rounds; round++) {
        digest = digestOf(undefined, digest)
      }
      return ok(digest)
    },
  })
}
