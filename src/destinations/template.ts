/**
 * A destination from a rule file. In: the rule and its settings. Out: functions that build a
 * request and read an answer. Everything is compiled here; an attempt only joins strings.
 */
import { fail, ok, type Result } from '../base/result.ts'
import type { Destination, RequestFault } from '../model/delivery.ts'
import { STATUSES, type Status } from '../model/status.ts'
import type { DestinationRule, RequestTemplate } from '../rules/destination-schema.ts'
import { compileMatcher } from '../rules/match.ts'
import type { Macros } from '../rules/template.ts'
import { compileAnswer } from './answer.ts'
import { compileBasicAuth } from './basic-auth.ts'
import { compileBody } from './body.ts'
import { ruleFault, type DestinationFault, type Path } from './fault.ts'
import { compileHeaders } from './headers.ts'
import { matchFields } from './match-fields.ts'
import { destinationMacros, settingMacros, type ReadField } from './macros.ts'
import type { MoneyPolicy } from './money.ts'
import { compileUrl } from './request-url.ts'
import { withSignatures } from './signature.ts'
import type { RequestSource } from './source.ts'
import type { Scope } from './value.ts'

/** What a rule and a type in code have in common once they are compiled. */
export interface CompiledDestination extends Pick<
  Destination,
  'wants' | 'request' | 'verdict' | 'test' | 'grant' | 'confirm' | 'restMs'
> {
  readonly origins: readonly string[]
  /** Forms of the secret settings that are made here, to be masked. */
  readonly secrets: readonly string[]
}

export interface RuleOptions {
  readonly destination: string
  readonly settings: ReadonlyMap<string, string>
  readonly money: MoneyPolicy
  readonly clickId: ReadField | undefined
}

export function compileRule(
  rule: DestinationRule,
  options: RuleOptions,
): Result<CompiledDestination, DestinationFault[]> {
  const faults: DestinationFault[] = []
  const { settings } = options
  const plain = destinationMacros(options)
  const scope = { macros: plain, settings: settingMacros<void>(settings), faults }
  const macros = withSignatures(rule.signatures, scope)
  const isComplete = compileRequired(rule, plain, faults)
  const isIdentified = compileMust(rule.must, plain, faults)
  const requests = compileRequests(rule, settings, { ...scope, macros })
  const verdict = compileAnswer(rule.answer, ['answer'], faults)
  if (faults.length > 0) return fail(faults)
  const all = [...new Set(requests.values())]
  return ok({
    origins: [...new Set(all.map(({ origin }) => origin))],
    secrets: all.flatMap(({ secrets }) => secrets),
    wants: () => true,
    verdict,
    request: (record, context) => {
      const { conversion } = record
      const isUntold = conversion.status === 'reversed' && rule.reversals === 'unsupported'
      if (isUntold) return fail(IRREVERSIBLE)
      const source = { record, conversion, context, fault: undefined }
      const request = requests.get(conversion.status)
      const isFit = isComplete(source) && isIdentified(source)
      return request && isFit ? request.build(source) : failed(source)
    },
  })
}

/** Each status with the request it is told by. */
function compileRequests(
  rule: DestinationRule,
  settings: ReadonlyMap<string, string>,
  scope: Scope,
): ReadonlyMap<Status, CompiledRequest> {
  const { statuses = STATUSES, requests_by_status: special = {} } = rule
  const general = compileRequest(rule.request, settings, ['request'], scope)
  const requests = new Map(STATUSES.map(status => [status, general]))
  for (const status of STATUSES) {
    const template = special[status]
    if (!template) continue
    const path = ['requests_by_status', status]
    if (!statuses.includes(status)) {
      scope.faults.push(ruleFault(path, `${status} is not among the statuses it takes`))
    }
    requests.set(status, compileRequest(template, settings, path, scope))
  }
  return requests
}

interface CompiledRequest {
  readonly origin: string
  readonly secrets: readonly string[]
  build(source: RequestSource): ReturnType<Destination['request']>
}

function compileRequest(
  template: RequestTemplate,
  settings: ReadonlyMap<string, string>,
  path: Path,
  scope: Scope,
): CompiledRequest {
  const { method } = template
  const url = compileUrl(template, settings, path, scope)
  const body = compileBody(template, path, scope)
  const auth = compileBasicAuth(template, path, scope)
  const headers = compileHeaders(
    { ...template.headers, ...auth.headers },
    body?.contentType,
    [...path, 'headers'],
    scope,
  )
  return {
    origin: url.origin,
    secrets: auth.secrets,
    build: source => {
      const request = {
        method,
        url: url.render(source),
        headers: headers(source),
        body: body?.render(source),
      }
      return source.fault ? fail(source.fault) : ok(request)
    },
  }
}

/** Sets the fault for the first required field that is empty. */
function compileRequired(
  rule: DestinationRule,
  macros: Macros<RequestSource>,
  faults: DestinationFault[],
): (source: RequestSource) => boolean {
  const identity: readonly string[] = matchFields(rule) ?? []
  const fields = (rule.required ?? []).flatMap((name, i) => {
    const macro = macros.resolve(name)
    if (!macro) faults.push(ruleFault(['required', i], `unknown field "${name}"`))
    const reason = identity.includes(name) ? 'insufficient_identity' : 'template_error'
    return macro ? [{ name, get: macro.get, reason } as const] : []
  })
  return source => {
    for (const { name, get, reason } of fields) {
      if (get(source)) continue
      source.fault ??= { reason, detail: `${name} is empty and required` }
      return false
    }
    return true
  }
}

/** Sets a fault where the rule's matcher does not hold. */
function compileMust(
  must: DestinationRule['must'],
  macros: Macros<RequestSource>,
  faults: DestinationFault[],
): (source: RequestSource) => boolean {
  if (!must) return () => true
  const matcher = compileMatcher(must, macros, ['must'])
  if (!matcher.ok) {
    faults.push(...matcher.error.map(({ path, message, hint }) => ruleFault(path, message, hint)))
    return () => true
  }
  const holds = matcher.value
  return source => {
    const isFit = holds(source)
    if (!isFit) source.fault ??= UNIDENTIFIED
    return isFit
  }
}

const IRREVERSIBLE: RequestFault = {
  reason: 'reversal_unsupported',
  detail: 'it takes no conversion back',
}

const UNIDENTIFIED: RequestFault = {
  reason: 'insufficient_identity',
  detail: 'no id came that this destination could find it by; see `must` in its rule',
}

function failed(source: RequestSource): ReturnType<Destination['request']> {
  return fail(source.fault ?? { reason: 'template_error', detail: 'a required field is empty' })
}
