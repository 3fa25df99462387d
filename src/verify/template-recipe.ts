/** Hash or HMAC over a template: what nearly every offerwall and network does. */
import { createHash, createHmac } from 'node:crypto'
import { fail, ok } from '../base/result.ts'
import type { RuleFault } from '../rules/rule-fault.ts'
import type { CompileRecipe } from './recipe.ts'
import { compileSignedText } from './signed-text.ts'

const BYTES = { md5: 16, sha1: 20, sha256: 32, sha512: 64 } as const

export const compileTemplateRecipe: CompileRecipe = (check, options, path) => {
  const isHmac = check.hmac ?? false
  const keyPath = [...path, 'key']
  const over = compileSignedText(check.over, options, [...path, 'over'])
  if (!over.ok) return over
  const key = compileSignedText(check.key ?? '{secret}', options, keyPath)
  if (!key.ok) return key
  const faults: RuleFault[] = []
  if (check.key !== undefined && !isHmac) {
    faults.push({ path: keyPath, message: 'only an HMAC has a key', hint: 'set `hmac: true`' })
  }
  if (!over.value.usesPostback) {
    faults.push({
      path: [...path, 'over'],
      message: 'this signs nothing of the postback, so one signature would hold for every postback',
    })
  }
  const keyed = isHmac ? key.value : over.value
  if (!keyed.usesSecret && !keyed.usesSettings) {
    faults.push({
      path: [...path, isHmac ? 'key' : 'over'],
      message: 'nothing secret takes part, so anybody could sign',
      hint: 'put {secret} in it',
    })
  }
  if (faults.length > 0) return fail(faults)
  return ok({
    bytes: BYTES[check.algorithm],
    usesSecret: over.value.usesSecret || (isHmac && key.value.usesSecret),
    sign: (postback, secret) => {
      const text = over.value.render(postback, secret)
      if (!text.ok) return text
      if (!isHmac) return ok(createHash(check.algorithm).update(text.value).digest())
      const keyText = key.value.render(postback, secret)
      if (!keyText.ok) return keyText
      return ok(createHmac(check.algorithm, keyText.value).update(text.value).digest())
    },
  })
}
