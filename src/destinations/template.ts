/**
 * A destination from a rule file. In: the rule and its settings. Out: functions that build a
 * request and read an answer. Everything is compiled here; an attempt only joins strings.
 */
import { fail, ok, type Result } from '../base/result.ts'
import type { Destination } from '../model/delivery.ts'
import type { DestinationRule, RequestTemplate } from '../rules/schema.ts'
import type { Macros } from '../rules/template.ts'
import { compileAnswer } from './answer.ts'
import { compileBody } from './body.ts'
import { ruleFault, type DestinationFault, type Path } from './fault.ts'
import { compileHeaders } from './headers.ts'
import { destinationMacros, settingMacros, type ReadField } from './macros.ts'
import { compileUrl } from './request-url.ts'
import type { RequestSource } from './source.ts'
import type { Scope } from './value.ts'

/** What a rule and a type in code have in common once they are compiled. */
export interface CompiledDestination extends Pick<
  Destination,
  'wants' | 'request' | 'verdict' | 'test' | 'grant'
> {
  readonly origins: readonly string[]
}

export function compileRule(
  rule: DestinationRule,
  destination: string,
  settings: ReadonlyMap<string, string>,
  clickId: ReadField | undefined,
): Result<CompiledDestination, DestinationFault[]> {
  const faults: DestinationFault[] = []
  const macros = destinationMacros({ destination, settings, money: rule.money, clickId })
  const scope: Scope = { macros, settings: settingMacros(settings), faults }
  const isComplete = compileRequired(rule.required ?? [], macros, faults)
  const request = compileRequest(rule.request, settings, ['request'], scope)
  const verdict = compileAnswer(rule.answer, ['answer'], faults)
  if (faults.length > 0) return fail(faults)
  return ok({
    origins: [request.origin],
    wants: () => true,
    verdict,
    request: (record, context) => {
      const source = { record, conversion: record.conversion, context, fault: undefined }
      return isComplete(source) ? request.build(source) : failed(source)
    },
  })
}

interface CompiledRequest {
  readonly origin: string
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
  const headers = compileHeaders(
    template.headers ?? {},
    body?.contentType,
    [...path, 'headers'],
    scope,
  )
  return {
    origin: url.origin,
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
  names: readonly string[],
  macros: Macros<RequestSource>,
  faults: DestinationFault[],
): (source: RequestSource) => boolean {
  const fields = names.flatMap((name, i) => {
    const macro = macros.resolve(name)
    if (!macro) faults.push(ruleFault(['required', i], `unknown field "${name}"`))
    return macro ? [{ name, get: macro.get }] : []
  })
  return source => {
    for (const { name, get } of fields) {
      if (get(source)) continue
      source.fault ??= { reason: 'template_error', detail: `${name} is empty and required` }
      return false
    }
    return true
  }
}

function failed(source: RequestSource): ReturnType<Destination['request']> {
  return fail(source.fault ?? { reason: 'template_error', detail: 'a required field is empty' })
}
