/**
 * A cheap look at a YAML text before the parser may see it. In: text. Out: the first thing that
 * is refused, with its offset, or undefined.
 *
 * The parser builds a tree and recurses into it, and its key check compares every pair of keys:
 * 100,000 keys blocked the process for minutes. The lexer is a flat state machine, linear in what
 * it reads, and is left at the first fault; so hostile input costs milliseconds.
 */
import { Lexer } from 'yaml'

export interface ScanLimits {
  /** Lexical parts: keys, values, marks, blanks and line ends. */
  readonly parts: number
  readonly keysPerMap: number
  readonly depth: number
}

export interface ScanFault {
  readonly offset: number
  readonly message: string
  readonly hint?: string
}

/** One open collection: a column of block style, or a bracket. */
interface Frame {
  readonly column: number
  readonly offset: number
  readonly isFlowMap: boolean
  readonly isFlow: boolean
  keys: number
}

// Everything below U+0020 except tab and line feed, and a carriage return only before a line feed.
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]|\r(?!\n)/

const NOT_HERE = 'not valid YAML here'

const REFUSED: Readonly<Record<string, { readonly message: string; readonly hint: string }>> = {
  '&': { message: 'anchors (`&name`) are not accepted', hint: 'write the value out, or quote it' },
  '*': { message: 'aliases (`*name`) are not accepted', hint: 'write the value out, or quote it' },
  '!': { message: 'tags (`!name`) are not accepted', hint: 'remove the tag, or quote the value' },
  '%': { message: 'YAML directives are not accepted', hint: 'remove the line, or quote the value' },
  '?': { message: 'explicit keys (`? key`) are not accepted', hint: 'write `key: value`' },
}

export function scan(text: string, limits: ScanLimits): ScanFault | undefined {
  if (text.startsWith('\ufeff')) {
    return { offset: 0, message: 'the file starts with a byte order mark', hint: 'save it without' }
  }
  const control = CONTROL.exec(text)
  if (control) {
    return {
      offset: control.index,
      message: 'control characters are not accepted',
      hint: 'write them as an escape in double quotes, such as "\\u0001"',
    }
  }
  return scanTokens(text, limits)
}

function scanTokens(text: string, limits: ScanLimits): ScanFault | undefined {
  const frames: Frame[] = []
  let offset = 0
  let start = 0
  let lineStart = 0
  let parts = 0
  let isLineStart = true
  let hasTabIndent = false
  let isScalar = false
  let hasContent = false
  let keyColumn = 0

  const enter = (column: number, mark: 'block' | '[' | '{'): ScanFault | undefined => {
    frames.push({
      column,
      offset: start,
      isFlow: mark !== 'block',
      isFlowMap: mark === '{',
      keys: 0,
    })
    if (frames.length <= limits.depth) return undefined
    return {
      offset: start,
      message: `nested deeper than ${limits.depth} levels`,
      hint: 'flatten it',
    }
  }
  const countKey = (frame: Frame | undefined): ScanFault | undefined => {
    if (!frame || ++frame.keys <= limits.keysPerMap) return undefined
    return {
      offset: start,
      message: `more than ${limits.keysPerMap} keys in one map`,
      hint: 'split it',
    }
  }
  /** Opens the block collection at `column`, after leaving every deeper one. */
  const enterBlock = (column: number): ScanFault | undefined => {
    let top = frames.at(-1)
    while (top && !top.isFlow && top.column > column) {
      frames.pop()
      top = frames.at(-1)
    }
    return !top || top.column < column ? enter(column, 'block') : undefined
  }

  for (const token of new Lexer().lex(text)) {
    if (++parts > limits.parts) {
      return { offset, message: `more than ${limits.parts} parts`, hint: 'split the file' }
    }
    start = offset
    const wasScalar = isScalar
    isScalar = token === '\x1f'
    if (isScalar || token === '\x02') continue
    if (token === '\x18') {
      const open = frames.at(-1)
      return open?.isFlow ? unclosedBracket(open) : { offset, message: NOT_HERE }
    }
    offset += token.length
    const first = wasScalar ? 'scalar' : (token[0] ?? '\n')
    const column = start - lineStart
    const isInFlow = frames.at(-1)?.isFlow === true
    if (token.includes('\n')) lineStart = start + token.lastIndexOf('\n') + 1

    if (first === '\n' || first === '\r') {
      isLineStart = true
      hasTabIndent = false
      continue
    }
    if (first === '#') continue
    if (first === ' ' || first === '\t') {
      if (isLineStart && token.includes('\t')) hasTabIndent = true
      continue
    }
    if (hasTabIndent) {
      return { offset: start, message: 'a tab is used as indentation', hint: 'use spaces' }
    }
    if (isLineStart) keyColumn = column
    isLineStart = false

    let fault: ScanFault | undefined
    if (token === '---' && !wasScalar) {
      if (hasContent) fault = severalDocuments(start)
      hasContent = true
    } else if (token === '...' && !wasScalar) {
      fault = severalDocuments(start)
    } else if (first in REFUSED) {
      const refused = REFUSED[first]
      if (refused) fault = { offset: start, ...refused }
    } else if (wasScalar && token === '<<') {
      fault = { offset: start, message: 'merge keys (`<<`) are not accepted', hint: 'write it out' }
    } else if ((first === '"' || first === "'") && (token.length < 2 || !token.endsWith(first))) {
      fault = { offset: start, message: 'this quote is never closed' }
    } else if (first === '[' || first === '{') {
      fault = enter(column, first)
    } else if (first === ']' || first === '}') {
      if (isInFlow) frames.pop()
    } else if (first === ',') {
      const top = frames.at(-1)
      if (top?.isFlowMap) fault = countKey(top)
    } else if (first === '-' && !isInFlow) {
      fault = enterBlock(column)
      // `- key: value`: the key's column is that of what follows.
      keyColumn = -1
    } else if (first === ':' && !isInFlow) {
      fault = enterBlock(keyColumn < 0 ? column : keyColumn) ?? countKey(frames.at(-1))
      keyColumn = -1
    } else if (keyColumn < 0) {
      keyColumn = column
    }
    if (fault) return fault
    hasContent = true
    if (lineStart > start) isLineStart = token.endsWith('\n')
  }
  const open = frames.at(-1)
  return open?.isFlow ? unclosedBracket(open) : undefined
}

function unclosedBracket({ offset }: Frame): ScanFault {
  return { offset, message: 'this bracket is never closed' }
}

function severalDocuments(offset: number): ScanFault {
  return { offset, message: 'several documents in one file', hint: 'keep one, without `---`' }
}
