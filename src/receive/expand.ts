/**
 * Postbacks inside a parameter: a JSON document in a form field (Awin, JVZoo) or a query string in a
 * parameter (`other_params`). The rule names the parameter; its content joins the others, so a name
 * that appears inside and outside with two values is a duplicate like any other. A body that was
 * encrypted (ClickBank) takes the place of the one that was sent.
 */
import { ok, type Result } from '../base/result.ts'
import { paramKey, type Json, type Param, type Postback } from '../model/postback.ts'
import type { Refusal } from '../reasons.ts'
import { readParam } from '../rules/source.ts'
import { parseJson } from './json.ts'
import type { ReadLimits } from './limits.ts'
import { readPairs } from './pairs.ts'
import { readJsonBody } from './read.ts'
import { refuse } from './refuse.ts'

export interface BodyFields {
  readonly json_field?: string
  readonly query_field?: string
}

/** The postback itself where neither parameter was sent. */
export function expandBody(
  postback: Postback,
  fields: BodyFields,
  limits: ReadLimits,
): Result<Postback, Refusal> {
  const document = embedded(postback, fields.json_field)
  if (!document.ok) return document
  const query = embedded(postback, fields.query_field)
  if (!query.ok) return query
  if (document.value === undefined && query.value === undefined) return ok(postback)
  const params: Param[] = [...postback.params]
  let json: Json | undefined = postback.json
  if (document.value !== undefined) {
    const read = readEmbedded(document.value, limits, params)
    if (!read.ok) return read
    json = read.value
  }
  if (query.value !== undefined) {
    const fault = readPairs(query.value, 'embedded', limits, params)
    if (fault) return { ok: false, error: fault }
  }
  return ok({ ...postback, params, json })
}

/** What was inside an envelope: all that the postback says, besides its path and headers. */
export function replaceBody(
  postback: Postback,
  text: string,
  limits: ReadLimits,
): Result<Postback, Refusal> {
  const params: Param[] = []
  const json = readJsonBody(text, limits, params)
  return json.ok ? ok({ ...postback, params, json: json.value }) : json
}

/** A list has no parameters of its own; `json:[source=AFFILIATE].value` reads it. */
function readEmbedded(text: string, limits: ReadLimits, params: Param[]): Result<Json, Refusal> {
  const isList = text.trimStart().startsWith('[')
  return isList ? parseJson(text, limits.jsonDepth) : readJsonBody(text, limits, params)
}

function embedded(
  postback: Postback,
  field: string | undefined,
): Result<string | undefined, Refusal> {
  if (field === undefined) return ok(undefined)
  const reading = readParam(postback, paramKey(field))
  switch (reading.found) {
    case 'one':
      return ok(reading.value === '' ? undefined : reading.value)
    case 'none':
      return ok(undefined)
    case 'many':
      return refuse('param_duplicate', 'the embedded body was sent twice')
    case 'broken':
      return refuse('encoding_invalid', 'the embedded body cannot be decoded')
  }
}
