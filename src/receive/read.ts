/**
 * A request as sent → a postback, or why it is none. Pure: the HTTP edge, the examples of rule files
 * and `postern send` all read through here.
 */
import { isAscii, isUtf8 } from 'node:buffer'
import { ok, type Result } from '../base/result.ts'
import type { Json, Param, Postback } from '../model/postback.ts'
import type { Refusal } from '../reasons.ts'
import { jsonText } from '../rules/json-path.ts'
import { bodyKind } from './content-type.ts'
import { parseJson } from './json.ts'
import type { ReadLimits } from './limits.ts'
import { addText, readPairs } from './pairs.ts'
import { refuse } from './refuse.ts'
import { isNetworkName, NETWORK_PARAM, parseTarget, type TargetPath } from './target.ts'

export interface RawRequest {
  readonly method: 'GET' | 'POST'
  /** Path and query as sent. */
  readonly target: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Raw bytes; a GET's body is ignored. */
  readonly body: Buffer
}

const NO_BODY = Buffer.alloc(0)

export function readPostback(
  request: RawRequest,
  client: string | undefined,
  receivedAt: number,
  limits: ReadLimits,
): Result<Postback, Refusal> {
  const path = parseTarget(request.target)
  return path.ok ? readPostbackAt(path.value, request, client, receivedAt, limits) : path
}

/** The same at a path of the operator's choosing, whose parts are read already. */
export function readPostbackAt(
  path: TargetPath,
  request: RawRequest,
  client: string | undefined,
  receivedAt: number,
  limits: ReadLimits,
): Result<Postback, Refusal> {
  const { method, target, headers } = request
  let params: Param[] = []
  const fault = readPairs(path.query, 'query', limits, params)
  if (fault) return { ok: false, error: fault }
  let network = path.network
  if (network === undefined) {
    const named = takeNetwork(params)
    if (!named.ok) return named
    network = named.value
    params = params.filter(param => param.name !== NETWORK_PARAM)
  }
  const body = method === 'POST' ? request.body : NO_BODY
  let json: Json | undefined
  if (method === 'POST') {
    const read = readBody(headers, body, limits, params)
    if (!read.ok) return read
    json = read.value
  }
  return ok({
    network,
    method,
    target,
    headers,
    body,
    params,
    json,
    pathToken: path.token,
    pathEvent: path.event,
    client,
    receivedAt,
  })
}

function takeNetwork(params: readonly Param[]): Result<string, Refusal> {
  const names = params.filter(param => param.name === NETWORK_PARAM).map(param => param.value)
  const name = names[0] ?? ''
  if (!isNetworkName(name) || names.some(other => other !== name)) {
    return refuse('unknown_network', `write /postback?${NETWORK_PARAM}=NAME`)
  }
  return ok(name)
}

function readBody(
  headers: RawRequest['headers'],
  body: Buffer,
  limits: ReadLimits,
  params: Param[],
): Result<Json | undefined, Refusal> {
  const kind = bodyKind(headers)
  if (!kind.ok) return kind
  if (kind.value === 'none' || (kind.value === 'form' && body.length === 0)) return ok(undefined)
  const text = decodeBody(body, kind.value === 'json')
  if (!text.ok) return text
  if (kind.value === 'form') {
    const fault = readPairs(text.value, 'form', limits, params)
    return fault ? { ok: false, error: fault } : ok(undefined)
  }
  return readJsonBody(text.value, limits, params)
}

/** Parses an object and adds its scalars to `params`. Shared with `expandBody`. */
export function readJsonBody(
  text: string,
  limits: ReadLimits,
  params: Param[],
): Result<Json, Refusal> {
  const document = parseJson(text, limits.jsonDepth)
  if (!document.ok) return document
  if (!(document.value instanceof Map)) return refuse('body_invalid', 'the JSON is not an object')
  for (const [name, value] of document.value) {
    const scalar = jsonText(value)
    if (scalar === undefined) continue
    const fault = addText(name, scalar, 'json', limits, params)
    if (fault) return { ok: false, error: fault }
  }
  return document
}

/** UTF-8 without a byte order mark; anything else would be read differently by the next reader. */
function decodeBody(body: Buffer, isJson: boolean): Result<string, Refusal> {
  if (isAscii(body)) {
    // JSON begins with an ASCII character, so a NUL among the first two bytes is UTF-16 or UTF-32.
    if (isJson && (body[0] === 0 || body[1] === 0)) {
      return refuse('encoding_invalid', 'the body is not UTF-8')
    }
    return ok(body.toString('latin1'))
  }
  const hasMark = body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf
  if (hasMark) return refuse('encoding_invalid', 'the body begins with a byte order mark')
  if (!isUtf8(body)) return refuse('encoding_invalid', 'the body is not UTF-8')
  return ok(body.toString('utf8'))
}
