/**
 * JSON templates. The text of the body is put together from pieces that were encoded at load; a
 * number goes from the conversion's digits to the body's digits and is never a float between.
 */
import type { JsonTemplate } from '../rules/destination-schema.ts'
import { encodeJson } from '../rules/template.ts'
import { ruleFault, type Path } from './fault.ts'
import { holdsPlaceholder } from './placeholder.ts'
import type { RequestSource } from './source.ts'
import { compileValue, type Scope } from './value.ts'

/** JSON text; undefined where nothing is left of the node. */
type Render = (source: RequestSource) => string | undefined

/** RFC 8259 §6, without exponent. */
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/
const POSITION = { encode: encodeJson, encodesLiterals: true, isProse: true }

/** The root object always stays, even where all its keys are dropped. */
export function compileJson(
  template: JsonTemplate,
  path: Path,
  scope: Scope,
): (source: RequestSource) => string {
  const render = compileNode(template, path, scope)
  return source => render(source) ?? '{}'
}

function compileNode(node: JsonTemplate, path: Path, scope: Scope): Render {
  if (typeof node === 'string') return compileText(node, path, scope)
  if (Array.isArray(node)) {
    const items = node.map((item: JsonTemplate, i) => compileNode(item, [...path, i], scope))
    return join('[', ']', items, () => '')
  }
  if (typeof node === 'object' && node !== null) {
    const entries = Object.entries(node as Readonly<Record<string, JsonTemplate>>)
    const keys = entries.map(([key]) => `${JSON.stringify(key)}:`)
    for (const [key] of entries) {
      if (!holdsPlaceholder(key)) continue
      scope.faults.push(ruleFault([...path, key], 'a key is fixed: it holds no macro'))
    }
    const values = entries.map(([key, value]) => compileNode(value, [...path, key], scope))
    return join('{', '}', values, i => keys[i] ?? '')
  }
  const constant = JSON.stringify(node)
  return () => constant
}

function compileText(text: string, path: Path, scope: Scope): Render {
  const value = compileValue(text, POSITION, path, scope)
  const toJson = value.kind === 'number' ? numberOrString : quote
  if (value.constant) {
    const constant = value.constant.text === undefined ? undefined : toJson(value.constant.text)
    return () => constant
  }
  const { render } = value
  return source => {
    const encoded = render(source)
    return encoded === undefined ? undefined : toJson(encoded)
  }
}

const quote = (encoded: string): string => `"${encoded}"`
const numberOrString = (encoded: string): string =>
  NUMBER.test(encoded) ? encoded : quote(encoded)

/** A list or object; undefined where it had parts and every one of them is gone. */
function join(
  open: string,
  close: string,
  parts: readonly Render[],
  before: (index: number) => string,
): Render {
  if (parts.length === 0) return () => open + close
  return source => {
    let text = ''
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i]?.(source)
      if (part !== undefined) text += (text && ',') + before(i) + part
    }
    return text === '' ? undefined : open + text + close
  }
}
