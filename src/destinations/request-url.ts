/**
 * Compiles the URL of a request. In: the rule's URL and query templates. Out: a function that
 * renders them for one attempt. Guarantees, whatever a postback holds: scheme, host and port are
 * those of the rule or the settings, the path has as many segments as the template, and no query
 * name is added. Values are percent-encoded, so nothing they contain can end their position.
 */
import { compileTemplate, encodeUrl, mapLiterals } from '../rules/template.ts'
import { configFault, ruleFault, type Path } from './fault.ts'
import { isDotSegment, parseOrigin, parseTarget, problemOfLiteral, splitUrl } from './origin.ts'
import { compilePairs, type PairTemplate } from './pairs.ts'
import type { RequestSource } from './source.ts'
import { compileValue, type Scope } from './value.ts'

export interface CompiledUrl {
  readonly origin: string
  /** Sets `source.fault` where a path value is empty or a dot segment. */
  render(source: RequestSource): string
}

interface UrlTemplate {
  readonly url: string
  readonly query?: Readonly<Record<string, string>> | undefined
}

interface Segment {
  readonly render: (source: RequestSource) => string | undefined
  readonly macro: string
  /** Constant text up to the next segment that changes. */
  readonly after: string
}

const SETTING_URL = /^\{_?settings\.([\w-]+)\}(.*)$/s
const WRITTEN = { encode: encodeUrl, encodesLiterals: false, isProse: false }

export function compileUrl(
  request: UrlTemplate,
  settings: ReadonlyMap<string, string>,
  path: Path,
  scope: Scope,
): CompiledUrl {
  const base = compileBase(request.url, settings, [...path, 'url'], scope)
  const rest = checkLiterals(base.rest, [...path, 'url'], scope)
  const [pathText = '', ...queryTexts] = splitLiterals(rest, '?')
  const route = compilePath(pathText, [...path, 'url'], scope)
  const written = splitLiterals(queryTexts.join('?'), '&').flatMap<PairTemplate>(pair => {
    if (pair === '') return []
    const [name = '', ...value] = splitLiterals(pair, '=')
    return [{ name, value: value.join('='), path: [...path, 'url'], isPlain: false }]
  })
  const listed = Object.entries(request.query ?? {}).map<PairTemplate>(([name, value]) => {
    return { name, value, path: [...path, 'query', name], isPlain: true }
  })
  const renderQuery = compilePairs([...written, ...listed], encodeUrl, scope)
  const head = base.origin + base.path + route.head
  const { segments } = route
  const fixedQuery = base.query
  return {
    origin: base.origin,
    render: source => {
      let url = head
      for (const segment of segments) {
        const value = segment.render(source)
        if (value === undefined || isDotSegment(value)) {
          source.fault ??= {
            reason: 'template_error',
            detail: `${segment.macro} in the path of the URL is empty or a dot segment`,
          }
          return ''
        }
        url += value + segment.after
      }
      const query = renderQuery(source)
      if (fixedQuery) return query ? `${url}?${fixedQuery}&${query}` : `${url}?${fixedQuery}`
      return query ? `${url}?${query}` : url
    },
  }
}

interface Base {
  readonly origin: string
  /** Path and query that came with a setting; written by the operator, already encoded. */
  readonly path: string
  readonly query: string
  /** The template after them. */
  readonly rest: string
}

const NOWHERE: Base = { origin: '', path: '', query: '', rest: '/' }

function compileBase(
  url: string,
  settings: ReadonlyMap<string, string>,
  path: Path,
  scope: Scope,
): Base {
  const whole = SETTING_URL.exec(url)
  if (whole) return baseOfSetting(whole[1] ?? '', whole[2] ?? '', settings, path, scope)
  const parts = splitUrl(url)
  if (!parts) {
    scope.faults.push(ruleFault(path, 'a URL starts with https:// or http://, written out'))
    return NOWHERE
  }
  const template = compileTemplate(parts.authority, scope.settings)
  if (!template.ok) {
    const hint = 'write the host out, or take it from the configuration with {settings.NAME}'
    scope.faults.push(ruleFault(path, 'host and port never come from a postback', hint))
    return NOWHERE
  }
  const origin = parseOrigin(parts.scheme, template.value.render() ?? '')
  if (!origin.ok) {
    const setting = template.value.macros[0]?.slice('settings.'.length)
    scope.faults.push(
      setting === undefined
        ? ruleFault(path, `the URL ${origin.error}`)
        : configFault(['settings', setting], `setting "${setting}": the URL ${origin.error}`),
    )
    return NOWHERE
  }
  const rest = parts.rest.startsWith('/') ? parts.rest : `/${parts.rest}`
  return { origin: origin.value, path: '', query: '', rest }
}

/** `{settings.url}` at the start: the operator's whole URL, which the rule may extend. */
function baseOfSetting(
  name: string,
  rest: string,
  settings: ReadonlyMap<string, string>,
  path: Path,
  scope: Scope,
): Base {
  const value = settings.get(name)
  if (value === undefined) {
    scope.faults.push(ruleFault(path, `unknown setting "${name}"`))
    return NOWHERE
  }
  const target = parseTarget(value)
  if (!target.ok) {
    scope.faults.push(configFault(['settings', name], `setting "${name}": the URL ${target.error}`))
    return NOWHERE
  }
  const [pathname = '', ...query] = target.value.rest.split('?')
  const base = { origin: target.value.origin, path: pathname || '/', query: query.join('?'), rest }
  if (rest.startsWith('/')) {
    if (!base.query) return { ...base, path: base.path.replace(/\/$/, '') }
    const message = `setting "${name}": the URL must end before its "?"`
    scope.faults.push(configFault(['settings', name], message))
  } else if (rest !== '' && !rest.startsWith('?')) {
    scope.faults.push(ruleFault(path, 'after a whole URL only /path or ?query may follow'))
  }
  return base
}

function compilePath(
  text: string,
  path: Path,
  scope: Scope,
): { head: string; segments: readonly Segment[] } {
  let head = ''
  const segments: { render: Segment['render']; macro: string; after: string }[] = []
  splitLiterals(text, '/').forEach((part, i) => {
    const slash = i === 0 ? '' : '/'
    const value = compileValue(part, WRITTEN, path, scope)
    const last = segments.at(-1)
    if (!value.constant) {
      if (last) last.after += slash
      else head += slash
      segments.push({ render: value.render, macro: part, after: '' })
      return
    }
    const constant = value.constant.text ?? ''
    if (isDotSegment(constant) || (constant === '' && part !== '')) {
      scope.faults.push(ruleFault(path, 'a path segment is empty, . or ..'))
    }
    if (last) last.after += slash + constant
    else head += slash + constant
  })
  return { head, segments }
}

/** The template, or `/` where something outside its macros cannot stand in a URL. */
function checkLiterals(template: string, path: Path, scope: Scope): string {
  let problem: string | undefined
  mapLiterals(template, literal => {
    problem ??= /[{}]/.test(literal)
      ? 'holds a brace that belongs to no macro; macros look like {click_id}'
      : problemOfLiteral(literal)
    return literal
  })
  if (problem === undefined) return template
  scope.faults.push(ruleFault(path, `the URL ${problem}`))
  return '/'
}

/** `text` cut at every `separator` that stands outside a macro. */
function splitLiterals(text: string, separator: string): string[] {
  return mapLiterals(text, literal => literal.replaceAll(separator, '\u0000')).split('\u0000')
}
