/**
 * `${NAME}`, `${NAME:-default}` and `${file:/path}` in the text values of postern.yaml. In: the
 * document, the environment. Out: the value with every reference replaced, what was a secret, and
 * faults at the text that holds the reference. What a reference brings in is never read again for
 * references, and never shown.
 */
import { stat } from 'node:fs/promises'
import { isAbsolute } from 'node:path'
import type { SourceDocument } from '../rules/document.ts'
import type { Fault, Path } from '../rules/faults.ts'
import { readSource } from '../rules/read-file.ts'
import { hasReference, parseReferences, type Reference } from './reference.ts'
import { isSecretPosition } from './secrets.ts'

export type Environment = Readonly<Record<string, string | undefined>>

const MAX_SECRET_BYTES = 64 * 1024
const FORMS = 'write `${NAME}`, `${NAME:-default}` or `${file:/run/secrets/name}`'

export interface Resolved {
  readonly value: unknown
  /** What came from a file or stands at a secret position. */
  readonly secrets: ReadonlySet<string>
  readonly files: readonly string[]
  readonly faults: readonly Fault[]
  readonly warnings: readonly Fault[]
}

export async function resolveReferences(
  document: SourceDocument,
  env: Environment,
): Promise<Resolved> {
  const secrets = new Set<string>()
  const files: string[] = []
  const faults: Fault[] = []
  const warnings: Fault[] = []

  const fromEnvironment = (reference: Reference & { kind: 'env' }, path: Path): string => {
    const { name, fallback } = reference
    const value = env[name]
    if (value !== undefined && value !== '') return value
    if (fallback !== undefined) {
      if (isSecretPosition(path) && fallback !== '') {
        const message = `${name} is not set: the secret is the default that everybody can read here`
        warnings.push(document.fault(path, message, `set ${name}`))
      }
      return fallback
    }
    const problem = value === undefined ? 'is not set' : 'is empty'
    const hint = `set it, or give a default: \${${name}:-default}`
    faults.push(document.fault(path, `environment variable ${name} ${problem}`, hint))
    return ''
  }

  const fromFile = async (file: string, path: Path): Promise<string> => {
    if (!isAbsolute(file)) {
      faults.push(document.fault(path, 'the path of a secret file must start with `/`', FORMS))
      return ''
    }
    const read = await readSource(file, { maxBytes: MAX_SECRET_BYTES })
    if (!read.ok) {
      const problem = read.error[0]?.message ?? 'cannot be read'
      faults.push(document.fault(path, `secret file ${file}: ${problem}`))
      return ''
    }
    files.push(file)
    const { mode } = await stat(file)
    if ((mode & 0o004) !== 0) {
      const hint = `chmod o-r ${file}`
      warnings.push(document.fault(path, `secret file ${file} can be read by everyone here`, hint))
    }
    // Editors and `echo` end a file with a line break that is no part of the secret.
    const text = read.value.replace(/\r?\n$/, '')
    if (text === '') faults.push(document.fault(path, `secret file ${file} is empty`))
    return text
  }

  const resolveText = async (text: string, path: Path): Promise<string> => {
    const parts = parseReferences(text)
    if (!parts) {
      faults.push(document.fault(path, 'not a valid reference', FORMS))
      return ''
    }
    const isSecret = isSecretPosition(path)
    let resolved = ''
    for (const part of parts) {
      if (typeof part === 'string') {
        resolved += part
        continue
      }
      const isFile = part.kind === 'file'
      const value = isFile ? await fromFile(part.path, path) : fromEnvironment(part, path)
      if (isFile || isSecret) secrets.add(value)
      resolved += value
    }
    return resolved
  }

  const resolve = async (value: unknown, path: Path): Promise<unknown> => {
    if (typeof value === 'string') return hasReference(value) ? resolveText(value, path) : value
    if (Array.isArray(value)) {
      const list: unknown[] = []
      for (const [index, entry] of value.entries())
        list.push(await resolve(entry, [...path, index]))
      return list
    }
    if (typeof value !== 'object' || value === null) return value
    const map = Object.create(null) as Record<string, unknown>
    for (const [key, entry] of Object.entries(value))
      map[key] = await resolve(entry, [...path, key])
    return map
  }

  const value = await resolve(document.value, [])
  secrets.delete('')
  return { value, secrets, files, faults, warnings }
}
