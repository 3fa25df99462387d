/** The body of a request: a form, JSON, or text, with values encoded for what it is. */
import type { RequestTemplate } from '../rules/destination-schema.ts'
import { encodeForm, encodeJson, type Encode } from '../rules/template.ts'
import { ruleFault, type Path } from './fault.ts'
import { compileJson } from './json-body.ts'
import { compilePairs } from './pairs.ts'
import type { RequestSource } from './source.ts'
import { compileValue, type Scope } from './value.ts'

export interface CompiledBody {
  readonly contentType: string
  render(source: RequestSource): string
}

/** Undefined where the request has none. */
export function compileBody(
  request: RequestTemplate,
  path: Path,
  scope: Scope,
): CompiledBody | undefined {
  const given = (['form', 'json', 'body'] as const).filter(kind => request[kind] !== undefined)
  const refuse = (key: string, message: string) => {
    scope.faults.push(ruleFault([...path, key], message))
  }
  if (given[1]) refuse(given[1], `a request has one body: ${given.join(' or ')}`)
  if (given[0] && request.method === 'GET') refuse(given[0], 'a GET request has no body')
  if (request.content_type !== undefined && request.body === undefined) {
    refuse('content_type', 'content_type belongs to body; form and json have their own')
  }
  if (request.form) {
    const pairs = Object.entries(request.form).map(([name, value]) => {
      return { name, value, path: [...path, 'form', name], isPlain: true }
    })
    return {
      contentType: 'application/x-www-form-urlencoded',
      render: compilePairs(pairs, encodeForm, scope),
    }
  }
  if (request.json !== undefined) {
    return {
      contentType: 'application/json',
      render: compileJson(request.json, [...path, 'json'], scope),
    }
  }
  if (request.body === undefined) return undefined
  if (request.content_type === undefined) {
    refuse('body', 'body needs a content_type beside it')
    return undefined
  }
  return compileText(request.body, request.content_type, [...path, 'body'], scope)
}

function compileText(text: string, contentType: string, path: Path, scope: Scope): CompiledBody {
  const encode = encodingOf(contentType)
  const value = compileValue(text, { encode, encodesLiterals: false, isProse: true }, path, scope)
  return { contentType, render: source => value.render(source) ?? '' }
}

/** Literals of a text body are the author's; values are encoded by the type, plain text not at all. */
function encodingOf(contentType: string): Encode | undefined {
  const type = contentType.split(';')[0]?.trim().toLowerCase() ?? ''
  if (type.endsWith('/json') || type.endsWith('+json')) return encodeJson
  if (type.endsWith('/xml') || type.endsWith('+xml')) return encodeXml
  return type === 'application/x-www-form-urlencoded' ? encodeForm : undefined
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
}
const encodeXml: Encode = value => value.replace(/[&<>"']/g, c => ENTITIES[c] ?? c)
