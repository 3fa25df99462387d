/**
 * A rule file's requests without what the operator leaves out. In: the rule and the names. Out: the
 * same rule with fewer query parameters, form fields and top-level JSON keys; a name that no request
 * of the rule has is a fault, or a slip of the pen would go on sending what nobody wants sent.
 */
import type { DestinationRule, JsonTemplate, RequestTemplate } from '../rules/destination-schema.ts'
import { nearest } from '../rules/similar.ts'
import { configFault, type DestinationFault } from './fault.ts'

export function without(
  names: readonly string[],
  rule: DestinationRule,
  faults: DestinationFault[],
): DestinationRule {
  if (names.length === 0) return rule
  const special = Object.entries(rule.requests_by_status ?? {})
  const known = new Set([rule.request, ...special.map(([, request]) => request)].flatMap(namesOf))
  names.forEach((name, i) => {
    if (known.has(name)) return
    const meant = nearest(name, [...known])
    const hint = meant ? `did you mean "${meant}"?` : `it sends ${[...known].join(', ')}`
    faults.push(configFault(['omit', i], `its rule sends no "${name}"`, hint))
  })
  const omitted = new Set(names)
  return {
    ...rule,
    request: cut(rule.request, omitted),
    ...(rule.requests_by_status
      ? {
          requests_by_status: Object.fromEntries(
            special.map(([status, request]) => [status, cut(request, omitted)]),
          ),
        }
      : {}),
  }
}

function namesOf({ query = {}, form = {}, json }: RequestTemplate): string[] {
  return [...Object.keys(query), ...Object.keys(form), ...Object.keys(objectOf(json))]
}

function cut(request: RequestTemplate, omitted: ReadonlySet<string>): RequestTemplate {
  const { query, form, json } = request
  const less = <T>(pairs: Readonly<Record<string, T>>): Record<string, T> =>
    Object.fromEntries(Object.entries(pairs).filter(([name]) => !omitted.has(name)))
  return {
    ...request,
    ...(query ? { query: less(query) } : {}),
    ...(form ? { form: less(form) } : {}),
    ...(json === undefined ? {} : { json: less(objectOf(json)) }),
  }
}

/** The schema lets nothing else stand at the top. */
function objectOf(json: JsonTemplate | undefined): Readonly<Record<string, JsonTemplate>> {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
    ? (json as Readonly<Record<string, JsonTemplate>>)
    : {}
}
