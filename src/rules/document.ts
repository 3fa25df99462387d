/**
 * YAML text → a plain value that remembers where each part stands. In: text and its file name.
 * Out: a document, or faults. Guarantees: YAML 1.2 core, one document, no anchors, aliases, tags
 * or merge keys, no key twice, no number that YAML would alter (`010`, 20 digits); bounded work
 * for any input (scan.ts). Maps have no prototype, so a key such as `constructor` is only a key.
 */
import { isMap, isPair, isScalar, isSeq, parseDocument as parseYaml } from 'yaml'
import type { Document, ErrorCode, Node, Pair } from 'yaml'
import { fail, ok, type Result } from '../base/result.ts'
import { configExcerpt, isSecretKey, ruleExcerpt } from './excerpt.ts'
import { fileFault, sortFaults } from './faults.ts'
import type { Fault, Path, Position } from './faults.ts'
import { toLines, type Lines } from './lines.ts'
import { scan, type ScanLimits } from './scan.ts'

/** How a kind of file is bounded, and what of it a fault may show. */
export interface DocumentKind {
  readonly limits: ScanLimits & { readonly bytes: number }
  /** True where the value may be a secret: it is then in no message. */
  isSecret(path: Path): boolean
  /** False: an excerpt shows keys, and only the values that a fault knows to be harmless. */
  readonly showsLines: boolean
}

// 40,000 parts are about 6,000 lines: lexed and parsed well within 200 ms.
export const RULE_FILE: DocumentKind = {
  limits: { bytes: 256 * 1024, parts: 40_000, keysPerMap: 2000, depth: 64 },
  isSecret: path => {
    const key = path.findLast(segment => typeof segment === 'string')
    return key !== undefined && isSecretKey(key)
  },
  showsLines: true,
}

export interface SourceDocument {
  readonly file: string
  readonly value: unknown
  readonly kind: DocumentKind
  /** Of the value at `path`, or of the nearest thing around it that exists. */
  locate(path: Path): Position
  /** The text of the scalar at `path` as written; undefined for secrets and for collections. */
  sourceOf(path: Path): string | undefined
  fault(path: Path, message: string, hint?: string): Fault
  /** At the key itself instead of its value. */
  keyFault(path: Path, message: string, hint?: string): Fault
}

/** The parser's own messages repeat input, so ours are told by its error codes. */
const SYNTAX: Readonly<Partial<Record<ErrorCode, string>>> = {
  BAD_INDENT: 'wrong indentation',
  TAB_AS_INDENT: 'a tab is used as indentation',
  MISSING_CHAR: 'a closing quote or bracket, a comma, a `:` or a space is missing',
  MULTIPLE_DOCS: 'several documents in one file',
  BAD_DQ_ESCAPE: 'unknown escape in double quotes',
  BAD_SCALAR_START: 'a plain value cannot start with this character; quote it',
  BLOCK_AS_IMPLICIT_KEY: 'a second `:` on one line; quote the value',
  BLOCK_IN_FLOW: 'a block list or map cannot stand inside brackets',
  MULTILINE_IMPLICIT_KEY: 'a key must be on one line; is a `:` missing?',
  KEY_OVER_1024_CHARS: 'a key is longer than 1024 characters',
  NON_STRING_KEY: 'a key must be plain text',
  DUPLICATE_KEY: 'duplicate key',
  UNEXPECTED_TOKEN: 'not valid YAML here',
}

export function parseDocument(
  text: string,
  file: string,
  kind: DocumentKind,
): Result<SourceDocument, Fault[]> {
  const { limits } = kind
  // A UTF-16 unit is one byte at least, so this holds without counting bytes.
  if (text.length > limits.bytes) return fail([fileFault(file, tooLarge(limits.bytes))])
  const lines = toLines(text)
  const faultAt: FaultAt = (position, message, hint, shown) => ({
    file,
    ...position,
    message,
    ...(hint === undefined ? {} : { hint }),
    excerpt: kind.showsLines
      ? ruleExcerpt(lines.texts, position.line)
      : configExcerpt(lines.texts, position, shown),
  })

  const refused = scan(text, limits)
  if (refused) return fail([faultAt(lines.at(refused.offset), refused.message, refused.hint)])

  const parsed = parseYaml(text, {
    version: '1.2',
    schema: 'core',
    strict: true,
    stringKeys: true,
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: 'silent',
  })
  const syntax = [...parsed.errors, ...parsed.warnings].map(error =>
    faultAt(
      lines.at(error.pos[0]),
      SYNTAX[error.code] ?? 'not valid YAML here',
      text.slice(Math.max(0, error.pos[0] - 2), error.pos[1]).includes('${')
        ? 'inside brackets a reference must be quoted: "${NAME}"'
        : undefined,
    ),
  )
  if (syntax.length > 0) return fail(sortFaults(syntax))

  const document = createDocument(parsed, text, file, kind, lines, faultAt)
  const faults: Fault[] = []
  const value = toValue(parsed.contents, [], { kind, lines, faultAt, faults })
  return faults.length > 0 ? fail(sortFaults(faults)) : ok({ ...document, value })
}

export function tooLarge(bytes: number): string {
  return `larger than ${Math.floor(bytes / 1024)} KiB`
}

function createDocument(
  parsed: Document.Parsed,
  text: string,
  file: string,
  kind: DocumentKind,
  lines: Lines,
  faultAt: FaultAt,
): SourceDocument {
  const textOf = (node: Node | null): string | undefined => {
    if (!isScalar(node) || !node.range) return undefined
    return text.slice(node.range[0], node.range[1])
  }
  const find = (path: Path): { node: Node | null; pair: Pair | undefined; isExact: boolean } => {
    let node: Node | null = parsed.contents
    let pair: Pair | undefined
    for (const segment of path) {
      let next: unknown
      let nextPair: Pair | undefined
      if (isMap(node)) {
        nextPair = node.items.find(item => keyText(item) === String(segment))
        next = nextPair?.value
      } else if (isSeq(node) && typeof segment === 'number') {
        next = node.items[segment]
      }
      if (!nextPair && next === undefined) return { node, pair, isExact: false }
      pair = nextPair
      node = (next ?? null) as Node | null
    }
    return { node, pair, isExact: true }
  }
  const document: SourceDocument = {
    file,
    kind,
    value: undefined,
    locate(path) {
      const { node, pair } = find(path)
      return lines.at(node === null && pair ? startOf(pair.key) : startOf(node))
    },
    sourceOf(path) {
      const { node, isExact } = find(path)
      return isExact && !kind.isSecret(path) ? textOf(node) : undefined
    },
    fault: (path, message, hint) =>
      faultAt(document.locate(path), message, hint, document.sourceOf(path)),
    keyFault(path, message, hint) {
      const { node, pair } = find(path)
      return faultAt(lines.at(startOf(pair ? pair.key : node)), message, hint)
    },
  }
  return document
}

type FaultAt = (position: Position, message: string, hint?: string, shown?: string) => Fault

interface Conversion {
  readonly kind: DocumentKind
  readonly lines: Lines
  readonly faultAt: FaultAt
  readonly faults: Fault[]
}

/** Plain values from the tree; what YAML would quietly change is a fault. */
function toValue(node: unknown, path: Path, to: Conversion): unknown {
  if (isMap(node)) return toMap(node.items, path, to)
  if (isSeq(node)) return node.items.map((item, index) => toValue(item, [...path, index], to))
  if (!isScalar(node)) return null
  if (typeof node.value === 'number' && node.source !== String(node.value)) {
    // Of the configuration, not even an unknown key's value is shown: it may be a misplaced secret.
    const isShown = to.kind.showsLines && !to.kind.isSecret(path)
    const message = `YAML reads this as another number${isShown ? `: \`${node.value}\`` : ''}`
    const hint = `quote it to keep the text as written${isShown ? `: "${node.source}"` : ''}`
    to.faults.push(to.faultAt(to.lines.at(startOf(node)), message, hint))
  }
  return node.value
}

function toMap(items: readonly Pair[], path: Path, to: Conversion): Record<string, unknown> {
  const map = Object.create(null) as Record<string, unknown>
  const firstLines = new Map<string, number>()
  for (const item of items) {
    const key = keyText(item)
    const position = to.lines.at(startOf(item.key))
    const first = firstLines.get(key)
    if (key === '') to.faults.push(to.faultAt(position, 'empty key'))
    if (first === undefined) firstLines.set(key, position.line)
    else to.faults.push(to.faultAt(position, `the same key again; it is on line ${first} already`))
    map[key] = toValue(item.value, [...path, key], to)
  }
  return map
}

/** Offset of a node; nodes that were parsed always have one. */
function startOf(node: unknown): number {
  return (node as Node | null)?.range?.[0] ?? 0
}

function keyText(item: unknown): string {
  if (!isPair(item)) return ''
  return isScalar(item.key) && typeof item.key.value === 'string' ? item.key.value : ''
}
