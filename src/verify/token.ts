/** A shared token in the path, a parameter or a header. Any of several is valid, for rotation. */
import { fail, ok } from '../base/result.ts'
import { compileSource } from '../rules/source.ts'
import { refusal, type CompileCheck } from './context.ts'
import { compileEqualsAny } from './equal.ts'

export const compileToken: CompileCheck<string> = (text, options, path) => {
  const source = compileSource(text)
  if (!source.ok) return fail([{ path, message: source.error }])
  const tokens = options.tokens ?? []
  const first = tokens[0]
  if (first === undefined || tokens.includes('')) {
    return fail([
      {
        path,
        message: 'this check compares a token and none is configured, or an empty one',
        hint: 'set `tokens: [${ENV}]` of the network',
      },
    ])
  }
  const isToken = compileEqualsAny(tokens)
  const from = source.value
  return ok({
    check: postback => {
      const { found, value } = from.read(postback)
      if (found === 'none' || value === '') return refusal('secret_missing', text)
      return found === 'one' && isToken(value) ? undefined : refusal('secret_mismatch', text)
    },
    proof: { from, fromText: text, kind: 'token', value: () => ok(first) },
  })
}
