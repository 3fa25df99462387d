/** Settings of the configuration against those that a rule declares. */
import { compileWholePattern } from '../rules/match.ts'
import { unknownKey } from '../rules/schema-faults.ts'
import type { SourceDocument } from '../rules/document.ts'
import type { Fault, Path } from '../rules/faults.ts'
import type { NetworkRule } from '../rules/schema.ts'
import { isReference } from './reference.ts'
import { literalSecret } from './secrets.ts'

export type SettingDeclarations = NonNullable<NetworkRule['settings']>
type Settings = Readonly<Record<string, string>> | undefined

/** `written` is the text before references, `resolved` after; both are of the right shape. */
export function checkSettings(
  document: SourceDocument,
  owner: Path,
  declared: SettingDeclarations,
  written: Settings,
  resolved: Settings,
): Fault[] {
  const faults: Fault[] = []
  const names = Object.keys(declared)
  for (const name of Object.keys(resolved ?? {})) {
    if (Object.hasOwn(declared, name)) continue
    faults.push(unknownKey(document, [...owner, 'settings', name], name, names))
  }
  for (const [name, setting] of Object.entries(declared)) {
    const path = [...owner, 'settings', name]
    const value = resolved?.[name]
    const about = setting.example ? `${setting.title}, such as ${setting.example}` : setting.title
    if (value === undefined) {
      if (setting.default !== undefined) continue
      const place = resolved ? [...owner, 'settings'] : owner
      faults.push(document.fault(place, `missing setting \`${name}\``, about))
      continue
    }
    if (setting.secret && !isReference(written?.[name])) faults.push(literalSecret(document, path))
    else if (value === '' && setting.default === '') continue
    else if (setting.secret && value === '') {
      faults.push(document.fault(path, `setting \`${name}\` is empty`, about))
    } else if (setting.pattern !== undefined && !isWhole(setting.pattern, value)) {
      faults.push(document.fault(path, `setting \`${name}\` is not of the right form`, about))
    }
  }
  return faults
}

/** An invalid pattern is the rule's fault and was told there; nothing matches it. */
function isWhole(pattern: string, value: string): boolean {
  const compiled = compileWholePattern(pattern)
  return compiled.ok && compiled.value(value)
}
