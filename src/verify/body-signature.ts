/** HMAC over the raw bytes of the body, before anything has parsed them. */
import { fail, ok } from '../base/result.ts'
import type { BodySignatureCheck } from '../rules/check-schema.ts'
import { compileSource } from '../rules/source.ts'
import { refusal, type CompileCheck } from './context.ts'
import { compileDigest, DIGEST_BYTES } from './recipe.ts'
import { compileSigned } from './signed-check.ts'

export const compileBodySignature: CompileCheck<BodySignatureCheck> = (spec, options, path) => {
  const source = compileSource(spec.from)
  if (source.ok && (source.value.kind === 'json' || source.value.kind === 'literal')) {
    const message = 'a signature over the whole body cannot be inside it'
    return fail([{ path: [...path, 'from'], message, hint: 'read it from `header:NAME`' }])
  }
  const digestOf = compileDigest(spec.algorithm)
  return compileSigned(
    spec,
    {
      bytes: DIGEST_BYTES[spec.algorithm],
      usesSecret: true,
      sign: ({ body }, secret) => {
        // It would hold for ever and for every postback without a body.
        if (body.length === 0) return fail(refusal('signature_invalid', 'there is no body'))
        return ok(digestOf(secret, body))
      },
    },
    options,
    path,
  )
}
