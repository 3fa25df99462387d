/** Text behind what is signed: the secret, settings and literals, nothing of the postback. */
import { fail, ok, type Result } from '../base/result.ts'
import type { RuleFault } from '../rules/rule-fault.ts'
import { compileTemplate, type Macro } from '../rules/template.ts'
import type { VerifyOptions } from './context.ts'

export interface AppendedText {
  readonly usesSecret: boolean
  /** A secret or a setting takes part. */
  readonly isSecret: boolean
  render(secret: string): string
}

/** Undefined: nothing is put behind. */
export function compileAppended(
  text: string | undefined,
  { settings = {} }: VerifyOptions,
  path: RuleFault['path'],
): Result<AppendedText, readonly RuleFault[]> {
  if (text === undefined) return ok({ usesSecret: false, isSecret: false, render: () => '' })
  const compiled = compileTemplate<string>(text, {
    names: ['secret', ...Object.keys(settings).map(name => `settings.${name}`)],
    resolve: name =>
      name === 'secret' ? { get: secret => secret, kind: 'text' } : settingMacro(name, settings),
  })
  if (!compiled.ok) return fail([{ path, message: compiled.error.message }])
  const { macros, render } = compiled.value
  return ok({
    usesSecret: macros.includes('secret'),
    isSecret: macros.length > 0,
    render: secret => render(secret) ?? '',
  })
}

/** `settings.NAME`; undefined where the operator's settings have no such name. */
export function settingMacro(
  name: string,
  settings: Readonly<Record<string, string>>,
): Macro<unknown> | undefined {
  const setting = name.startsWith('settings.') ? name.slice('settings.'.length) : undefined
  if (setting === undefined || !Object.hasOwn(settings, setting)) return undefined
  const value = settings[setting]
  return { get: () => value, kind: 'text' }
}
