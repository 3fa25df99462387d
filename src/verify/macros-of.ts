/** The macros of a template by name and place, without compiling it: for what is said about a rule. */
export interface MacroPlace {
  readonly name: string
  readonly start: number
  readonly end: number
}

export function macrosOf(template: string): MacroPlace[] {
  return [...template.matchAll(/\{_?([A-Za-z][\w.-]*)[^{}]*\}/g)].map(match => ({
    name: match[1] ?? '',
    start: match.index,
    end: match.index + match[0].length,
  }))
}
