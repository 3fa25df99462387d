/** Hash or HMAC over all pairs of the query or form, put in an order and written by a template. */
import { fail, ok } from '../base/result.ts'
import type { PairsSignatureCheck } from '../rules/check-schema.ts'
import type { RuleFault } from '../rules/rule-fault.ts'
import { compileSource } from '../rules/source.ts'
import { compileAppended } from './appended-text.ts'
import { refusal, type CompileCheck } from './context.ts'
import { compilePair, ENCODINGS } from './pair-text.ts'
import { compilePairs } from './pairs.ts'
import { DIGEST_BYTES, hashing, nothingSecret } from './recipe.ts'
import { compileSigned } from './signed-check.ts'

export const compilePairsSignature: CompileCheck<PairsSignatureCheck> = (spec, options, path) => {
  const { algorithm, hmac = false, join = '' } = spec
  const source = compileSource(spec.from)
  if (!source.ok) return fail([{ path: [...path, 'from'], message: source.error }])
  const pair = compilePair(spec.pair, options, [...path, 'pair'])
  if (!pair.ok) return pair
  const append = compileAppended(spec.append, options, [...path, 'append'])
  if (!append.ok) return append
  const faults: RuleFault[] = []
  if ((spec.order === 'listed') !== (spec.names !== undefined)) {
    const message = '`names` and `order: listed` go together'
    faults.push({ path: [...path, spec.names ? 'names' : 'order'], message })
  }
  if (!hmac && !pair.value.isSecret && !append.value.isSecret) {
    faults.push(nothingSecret([...path, 'append']))
  }
  if (faults.length > 0) return fail(faults)
  const select = compilePairs(spec, source.value.keys)
  const encode = ENCODINGS[spec.encode ?? 'none']
  return compileSigned(
    spec,
    {
      bytes: DIGEST_BYTES[algorithm],
      usesSecret: hmac || pair.value.usesSecret || append.value.usesSecret,
      sign: (postback, secret) => {
        const pairs = select(postback)
        if (!pairs.ok) return pairs
        if (pairs.value.length === 0) {
          return fail(refusal('signature_invalid', `the ${spec.source} has no pair that is signed`))
        }
        const texts = pairs.value.map(([key, value]) =>
          pair.value.render(encode(key), encode(value), secret),
        )
        const hash = hashing(algorithm, hmac ? secret : undefined)
        return ok(hash.update(texts.join(join)).update(append.value.render(secret)).digest())
      },
    },
    options,
    path,
  )
}
