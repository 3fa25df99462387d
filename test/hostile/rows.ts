/** The rows of the hostile suite: their shape, and the bytes that each of them sends. */
import { createHash, createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'

export const TOKEN = 't0ken-canary-77310'
export const SECRET = 's3cret-canary-77311'
export const ADMIN = '4dm1n-canary-77312'

export interface WireRow {
  /** Number in the table. */
  readonly row: number
  /** For people. */
  readonly input: string
  /** Why the answer is what it is, where that is not plain. */
  readonly why?: string
  readonly get?: string
  /** `form`, `none` or a content type, with `body` and `target`. */
  readonly post?: string
  readonly body?: string
  readonly target?: string
  /** Sent after a GET's headers. */
  readonly tail?: string
  readonly headers?: readonly string[]
  readonly raw?: string
  readonly hex?: string
  readonly isHead?: boolean
  readonly listener?: 'admin'
  /** `STATUS reason`, or `200 outcome`; ` *N` for N times. */
  readonly answer?: string
  readonly answers?: readonly string[]
  /** Of `count` answers some are this one, and the others are 200 or 404. */
  readonly some?: string
  readonly count?: number
  /** The server must close the connection after the last answer. */
  readonly closes?: boolean
  /** Counters that move; default one for each answer. */
  readonly counts?: number
  /** What the destination must get: query parameter → value. */
  readonly delivered?: Readonly<Record<string, string>>
  /** What the tracker behind must get, once; the answer is its own. */
  readonly passed?: {
    readonly target: string
    readonly headers?: Readonly<Record<string, string>>
    readonly without?: readonly string[]
  }
  /** Reason with which the delivery ends as a dead letter instead. */
  readonly dead?: string
}

export interface WireFile {
  readonly title: string
  readonly intro: string
  /** Laid over the suite's configuration. */
  readonly gateway?: Readonly<Record<string, unknown>>
  /** Headers of the good requests in between. */
  readonly good?: readonly string[]
  readonly rows: readonly WireRow[]
}

/** The files of rows that are bytes at a running gateway. */
export const WIRE = ['http', 'slow', 'values', 'trust', 'limits', 'flood', 'proxy', 'admin']

export function readRows<T>(name: string): T {
  return parse(readFileSync(join(import.meta.dirname, `${name}.yaml`), 'utf8')) as T
}

const TYPES: Readonly<Record<string, string>> = { form: 'application/x-www-form-urlencoded' }

/** One character of the text is one byte. */
export function bytesOf(row: WireRow, id: string): Buffer {
  if (row.hex !== undefined) return Buffer.from(row.hex, 'hex')
  return Buffer.from(expand(textOf(row), id), 'latin1')
}

function textOf(row: WireRow): string {
  const { get, post, body = '', target = `/in/net/${TOKEN}`, tail = '', headers = [] } = row
  if (row.raw !== undefined) return row.raw
  const host = row.listener === 'admin' ? 'localhost' : undefined
  if (get !== undefined) return head(`GET ${get}`, headers, host) + tail
  const type = post === 'none' ? [] : [`Content-Type: ${TYPES[post ?? ''] ?? post}`]
  const length = `Content-Length: ${Buffer.byteLength(expand(body, 'i'.repeat(8)), 'latin1')}`
  return head(`POST ${target}`, [...type, length, ...headers]) + body
}

export function head(line: string, headers: readonly string[] = [], host = 'pb.example'): string {
  return [`${line} HTTP/1.1`, `Host: ${host}`, ...headers, '', ''].join('\r\n')
}

/** Innermost first: `<<id>>`, `<<now-295>>`, `<<hmac text>>`, `<<seq …{}…*9>>`, `<<text*9>>`. */
export function expand(text: string, id: string): string {
  let expanded = text
  for (;;) {
    const next = expanded.replace(/<<((?:(?!<<|>>)[^])+)>>/g, (_whole, inner: string) =>
      valueOf(inner, id),
    )
    if (next === expanded) return expanded
    expanded = next
  }
}

function valueOf(text: string, id: string): string {
  if (text === 'id') return id
  const now = /^now([+-]\d+)$/.exec(text)?.[1]
  if (now !== undefined) return String(Math.floor(Date.now() / 1000) + Number(now))
  const [name = '', ...rest] = text.split(' ')
  const over = rest.join(' ')
  const mac = () => createHmac('sha256', SECRET).update(over).digest('hex')
  if (name === 'hmac') return mac()
  if (name === 'HMAC') return mac().toUpperCase()
  if (name === 'md5') return createHash('md5').update(over).digest('hex')
  const [, unit = '', times = ''] = /^([^]*)\*(\d+)$/.exec(text) ?? []
  if (times === '') throw new Error(`not an expansion: ${text.slice(0, 40)}`)
  if (!unit.startsWith('seq ')) return unit.repeat(Number(times))
  const line = unit.slice('seq '.length).replaceAll('|', '\r\n')
  return Array.from({ length: Number(times) }, (_, i) => line.replace('{}', String(i))).join('')
}

// --- rows that are no requests ------------------------------------------------------------------

export interface FileRow {
  readonly row: number
  readonly input: string
  readonly why?: string
  /** Laid over the suite's postern.yaml, its network rule or its destination rule. */
  readonly config?: Readonly<Record<string, unknown>>
  readonly network?: Readonly<Record<string, unknown>>
  readonly destination?: Readonly<Record<string, unknown>>
  /** Setting of the destination: its base URL. */
  readonly base?: string
  /** A rule file of this text, or of this kind. */
  readonly text?: string
  readonly make?: 'link' | 'fifo' | 'folder'
  /** Content and mode of `FOLDER/secret`. */
  readonly secret?: string
  readonly mode?: number
  /** Part of the fault or warning; `.` for any. */
  readonly fault?: string
  readonly warning?: string
  readonly loads?: boolean
  /** Text that must be in no message. */
  readonly never?: string
}

export interface EgressRow {
  readonly row: number
  readonly input: string
  readonly why?: string
  readonly addresses: readonly string[]
  readonly allow?: readonly string[]
  readonly port?: number
  readonly reason: string
}

export interface ReaderRow {
  readonly reader: string
  readonly holds: string
  readonly test: string
  readonly title: string
}

export interface ElsewhereRow {
  readonly row: number
  readonly input: string
  readonly why?: string
  readonly answer: string
  readonly test: string
  readonly title: string
}
