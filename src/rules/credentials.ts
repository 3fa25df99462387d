/** Parameters that prove who sent a postback: never a field of the conversion, never sent on. */
import type { Check } from './schema.ts'
import { compileSource } from './source.ts'

/** Parameter keys (see `paramKey`) of every token and signature among the checks. */
export function credentialKeys(checks: readonly Check[]): ReadonlySet<string> {
  const keys = new Set<string>()
  for (const { token, signature } of checks) {
    for (const text of [token, signature?.from]) {
      const source = text === undefined ? undefined : compileSource(text)
      if (source?.ok && source.value.kind === 'param') keys.add(source.value.name)
    }
  }
  return keys
}
