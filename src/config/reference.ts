/**
 * How a reference is written: `${NAME}`, `${NAME:-default}` or `${file:/path}`. Pure.
 */

export type Reference =
  | { readonly kind: 'env'; readonly name: string; readonly fallback: string | undefined }
  | { readonly kind: 'file'; readonly path: string }

const REFERENCE = /\$\{([^}]*)\}/g
const ENV = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s

/** True for a text that holds a reference, also a broken one. */
export function hasReference(text: unknown): boolean {
  return typeof text === 'string' && text.includes('${')
}

/** True for a text that is one reference and nothing else. */
export function isReference(text: unknown): boolean {
  return typeof text === 'string' && /^\$\{[^}]*\}$/.test(text)
}

/** Literal text and references in order; undefined where a `${` is not one of the three forms. */
export function parseReferences(text: string): (string | Reference)[] | undefined {
  const parts: (string | Reference)[] = []
  let end = 0
  for (const match of text.matchAll(REFERENCE)) {
    const literal = text.slice(end, match.index)
    if (literal.includes('${')) return undefined
    const inner = match[1] ?? ''
    if (inner.startsWith('file:')) {
      parts.push(literal, { kind: 'file', path: inner.slice('file:'.length) })
    } else {
      const env = ENV.exec(inner)
      if (!env?.[1]) return undefined
      parts.push(literal, { kind: 'env', name: env[1], fallback: env[2] })
    }
    end = match.index + match[0].length
  }
  const rest = text.slice(end)
  if (rest.includes('${')) return undefined
  return [...parts, rest]
}
