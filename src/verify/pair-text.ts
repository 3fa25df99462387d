/** One signed pair as text: `{key}={value}`, with the secret in it where a network wants that. */
import { fail, ok, type Result } from '../base/result.ts'
import type { RuleFault } from '../rules/rule-fault.ts'
import {
  compileTemplate,
  encodeForm,
  encodeUrl,
  type Encode,
  type Macro,
  type Macros,
} from '../rules/template.ts'
import { settingMacro } from './appended-text.ts'
import type { VerifyOptions } from './context.ts'

export interface PairText {
  readonly usesSecret: boolean
  /** A secret or a setting takes part. */
  readonly isSecret: boolean
  render(key: string, value: string, secret: string): string
}

/** Of names and values. PHP's urlencode leaves letters, digits and `-_.`, and writes a space as `+`. */
export const ENCODINGS: Readonly<Record<'none' | 'php' | 'rfc3986', Encode>> = {
  none: text => text,
  // https://www.php.net/manual/en/function.http-build-query.php: PHP_QUERY_RFC1738, the default.
  php: text => encodeForm(text).replaceAll('~', '%7E'),
  rfc3986: encodeUrl,
}

interface Part {
  readonly key: string
  readonly value: string
  readonly secret: string
}

export function compilePair(
  text: string,
  { settings = {} }: VerifyOptions,
  path: RuleFault['path'],
): Result<PairText, readonly RuleFault[]> {
  const macros: Macros<Part> = {
    names: ['key', 'value', 'secret', ...Object.keys(settings).map(name => `settings.${name}`)],
    resolve: name => resolve(name, settings),
  }
  const compiled = compileTemplate(text, macros)
  if (!compiled.ok) return fail([{ path, message: compiled.error.message }])
  const template = compiled.value
  const names = template.macros
  if (!names.includes('value')) {
    return fail([{ path, message: 'without {value} no value would be signed' }])
  }
  const usesSecret = names.includes('secret')
  // A template whose macros are all empty renders as nothing, but an empty value is signed, too.
  const empty = text.replace(/\{[^{}]*\}/g, '')
  return ok({
    usesSecret,
    isSecret: usesSecret || names.some(name => name.startsWith('settings.')),
    render: (key, value, secret) => template.render({ key, value, secret }) ?? empty,
  })
}

function resolve(
  name: string,
  settings: Readonly<Record<string, string>>,
): Macro<Part> | undefined {
  if (name === 'key' || name === 'value' || name === 'secret') {
    return { get: part => part[name], kind: 'text' }
  }
  return settingMacro(name, settings)
}
