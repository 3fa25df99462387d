/** The values that an operator sets for a destination, checked against what it declares. */
import { fail, ok, type Result } from '../base/result.ts'
import { compileWholePattern } from '../rules/match.ts'
import type { DestinationRule } from '../rules/destination-schema.ts'
import { nearest } from '../rules/similar.ts'
import { encodeForm, encodeJson, encodeUrl } from '../rules/template.ts'
import { configFault, ruleFault, type DestinationFault } from './fault.ts'
import { holdsPlaceholder } from './placeholder.ts'

export interface SettingDeclaration extends Declared {
  /**
   * Only for types in code. `template`: the value may hold macros; `document`: it is a file, with
   * the line breaks and braces of one.
   */
  readonly holds?: 'template' | 'document'
}
type Declared = NonNullable<DestinationRule['settings']>[string]
export type SettingDeclarations = Readonly<Record<string, SettingDeclaration>>

export interface Settings {
  /** Every declared setting; an optional one that is not set is empty. */
  readonly values: ReadonlyMap<string, string>
  /** Secret values in every form in which a request may show them, longest first. */
  readonly secrets: readonly string[]
}

export function resolveSettings(
  declared: SettingDeclarations,
  configured: Readonly<Record<string, string>>,
): Result<Settings, DestinationFault[]> {
  const faults: DestinationFault[] = []
  const values = new Map<string, string>()
  const secrets = new Set<string>()
  for (const name of Object.keys(configured)) {
    if (Object.hasOwn(declared, name)) continue
    const meant = nearest(name, Object.keys(declared))
    const message = `unknown setting "${name}"${meant ? `, did you mean "${meant}"?` : ''}`
    faults.push(configFault(['settings', name], message))
  }
  for (const [name, declaration] of Object.entries(declared)) {
    const path = ['settings', name]
    const set = Object.hasOwn(configured, name) ? configured[name] : undefined
    const value = set ?? declaration.default
    if (value === undefined) {
      faults.push(configFault(path, `setting "${name}" is missing`, declaration.title))
      continue
    }
    const problem = value === '' ? undefined : problemOf(value, declaration)
    if (problem) faults.push(configFault(path, `setting "${name}" ${problem}`, declaration.title))
    if (declaration.pattern !== undefined && value !== '') {
      const pattern = compileWholePattern(declaration.pattern)
      if (!pattern.ok) faults.push(ruleFault([...path, 'pattern'], pattern.error))
      else if (!pattern.value(value)) {
        faults.push(configFault(path, `setting "${name}" has the wrong form`, declaration.title))
      }
    }
    if (value === '' && declaration.default !== '') {
      faults.push(configFault(path, `setting "${name}" is empty`, declaration.title))
    }
    if (declaration.secret && value !== '') {
      for (const encode of [same, encodeUrl, encodeForm, encodeJson]) secrets.add(encode(value))
    }
    values.set(name, value)
  }
  if (faults.length > 0) return fail(faults)
  return ok({ values, secrets: [...secrets].toSorted((a, b) => b.length - a.length) })
}

const same = (value: string): string => value

function problemOf(value: string, { holds }: SettingDeclaration): string | undefined {
  if (holds === 'document') return undefined
  if (/[\u0000-\u001f\u007f]/.test(value)) return 'holds a control character or a line break'
  if (holds !== 'template' && holdsPlaceholder(value))
    return 'still holds a placeholder; enter the real value'
  return undefined
}
