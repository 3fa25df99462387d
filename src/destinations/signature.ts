/**
 * Signatures that a rule declares for its query, form or headers. In: what is signed, as a template.
 * Out: a macro `{signature.NAME}`. Keys come from settings only; a signature never covers another.
 */
import { createHash, createHmac } from 'node:crypto'
import type { DestinationRule, SignatureTemplate } from '../rules/destination-schema.ts'
import { compileTemplate, encodeUrl, type Macro, type Macros } from '../rules/template.ts'
import { ruleFault, type Path } from './fault.ts'
import type { RequestSource } from './source.ts'
import type { Scope } from './value.ts'

/** The macros of `scope`, and `signature.NAME` for every signature of the rule. */
export function withSignatures(
  signatures: DestinationRule['signatures'],
  scope: Scope,
): Macros<RequestSource> {
  const { macros } = scope
  if (!signatures) return macros
  const own = new Map<string, Macro<RequestSource>>()
  for (const [name, template] of Object.entries(signatures)) {
    const get = compileSignature(template, ['signatures', name], scope)
    own.set(`signature.${name}`, { get, kind: 'text' })
  }
  return {
    names: [...macros.names, ...own.keys()],
    resolve: name => own.get(name) ?? macros.resolve(name),
  }
}

function compileSignature(
  template: SignatureTemplate,
  path: Path,
  { macros, settings, faults }: Scope,
): (source: RequestSource) => string | undefined {
  const { algorithm, hmac = false, key, encoding } = template
  const refuse = (part: string, message: string, hint?: string) => {
    faults.push(ruleFault([...path, part], message, hint))
    return () => undefined
  }
  if (hmac && key === undefined) return refuse('hmac', 'an HMAC needs a key', 'key: "{settings.…}"')
  if (!hmac && key !== undefined) {
    return refuse('key', 'only an HMAC has a key', 'set hmac: true, or write the key into over')
  }
  const over = compileTemplate(template.over, macros, template.url_encoded ? encodeUrl : undefined)
  if (!over.ok) return refuse('over', over.error.message)
  const content = over.value.render
  if (key === undefined) {
    return source =>
      createHash(algorithm)
        .update(content(source) ?? '')
        .digest(encoding)
  }
  const keyText = compileTemplate(key, settings)
  if (!keyText.ok) return refuse('key', 'the key comes from settings only', '{settings.NAME}')
  const bytes = Buffer.from(keyText.value.render() ?? '')
  if (bytes.length === 0) return refuse('key', 'the key is empty')
  return source =>
    createHmac(algorithm, bytes)
      .update(content(source) ?? '')
      .digest(encoding)
}
