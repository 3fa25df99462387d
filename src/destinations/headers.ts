/**
 * Header templates. A value that HTTP cannot carry (a control character, a letter outside
 * ISO 8859-1) makes the delivery a dead letter: it can neither add a header nor reach the wire.
 */
import { ruleFault, type Path } from './fault.ts'
import type { RequestSource } from './source.ts'
import { compileValue, type Scope } from './value.ts'

export type Headers = Readonly<Record<string, string>>

/** RFC 9110 §5.6.2 */
const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** RFC 9110 §5.5, without tab and the C1 controls. */
const VALUE = /^[\x20-\x7e\xa0-\xff]*$/

/** Set by the connection or by the gateway itself. */
const RESERVED = new Set([
  'host',
  'connection',
  'content-length',
  'transfer-encoding',
  'keep-alive',
  'upgrade',
  'te',
  'trailer',
  'expect',
  'proxy-authorization',
  'proxy-connection',
  'accept-encoding',
  'content-encoding',
])

const PLAIN = { encode: undefined, encodesLiterals: false, isProse: true }

/** Names in lower case; a header whose macro is empty is left out. */
export function compileHeaders(
  templates: Readonly<Record<string, string>>,
  contentType: string | undefined,
  path: Path,
  scope: Scope,
): (source: RequestSource) => Headers {
  const fixed: Record<string, string> = contentType ? { 'content-type': contentType } : {}
  const changing: { name: string; render: (source: RequestSource) => string | undefined }[] = []
  for (const [written, template] of Object.entries(templates)) {
    const name = written.toLowerCase()
    const here = [...path, written]
    const refuse = (message: string) => scope.faults.push(ruleFault(here, message))
    if (!NAME.test(name)) refuse('not a header name')
    if (RESERVED.has(name)) refuse(`the header ${name} is set by the gateway`)
    if (name === '__proto__') refuse('not a header name')
    if (name === 'content-type' && !contentType) refuse('content-type needs a body')
    const value = compileValue(template, PLAIN, here, scope)
    if (!value.constant) changing.push({ name, render: value.render })
    else if (value.constant.text !== undefined) {
      if (!VALUE.test(value.constant.text))
        refuse(`the header ${name} holds what HTTP cannot carry`)
      fixed[name] = value.constant.text
    }
  }
  if (changing.length === 0) {
    const headers = Object.freeze(fixed)
    return () => headers
  }
  return source => {
    const headers = { ...fixed }
    for (const { name, render } of changing) {
      const value = render(source)
      if (value === undefined) continue
      if (VALUE.test(value)) headers[name] = value
      else source.fault ??= headerFault(name)
    }
    return headers
  }
}

function headerFault(name: string): NonNullable<RequestSource['fault']> {
  return {
    reason: 'template_error',
    detail: `the header ${name} would hold a control character or a letter outside ISO 8859-1`,
  }
}
