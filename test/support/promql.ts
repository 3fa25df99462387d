/** Reads PromQL for tests: which metrics it selects, by which labels, inside which functions. */
import { parser } from '@prometheus-io/lezer-promql'

export interface Selector {
  readonly metric: string
  readonly matchers: readonly {
    readonly label: string
    readonly op: string
    readonly value: string
  }[]
  /** Duration of a range selector, such as `5m`. */
  readonly range: string | undefined
  /** Functions around it, the innermost first. */
  readonly functions: readonly string[]
}

export interface Reading {
  readonly isValid: boolean
  readonly selectors: readonly Selector[]
  /** Labels in by, without, on, ignoring, group_left. */
  readonly labels: readonly string[]
}

/** Grafana's variables replaced by something PromQL can parse. */
export function withoutVariables(expression: string): string {
  return expression
    .replaceAll('$__rate_interval', '5m')
    .replaceAll('$__range', '6h')
    .replaceAll('$__interval', '1m')
}

export function readPromql(expression: string): Reading {
  const text = withoutVariables(expression)
  const tree = parser.parse(text)
  const selectors: Selector[] = []
  const labels: string[] = []
  let isValid = text.trim() !== ''
  tree.iterate({
    enter: ({ node, type, name, from, to }) => {
      if (type.isError) isValid = false
      if (name === 'LabelName' && node.parent?.name === 'GroupingLabels') {
        labels.push(text.slice(from, to))
      }
      if (name !== 'VectorSelector') return
      const metric = node.getChild('Identifier')
      const matchers = node.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? []
      const functions: string[] = []
      for (let up = node.parent; up; up = up.parent) {
        const called = up.name === 'FunctionCall' ? up.getChild('FunctionIdentifier') : null
        if (called) functions.push(text.slice(called.from, called.to))
      }
      const isRange = node.parent?.name === 'MatrixSelector'
      const rangeText = isRange && node.parent ? text.slice(to, node.parent.to) : undefined
      selectors.push({
        metric: metric ? text.slice(metric.from, metric.to) : '',
        matchers: matchers.map(matcher => {
          const part = (kind: string): string => {
            const child = matcher.getChild(kind)
            return child ? text.slice(child.from, child.to) : ''
          }
          return {
            label: part('LabelName'),
            op: part('MatchOp'),
            value: JSON.parse(part('StringLiteral')) as string,
          }
        }),
        range: rangeText?.slice(1, -1),
        functions,
      })
    },
  })
  return { isValid, selectors, labels }
}
