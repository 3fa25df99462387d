/**
 * The `over` and `key` templates of a signature: which values of a postback they name, and what text
 * they come to. A value that cannot be told (sent twice, broken encoding) is a refusal, never a
 * guess; one that is missing counts as empty.
 */
import { fail, ok, type Result } from '../base/result.ts'
import { paramKey, type Postback } from '../model/postback.ts'
import type { Refusal } from '../reasons.ts'
import type { RuleFault } from '../rules/rule-fault.ts'
import { readParam, readRawParam, type Reading } from '../rules/source.ts'
import { compileTemplate, type Macro, type Macros } from '../rules/template.ts'
import { refusal, type VerifyOptions } from './context.ts'

export interface SignedText {
  render(postback: Postback, secret: string): Result<string | Buffer, Refusal>
  readonly usesSecret: boolean
  /** A value of the configuration takes part, which may be a secret. */
  readonly usesSettings: boolean
  /** Whether the postback itself takes part. */
  readonly usesPostback: boolean
}

/** What one rendering reads from and reports to. */
interface Rendering {
  readonly postback: Postback
  readonly secret: string
  fault: Refusal | undefined
}

export function compileSignedText(
  text: string,
  options: VerifyOptions,
  path: RuleFault['path'],
): Result<SignedText, readonly RuleFault[]> {
  if (/\{_?url[|}]/.test(text)) {
    const hint = 'a parameter of this name is {q.url}'
    return fail([{ path, message: 'the URL is signed with `url_signature`', hint }])
  }
  const compiled = compileTemplate(text, macrosFor(options))
  if (!compiled.ok) return fail([{ path, message: compiled.error.message }])
  const template = compiled.value
  const names = template.macros
  const usesSecret = names.includes('secret')
  const usesSettings = names.some(name => name.startsWith('settings.'))
  const usesPostback = names.some(name => name !== 'secret' && !name.startsWith('settings.'))
  const uses = { usesSecret, usesSettings, usesPostback }
  // The exact bytes, whatever they are.
  if (text === '{body}') return ok({ ...uses, render: postback => ok(postback.body) })
  return ok({
    ...uses,
    render: (postback, secret) => {
      const rendering: Rendering = { postback, secret, fault: undefined }
      const rendered = template.render(rendering)
      if (rendering.fault) return fail(rendering.fault)
      // A signature over nothing would hold for ever and for everything.
      if (rendered === undefined && names.length > 0) {
        return fail(refusal('signature_invalid', 'every signed value is missing'))
      }
      return ok(rendered ?? text)
    },
  })
}

function macrosFor(options: VerifyOptions): Macros<Rendering> {
  const settings = options.settings ?? {}
  return {
    names: ['secret', 'body', ...Object.keys(settings).map(name => `settings.${name}`)],
    resolve: name => {
      if (name === 'secret') return macro(({ secret }) => secret)
      if (name === 'body') return macro(({ postback }) => postback.body.toString())
      const [prefix, rest] = splitOnce(name)
      if (rest === undefined) return param(name)
      switch (prefix) {
        case 'settings': {
          const value = Object.hasOwn(settings, rest) ? settings[rest] : undefined
          return value === undefined ? undefined : macro(() => value)
        }
        case 'raw':
          return reported(rest, ({ postback }) => readRawParam(postback, paramKey(rest)))
        case 'q':
          return param(rest)
        case 'header':
          return macro(({ postback }) => {
            const value = postback.headers[rest.toLowerCase()]
            return Array.isArray(value) ? value.join(', ') : value
          })
        default:
          return param(name)
      }
    },
  }
}

const macro = (get: (rendering: Rendering) => string | undefined): Macro<Rendering> => ({
  get,
  kind: 'text',
})

function param(name: string): Macro<Rendering> {
  const key = paramKey(name)
  return reported(name, ({ postback }) => readParam(postback, key))
}

function reported(name: string, read: (rendering: Rendering) => Reading): Macro<Rendering> {
  return macro(rendering => {
    const reading = read(rendering)
    if (reading.found === 'many' || reading.found === 'broken') {
      rendering.fault ??= undecidable(reading.found, name)
    }
    return reading.value
  })
}

export function undecidable(found: 'many' | 'broken', name: string): Refusal {
  return found === 'many'
    ? refusal('param_duplicate', `signed: ${name}`)
    : refusal('encoding_invalid', `signed: ${name}`)
}

function splitOnce(name: string): [string, string | undefined] {
  const dot = name.indexOf('.')
  return dot < 0 ? [name, undefined] : [name.slice(0, dot), name.slice(dot + 1)]
}
