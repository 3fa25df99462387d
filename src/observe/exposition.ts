/**
 * The Prometheus text format, version 0.0.4. In: names, labels, values. Out: lines.
 * https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
 */
import type { MetricSpec } from './catalogue.ts'

/** `name{a="x",b="y"}`; without braces where there are no labels. */
export function seriesText(
  name: string,
  labels: readonly string[],
  values: readonly string[],
): string {
  const pairs = labels.map((label, i) => `${label}="${escapeLabel(values[i] ?? '')}"`)
  return pairs.length === 0 ? name : `${name}{${pairs.join(',')}}`
}

export function headerText({ name, help, type }: MetricSpec): string {
  const escaped = help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
  return `# HELP ${name} ${escaped}\n# TYPE ${name} ${type}\n`
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"')
}
