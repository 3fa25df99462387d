/**
 * What signed values must look like. `md5(tx + user + secret)` without delimiters gives tx=1,user=23
 * and tx=12,user=3 one signature; a format per value takes the ambiguity away.
 */
import { RE2JS } from 're2js'
import { fail, ok, type Result } from '../base/result.ts'
import { paramKey, type Postback } from '../model/postback.ts'
import type { Refusal } from '../reasons.ts'
import type { RuleFault } from '../rules/rule-fault.ts'
import { readParam } from '../rules/source.ts'
import { refusal } from './context.ts'
import { undecidable } from './signed-text.ts'

/** Each value must match its whole pattern; a missing one counts as empty. */
export function compileFormats(
  formats: Readonly<Record<string, string>>,
  path: RuleFault['path'],
): Result<(postback: Postback) => Refusal | undefined, readonly RuleFault[]> {
  const faults: RuleFault[] = []
  const tests: { name: string; key: string; pattern: RE2JS }[] = []
  for (const [name, text] of Object.entries(formats)) {
    try {
      tests.push({ name, key: paramKey(name), pattern: RE2JS.compile(text) })
    } catch (error) {
      const message = `not a valid RE2 pattern: ${(error as Error).message}`
      faults.push({ path: [...path, name], message })
    }
  }
  if (faults.length > 0) return fail(faults)
  return ok(postback => {
    for (const { name, key, pattern } of tests) {
      const reading = readParam(postback, key)
      if (reading.found === 'many' || reading.found === 'broken') {
        return undecidable(reading.found, name)
      }
      if (!pattern.matcher(reading.value ?? '').matches()) {
        return refusal('param_invalid', `format of ${name}`)
      }
    }
    return undefined
  })
}
