/**
 * A status that is told by several values together: `{goal}x{status}` is `2x1` in `join: x`.
 * A part that was not sent is empty text; where none was, there is no status.
 */
import { fail, ok, type Result } from '../base/result.ts'
import type { Postback } from '../model/postback.ts'
import type { Refusal } from '../reasons.ts'
import type { RuleFault } from '../rules/rule-fault.ts'
import { compileSource, type Source } from '../rules/source.ts'
import { readStatusWord, type Draft } from './draft.ts'
import { formOf } from './macro-guard.ts'

export type ReadJoined = (postback: Postback, draft: Draft) => Refusal | undefined

export function compileJoinedStatus(spec: {
  readonly from?: readonly string[]
  readonly join?: string
}): Result<ReadJoined, readonly RuleFault[]> {
  const { from = [], join = '' } = spec
  const faults: RuleFault[] = []
  const sources: Source[] = []
  from.forEach((text, index) => {
    const source = compileSource(text)
    if (source.ok) sources.push(source.value)
    else faults.push({ path: ['status', 'from', index], message: source.error })
  })
  if (from.length < 2) {
    faults.push({
      path: ['status', 'join'],
      message: '`join` needs two or more sources in `from`',
      hint: 'without `join` the first source with a value decides',
    })
  }
  if (faults.length > 0) return fail(faults)
  return ok((postback, draft) => {
    const parts: string[] = []
    for (const source of sources) {
      const { found, value } = source.read(postback)
      if (found === 'many') return { reason: 'param_duplicate', detail: `status: ${source.name}` }
      if (found === 'broken')
        return { reason: 'encoding_invalid', detail: `status: ${source.name}` }
      parts.push(value !== undefined && formOf(value) !== 'empty' ? value : '')
    }
    return parts.every(part => part === '') ? undefined : readStatusWord(draft, parts.join(join))
  })
}
