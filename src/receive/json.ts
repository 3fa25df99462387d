/**
 * JSON as RFC 8259 writes it, read so that money survives: numbers stay the text that was sent
 * (JSON.parse turns 12345678901234567890 into 12345678901234567000, and two conversions into one),
 * a name used twice in one object is a refusal instead of "last wins", and nesting is counted, so no
 * input can exhaust the stack. Objects are Maps: no name means anything to them.
 */
import { fail, ok, type Result } from '../base/result.ts'
import { JsonNumber, type Json, type JsonObject } from '../model/postback.ts'
import type { Refusal } from '../reasons.ts'
import { isForbiddenName } from './pairs.ts'

interface Reader {
  readonly text: string
  readonly maxDepth: number
  at: number
  depth: number
  fault: Refusal | undefined
}

/** The document in `text`, or body_invalid, body_too_deep or param_duplicate. */
export function parseJson(text: string, maxDepth: number): Result<Json, Refusal> {
  const reader: Reader = { text, maxDepth, at: 0, depth: 0, fault: undefined }
  const value = readValue(reader)
  skipBlanks(reader)
  if (!reader.fault && reader.at < text.length) invalid(reader, 'text after the document')
  return reader.fault || value === undefined
    ? fail(reader.fault ?? { reason: 'body_invalid', detail: 'not JSON' })
    : ok(value)
}

// Every reader below returns undefined after it has set `fault`.

function readValue(reader: Reader): Json | undefined {
  skipBlanks(reader)
  switch (reader.text[reader.at]) {
    case '{':
      return nested(reader, readObject)
    case '[':
      return nested(reader, readArray)
    case '"':
      return readString(reader)
    case 't':
      return readWord(reader, 'true', true)
    case 'f':
      return readWord(reader, 'false', false)
    case 'n':
      return readWord(reader, 'null', null)
    default:
      return readNumber(reader)
  }
}

function nested(reader: Reader, read: (reader: Reader) => Json | undefined): Json | undefined {
  if (reader.depth >= reader.maxDepth) {
    reader.fault = { reason: 'body_too_deep', detail: `nested deeper than ${reader.maxDepth}` }
    return undefined
  }
  reader.depth++
  reader.at++
  const value = read(reader)
  reader.depth--
  return value
}

function readObject(reader: Reader): JsonObject | undefined {
  const object: JsonObject = new Map()
  if (take(reader, '}')) return object
  do {
    skipBlanks(reader)
    if (reader.text[reader.at] !== '"') return invalid(reader, 'a name in quotes is missing')
    const name = readString(reader)
    if (name === undefined) return undefined
    if (isForbiddenName(name)) return invalid(reader, 'a name that is never a parameter')
    if (object.has(name)) {
      reader.fault = { reason: 'param_duplicate', detail: 'a name twice in one JSON object' }
      return undefined
    }
    if (!take(reader, ':')) return invalid(reader, 'a colon is missing')
    const value = readValue(reader)
    if (value === undefined) return undefined
    object.set(name, value)
  } while (take(reader, ','))
  return take(reader, '}') ? object : invalid(reader, 'an object does not end')
}

function readArray(reader: Reader): Json[] | undefined {
  const array: Json[] = []
  if (take(reader, ']')) return array
  do {
    const value = readValue(reader)
    if (value === undefined) return undefined
    array.push(value)
  } while (take(reader, ','))
  return take(reader, ']') ? array : invalid(reader, 'a list does not end')
}

const PLAIN_STRING = /[^"\\\u0000-\u001f]*/y
const ESCAPE = /\\(?:(["\\/bfnrt])|u([0-9A-Fa-f]{4}))/y
const ESCAPED: Readonly<Record<string, string>> = {
  '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t',
} // prettier-ignore

/** Lone surrogates (`\ud800`) are kept: bytes are compared as sent. */
function readString(reader: Reader): string | undefined {
  const { text } = reader
  reader.at++
  let value = ''
  for (;;) {
    PLAIN_STRING.lastIndex = reader.at
    const plain = PLAIN_STRING.exec(text)?.[0] ?? ''
    value += plain
    reader.at += plain.length
    if (text[reader.at] === '"') {
      reader.at++
      return value
    }
    ESCAPE.lastIndex = reader.at
    const escape = ESCAPE.exec(text)
    if (!escape)
      return invalid(reader, 'a string does not end, or has a bad escape or a control character')
    const [whole, short, unicode] = escape
    value += short
      ? (ESCAPED[short] ?? '')
      : String.fromCharCode(Number.parseInt(unicode ?? '', 16))
    reader.at += whole.length
  }
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y

function readNumber(reader: Reader): JsonNumber | undefined {
  NUMBER.lastIndex = reader.at
  const number = NUMBER.exec(reader.text)?.[0]
  if (number === undefined) return invalid(reader, 'a value is missing or not JSON')
  reader.at += number.length
  return new JsonNumber(number)
}

function readWord<T extends boolean | null>(reader: Reader, word: string, value: T): T | undefined {
  if (!reader.text.startsWith(word, reader.at)) return invalid(reader, 'a word that is not JSON')
  reader.at += word.length
  return value
}

function skipBlanks(reader: Reader): void {
  for (; reader.at < reader.text.length; reader.at++) {
    const code = reader.text.charCodeAt(reader.at)
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
  }
}

function take(reader: Reader, character: string): boolean {
  skipBlanks(reader)
  if (reader.text[reader.at] !== character) return false
  reader.at++
  return true
}

function invalid(reader: Reader, what: string): undefined {
  reader.fault ??= { reason: 'body_invalid', detail: `JSON: ${what} (at ${reader.at})` }
  return undefined
}
