/** `name=value` pairs of a query or a form: names fixed at load, a pair whose macro is empty left out. */
import type { Encode } from '../rules/template.ts'
import { ruleFault, type Path } from './fault.ts'
import { holdsPlaceholder } from './placeholder.ts'
import type { RequestSource } from './source.ts'
import { compileValue, type Scope } from './value.ts'

export interface PairTemplate {
  readonly name: string
  readonly value: string
  readonly path: Path
  /** False where the rule wrote the pair in its encoded form, in the URL itself. */
  readonly isPlain: boolean
}

interface Pair {
  /** `name=`, or a run of pairs that never change. */
  readonly first: string
  /** The same after another pair. */
  readonly next: string
  readonly render: ((source: RequestSource) => string | undefined) | undefined
}

/** Renders `a=1&b=2`, in the order given; empty where nothing is left. */
export function compilePairs(
  templates: readonly PairTemplate[],
  encode: Encode,
  scope: Scope,
): (source: RequestSource) => string {
  const pairs: Pair[] = []
  let run = ''
  const endRun = () => {
    if (run) pairs.push({ first: run, next: `&${run}`, render: undefined })
    run = ''
  }
  for (const { name, value, path, isPlain } of templates) {
    if (/\{_?[A-Za-z]/.test(name) || holdsPlaceholder(name.replaceAll(/[[\]]/g, ''))) {
      scope.faults.push(ruleFault(path, 'a name is fixed: it holds no macro and no placeholder'))
    }
    const key = isPlain ? encode(name) : name
    const compiled = compileValue(
      value,
      { encode, encodesLiterals: isPlain, isProse: false },
      path,
      scope,
    )
    if (!compiled.constant) {
      endRun()
      pairs.push({ first: `${key}=`, next: `&${key}=`, render: compiled.render })
    } else if (compiled.constant.text !== undefined) {
      run += `${run && '&'}${key}=${compiled.constant.text}`
    }
  }
  endRun()
  return source => renderPairs(pairs, source)
}

function renderPairs(pairs: readonly Pair[], source: RequestSource): string {
  let text = ''
  for (const pair of pairs) {
    const value = pair.render ? pair.render(source) : ''
    if (value === undefined) continue
    text += (text === '' ? pair.first : pair.next) + value
  }
  return text
}
