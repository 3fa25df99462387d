/** What there is to deliver to: rule files and types in code under one description, by kind and id. */
import type { DestinationType } from './destinations/define.ts'
import { DESTINATION_TYPES } from './destinations/registry.ts'
import type { SettingDeclarations } from './destinations/settings.ts'
import { STATUSES, type Status } from './model/status.ts'
import type { Catalogue } from './rules/catalogue.ts'
import type {
  DestinationExample,
  DestinationRule,
  RequestTemplate,
} from './rules/destination-schema.ts'

export interface ListedDestination {
  /** Its name in `rule:`. */
  readonly id: string
  readonly name: string
  readonly kind: DestinationRule['kind']
  readonly verified: DestinationRule['verified']
  readonly docs: string
  readonly notes: string
  readonly clickMacro: string | undefined
  /** Those it takes. */
  readonly statuses: readonly Status[]
  /** Those it gets where the configuration names none. */
  readonly byDefault: readonly Status[]
  readonly settings: SettingDeclarations
  /** False where a delivery whose answer was lost is not repeated. */
  readonly isRepeated: boolean
  /** Undefined where code builds the request. */
  readonly request: RequestTemplate | undefined
  readonly requestsByStatus: Readonly<Partial<Record<Status, RequestTemplate>>>
  readonly examples: readonly DestinationExample[]
  readonly source: DestinationRule | DestinationType
}

/** In the order of `KINDS`, then by id. A rule file replaces a type of its name. */
export function listDestinations({ destinations }: Catalogue): readonly ListedDestination[] {
  const types = DESTINATION_TYPES.filter(({ type }) => !destinations.has(type)).map(ofType)
  const rules = [...destinations].map(([id, { value }]) => ofRule(id, value))
  return [...types, ...rules].toSorted(
    (a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind) || (a.id < b.id ? -1 : 1),
  )
}

export const KINDS: readonly DestinationRule['kind'][] = [
  'tracker',
  'affiliate-platform',
  'traffic-source',
  'ad-platform',
  'mmp',
  'rewards',
  'analytics',
  'webhook',
]

function ofRule(id: string, rule: DestinationRule): ListedDestination {
  const { name, kind, verified, docs, notes = '', settings = {}, examples } = rule
  return {
    id,
    name,
    kind,
    verified,
    docs,
    notes,
    settings,
    examples,
    clickMacro: rule.click_macro,
    statuses: rule.statuses ?? STATUSES,
    byDefault: rule.statuses ?? STATUSES,
    isRepeated: rule.retry_after_ambiguous ?? true,
    request: rule.request,
    requestsByStatus: rule.requests_by_status ?? {},
    source: rule,
  }
}

function ofType(type: DestinationType): ListedDestination {
  const { type: id, title: name, kind = 'ad-platform', docs, notes = '', settings, examples } = type
  return {
    id,
    name,
    kind,
    verified: type.verified ?? 'vendor',
    docs,
    notes,
    settings,
    examples,
    clickMacro: undefined,
    statuses: type.statuses ?? STATUSES,
    byDefault: type.defaultStatuses ?? type.statuses ?? STATUSES,
    isRepeated: type.policy?.retry_after_ambiguous ?? true,
    request: undefined,
    requestsByStatus: {},
    source: type,
  }
}

/** What to write into postern.yaml: required settings with an example, secrets as references. */
export function configurationOf({ id, settings, verified }: ListedDestination): string {
  const required = Object.entries(settings).filter(([, { default: value }]) => value === undefined)
  const lines = required.map(([name, { secret, example = '…' }]) => {
    const variable = `${id}_${name}`.toUpperCase().replaceAll('-', '_')
    return `      ${name}: ${secret ? `\${${variable}}` : quoted(example)}`
  })
  return [
    'destinations:',
    `  ${id}:${lines.length === 0 && verified !== 'unverified' ? ' {}' : ''}`,
    ...(verified === 'unverified' ? ['    accept_unverified: true'] : []),
    ...(lines.length > 0 ? ['    settings:', ...lines] : []),
  ].join('\n')
}

/** Quotes what YAML could read as something else than text. */
function quoted(text: string): string {
  return /^[A-Za-z][\w./-]*$/.test(text) ? text : `'${text.replaceAll("'", "''")}'`
}

/** The request template as text: method and URL, query, headers, body. */
export function templateText(request: RequestTemplate): string {
  const { method, url, query, headers, form, json, body, auth } = request
  const pairs = (map: Readonly<Record<string, string>> | undefined, join: string) =>
    Object.entries(map ?? {}).map(([name, value]) => `  ${name}${join}${value}`)
  return [
    `${method} ${url}`,
    ...pairs(query, '='),
    ...(auth ? ['  authorization: Basic user:password'] : []),
    ...pairs(headers, ': '),
    ...pairs(form, '='),
    ...(json === undefined ? [] : [`  ${JSON.stringify(json)}`]),
    ...(body === undefined ? [] : [`  ${body}`]),
  ].join('\n')
}
