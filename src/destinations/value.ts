/**
 * One templated value at one position of a request. What depends on settings only is rendered at
 * load and costs nothing per attempt; the rest is rendered with each value encoded for its position.
 */
import { compileTemplate, mapLiterals, type Encode, type Macros } from '../rules/template.ts'
import type { ValueKind } from '../rules/filters.ts'
import { ruleFault, type DestinationFault, type Path } from './fault.ts'
import { holdsPlaceholder, proseHoldsPlaceholder } from './placeholder.ts'
import type { RequestSource } from './source.ts'

/** What every compile step of one destination shares. */
export interface Scope {
  readonly macros: Macros<RequestSource>
  /** `settings.NAME` only. */
  readonly settings: Macros<void>
  readonly faults: DestinationFault[]
}

export interface Position {
  /** Undefined where values stand as they are (headers, plain text). */
  readonly encode: Encode | undefined
  /** True where the rule writes plain text; false where it writes the encoded form itself. */
  readonly encodesLiterals: boolean
  /** True where the rule may write sentences, brackets included. */
  readonly isProse: boolean
}

export interface Value {
  readonly kind: ValueKind
  /** What it is where it needs nothing of a conversion. */
  readonly constant: { readonly text: string | undefined } | undefined
  /** Undefined where every macro is empty. */
  render(source: RequestSource): string | undefined
}

const NOTHING: Value = { kind: 'text', constant: { text: undefined }, render: () => undefined }

/** `{{click_id}}` and `${SUBID}`: with the braces of ours inside, so the rest would be sent as text. */
const OTHER_BRACES = /\{\{|^\s*\$\{[^{}]*\}\s*$/

/** Faults are added to the scope; the value is then empty. */
export function compileValue(
  template: string,
  position: Position,
  path: Path,
  scope: Scope,
): Value {
  const { encode, encodesLiterals, isProse } = position
  const isUnfinished = (literal: string) =>
    isProse && literal !== template ? proseHoldsPlaceholder(literal) : holdsPlaceholder(literal)
  const refuse = (message: string, hint?: string): Value => {
    scope.faults.push(ruleFault(path, message, hint))
    return NOTHING
  }
  let hasPlaceholder = false
  const encoded = mapLiterals(template, literal => {
    if (isUnfinished(literal)) hasPlaceholder = true
    return encode && encodesLiterals ? encode(literal) : literal
  })
  if (hasPlaceholder) {
    return refuse('holds a placeholder that is no macro', 'write a macro such as {click_id}')
  }
  if (OTHER_BRACES.test(template)) {
    return refuse('a macro of another system', 'macros have single braces: {click_id}')
  }
  if (encode && /\{_[A-Za-z]/.test(template)) {
    return refuse(
      'a raw macro {_name} could change the shape of the request here',
      'write it without the underscore; raw macros may stand in a text body only',
    )
  }
  const fixed = compileTemplate(encoded, scope.settings, encode)
  if (fixed.ok) {
    const text = fixed.value.render()
    return { kind: fixed.value.kind, constant: { text }, render: () => text }
  }
  const compiled = compileTemplate(encoded, scope.macros, encode)
  if (!compiled.ok) return refuse(compiled.error.message)
  return { kind: compiled.value.kind, constant: undefined, render: compiled.value.render }
}
