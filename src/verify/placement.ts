/**
 * Puts a value into a request where a source reads it: replaced where the request has one, added
 * where it has none. Everything else stays byte for byte, since it may be signed.
 */
import { fail, ok, type Result } from '../base/result.ts'
import { paramKey } from '../model/postback.ts'
import { encodeForm, encodeUrl } from '../rules/template.ts'
import type { Proof } from './context.ts'
import { appendParam, replaceParam, splitTarget } from './raw-query.ts'

/** An outgoing request; header names in lower case. */
export interface DraftRequest {
  readonly method: 'GET' | 'POST'
  /** Path and query. */
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  /** Empty for GET. */
  readonly body: string
}

export function placeValue(
  request: DraftRequest,
  { from, fromText }: Pick<Proof, 'from' | 'fromText'>,
  value: string,
): Result<DraftRequest, string> {
  if (from.bare) return fail(`"${fromText}" is read through filters, which cannot be undone`)
  switch (from.kind) {
    case 'header':
      return ok({ ...request, headers: { ...request.headers, [from.name]: value } })
    case 'path':
      return placeInPath(request, from.name === 'token' ? 0 : 1, value)
    case 'param':
      return placeParam(request, fromText, from.name, value)
    case 'join':
      return placeJoined(request, from, value)
    case 'json':
      return placeAtPath(request, from.name, value)
    case 'literal':
      return fail(`a value for "${fromText}" cannot be put into a request`)
  }
}

/** Whole into the one that the query or form has, or else the first; the others stay away. */
function placeJoined(
  request: DraftRequest,
  { name, keys }: Proof['from'],
  value: string,
): Result<DraftRequest, string> {
  const pairs = `${splitTarget(request.target)[1] ?? ''}&${request.body}`
  const found = keys.findIndex(key => replaceParam(pairs, key, '') !== undefined)
  const at = Math.max(found, 0)
  return placeParam(request, name.split(',')[at] ?? '', keys[at] ?? '', value)
}

/** `/in/NETWORK/TOKEN/EVENT` */
function placeInPath(
  request: DraftRequest,
  at: number,
  value: string,
): Result<DraftRequest, string> {
  const [path, query] = splitTarget(request.target)
  const [, root, network, ...rest] = path.split('/')
  if (root !== 'in' || network === undefined || rest.length < at) {
    return fail('the request needs a path like /in/NETWORK/TOKEN')
  }
  rest[at] = encodeUrl(value)
  const target = ['', root, network, ...rest].join('/')
  return ok({ ...request, target: query === undefined ? target : `${target}?${query}` })
}

function placeParam(
  request: DraftRequest,
  name: string,
  key: string,
  value: string,
): Result<DraftRequest, string> {
  const [path, query] = splitTarget(request.target)
  const inQuery = replaceParam(query ?? '', key, encodeUrl(value))
  if (inQuery !== undefined) return ok({ ...request, target: `${path}?${inQuery}` })
  if (request.method === 'GET' || request.body === '') {
    const pairs = appendParam(query ?? '', encodeUrl(name), encodeUrl(value))
    return ok({ ...request, target: `${path}?${pairs}` })
  }
  if (/json/i.test(request.headers['content-type'] ?? '')) {
    const body = placeInJson(request.body, name, key, value)
    return body.ok ? ok({ ...request, body: body.value }) : body
  }
  const body =
    replaceParam(request.body, key, encodeForm(value)) ??
    appendParam(request.body, encodeForm(name), encodeForm(value))
  return ok({ ...request, body })
}

/** The last name of the path, where the body has it once; a new one only at the top. */
function placeAtPath(
  request: DraftRequest,
  path: string,
  value: string,
): Result<DraftRequest, string> {
  const name = /([^.[\]]+)$/.exec(path)?.[1]
  if (name === undefined) return fail(`a value for json:${path} cannot be put into a request`)
  const body = placeInJson(request.body, name, paramKey(name), value, name === path)
  return body.ok ? ok({ ...request, body: body.value }) : body
}

const JSON_PAIR = /"((?:[^"\\]|\\.)*)"(\s*:\s*)("(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|null)/g

/** As text, because reading and writing it again would change what a signature covers. */
function placeInJson(
  body: string,
  name: string,
  key: string,
  value: string,
  canAdd = true,
): Result<string, string> {
  let found = 0
  const replaced = body.replace(JSON_PAIR, (pair, own: string, colon: string, old: string) => {
    if (paramKey(own) !== key) return pair
    found++
    const isNumber = /^[-\d]/.test(old) && /^\d+$/.test(value)
    return `"${own}"${colon}${isNumber ? value : JSON.stringify(value)}`
  })
  if (found === 1) return ok(replaced)
  if (found > 1) return fail(`the JSON body has "${name}" more than once`)
  if (!canAdd) return fail(`the JSON body has no "${name}" to put a value into`)
  const first = /^\s*\{(\s*\})?/.exec(body)
  if (!first) return fail('the JSON body is not an object')
  const pair = `{${JSON.stringify(name)}:${JSON.stringify(value)}${first[1] ? '}' : ','}`
  return ok(pair + body.slice(first[0].length))
}
