/**
 * What a body is, decided by its headers before a byte of it is read: a form or JSON, in UTF-8 and
 * not compressed. Guessing at anything else would let two readers see two different postbacks.
 */
import type { IncomingHttpHeaders } from 'node:http'
import { ok, type Result } from '../base/result.ts'
import type { Refusal } from '../reasons.ts'
import { refuse } from './refuse.ts'

export type BodyKind = 'none' | 'form' | 'json'

type Headers = Readonly<Record<string, string | string[] | undefined>> | IncomingHttpHeaders

/** `none` where the headers announce no body. */
export function bodyKind(headers: Headers): Result<BodyKind, Refusal> {
  const encoding = headers['content-encoding']
  if (encoding !== undefined && String(encoding).trim().toLowerCase() !== 'identity') {
    return refuse('content_encoding_unsupported', 'send the body without Content-Encoding')
  }
  const type = headers['content-type']
  if (type !== undefined) return kindOf(String(type))
  const length = headers['content-length']
  if (headers['transfer-encoding'] === undefined && (length === undefined || length === '0')) {
    return ok('none')
  }
  return refuse('content_type_unsupported', 'the body has no Content-Type')
}

// What one network sends is always the same, so the verdict is remembered per text.
const verdicts = new Map<string, Result<BodyKind, Refusal>>()
const MAX_VERDICTS = 200

function kindOf(type: string): Result<BodyKind, Refusal> {
  const known = verdicts.get(type)
  if (known) return known
  const verdict = parseType(type)
  if (verdicts.size >= MAX_VERDICTS) verdicts.clear()
  verdicts.set(type, verdict)
  return verdict
}

const MEDIA_TYPE =
  /^\s*(application\/(?:x-www-form-urlencoded|json|[a-z0-9.-]+\+json))\s*((?:;.*)?)$/i
const PARAMETER = /^\s*([a-z0-9-]+)\s*=\s*("?)([^"]*)\2\s*$/i

function parseType(text: string): Result<BodyKind, Refusal> {
  const match = MEDIA_TYPE.exec(text)
  if (!match) {
    return refuse(
      'content_type_unsupported',
      'send application/x-www-form-urlencoded or application/json',
    )
  }
  for (const part of (match[2] ?? '').split(';').slice(1)) {
    if (part.trim() === '') continue
    const parameter = PARAMETER.exec(part)
    if (!parameter) return refuse('content_type_unsupported', 'a broken Content-Type parameter')
    const isCharset = parameter[1]?.toLowerCase() === 'charset'
    if (isCharset && !/^utf-?8$/i.test(parameter[3]?.trim() ?? '')) {
      return refuse('content_type_unsupported', 'send the body in UTF-8')
    }
  }
  return ok(match[1]?.toLowerCase() === 'application/x-www-form-urlencoded' ? 'form' : 'json')
}
