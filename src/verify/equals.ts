/** A value must be the configured one: the account, application or vendor that a postback is for. */
import { fail, ok } from '../base/result.ts'
import type { EqualsCheck } from '../rules/check-schema.ts'
import { compileSource } from '../rules/source.ts'
import { compileAppended } from './appended-text.ts'
import { refusal, type CompileCheck } from './context.ts'

export const compileEquals: CompileCheck<EqualsCheck> = (spec, options, path) => {
  const source = compileSource(spec.from)
  if (!source.ok) return fail([{ path: [...path, 'from'], message: source.error }])
  const text = compileAppended(spec.value, options, [...path, 'value'])
  if (!text.ok) return text
  if (text.value.usesSecret) {
    const message = 'a secret is compared with `token`'
    return fail([{ path: [...path, 'value'], message }])
  }
  const expected = text.value.render('')
  if (expected === '') {
    const message = 'nothing to compare with: the setting is empty'
    return fail([
      { path: [...path, 'value'], message, hint: 'set it in `settings` of the network' },
    ])
  }
  const from = source.value
  const refused = refusal('param_invalid', `${spec.from} is not the configured value`)
  return ok({
    check: postback => (from.read(postback).value === expected ? undefined : refused),
    proof: { from, fromText: spec.from, kind: 'value', value: () => ok(expected) },
  })
}
