/**
 * A signature: read from where it is carried, decoded strictly, compared in constant time with the
 * one each configured secret gives. The algorithm is the rule's, never the sender's.
 */
import { fail, ok, type Result } from '../base/result.ts'
import type { Postback } from '../model/postback.ts'
import type { Refusal } from '../reasons.ts'
import type { SignatureCheck } from '../rules/check-schema.ts'
import { compileSource, type Source } from '../rules/source.ts'
import { refusal, type CompileCheck } from './context.ts'
import { decodeSignature, encodeSignature, type Encoding } from './encoding.ts'
import { equalsAny } from './equal.ts'
import { compileFormats } from './formats.ts'
import type { Recipe } from './recipe.ts'
import { RECIPES } from './recipes.ts'

export const compileSignature: CompileCheck<SignatureCheck> = (spec, options, path) => {
  const source = compileSource(spec.from)
  if (!source.ok) return fail([{ path: [...path, 'from'], message: source.error }])
  const compiled = RECIPES.template(spec, options, path)
  if (!compiled.ok) return compiled
  const recipe = compiled.value
  const formats = compileFormats(spec.formats ?? {}, [...path, 'formats'])
  if (!formats.ok) return formats
  const secrets = options.secrets ?? []
  if (recipe.usesSecret && (secrets.length === 0 || secrets.includes(''))) {
    return fail([
      {
        path,
        message: 'this check needs a secret and none is configured, or an empty one',
        hint: 'set `secrets: [${ENV}]` of the network',
      },
    ])
  }
  // A recipe keyed by a setting is tried once, with no secret.
  const tried = recipe.usesSecret ? secrets : ['']
  const from = source.value
  return ok({
    check: postback => {
      const given = readSignature(postback, from, spec.encoding, recipe.bytes)
      if (!given.ok) return given.error
      const expected: Buffer[] = []
      for (const secret of tried) {
        const signature = recipe.sign(postback, secret)
        if (!signature.ok) return signature.error
        expected.push(signature.value)
      }
      if (!equalsAny(given.value, expected)) return refusal('signature_invalid', spec.from)
      return formats.value(postback)
    },
    proof: {
      from,
      fromText: spec.from,
      kind: 'signature',
      value: postback => signText(recipe, postback, tried[0] ?? '', spec.encoding),
    },
  })
}

function readSignature(
  postback: Postback,
  from: Source,
  encoding: Encoding,
  bytes: number,
): Result<Buffer, Refusal> {
  const { found, value } = from.read(postback)
  if (found === 'none' || value === '') return fail(refusal('signature_missing', from.name))
  if (found === 'many') return fail(refusal('param_duplicate', 'the signature'))
  const signature = found === 'one' ? decodeSignature(value, encoding, bytes) : undefined
  return signature ? ok(signature) : fail(refusal('signature_malformed', from.name))
}

function signText(
  recipe: Recipe,
  postback: Postback,
  secret: string,
  encoding: Encoding,
): Result<string, Refusal> {
  const signature = recipe.sign(postback, secret)
  return signature.ok ? ok(encodeSignature(signature.value, encoding)) : signature
}
