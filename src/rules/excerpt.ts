/**
 * The source line that a fault shows, with everything that could be a secret left out.
 * In: the line and what the kind of file permits. Out: one printable line.
 */
import { MASK, printable } from '../base/redact.ts'
import type { Position } from './faults.ts'

const MAX_WIDTH = 160
/** A file may be one line of 256 KiB, and every fault in it would search all of it. */
const MAX_READ = 1000
const SECRET_KEY =
  /(?:^|[\s{,[-])["']?(?:[\w-]*[_-])?(?:secrets?|tokens?|passwords?|passwd|pw|api_?key)["']?\s*:/i
const OWN_KEY = /^(?:\s|- )*[A-Za-z_][\w.-]{0,63}:(?=\s|$)/
const LIST_MARK = /^\s*(?:- )+/
const SECRET_TAIL = /^(?:[\w-]*[_-])?(?:secrets?|tokens?|passwords?|passwd|pw|api_?key)$/i

/** A key under which a rule file would hold a secret, should somebody put one there. */
export function isSecretKey(name: string): boolean {
  return SECRET_TAIL.test(name)
}

/** For rule files, which hold no secrets: the line as it is, up to a key that says otherwise. */
export function ruleExcerpt(lines: readonly string[], line: number): string {
  const text = (lines[line - 1] ?? '').slice(0, MAX_READ)
  const secret = SECRET_KEY.exec(text)
  if (secret) return cut(`${text.slice(0, secret.index + secret[0].length)} ${MASK}`)
  if (!OWN_KEY.test(text) && isUnderSecretKey(lines, line)) {
    return `${' '.repeat(indentOf(text))}${MASK}`
  }
  return cut(text)
}

/**
 * For the configuration: the line's own key and nothing after it, as any value may be a secret in
 * the wrong place. `shown` is the text of a value that is known to be none.
 */
export function configExcerpt(
  lines: readonly string[],
  { line, col }: Position,
  shown: string | undefined,
): string {
  const text = (lines[line - 1] ?? '').slice(0, MAX_READ)
  // A secret with a colon behind it looks like a key.
  if (LIST_MARK.test(text) && isUnderSecretKey(lines, line)) {
    return `${' '.repeat(indentOf(text))}${MASK}`
  }
  const key = OWN_KEY.exec(text)?.[0]
  const start = key ?? LIST_MARK.exec(text)?.[0]
  if (start !== undefined && shown !== undefined && text.startsWith(shown, col - 1)) {
    const between = text.slice(start.length, col - 1)
    if (col > start.length && between.trim() === '') return cut(`${start}${between}${shown}`)
  }
  if (key === undefined) return `${' '.repeat(indentOf(text))}${MASK}`
  return text.slice(key.length).trim() === '' ? key : `${key} …`
}

function isUnderSecretKey(lines: readonly string[], line: number): boolean {
  let indent = indentOf(lines[line - 1] ?? '')
  // Far enough for any list of secrets, and bounded for a file of one hundred thousand lines.
  for (let above = line - 1; above > 0 && above > line - 200; above--) {
    const text = (lines[above - 1] ?? '').slice(0, MAX_READ)
    if (text.trim() === '' || !OWN_KEY.test(text)) continue
    const own = indentOf(text)
    if (own > indent) continue
    if (SECRET_KEY.test(text)) return true
    if (own === 0) return false
    indent = own
  }
  return false
}

function indentOf(text: string): number {
  return text.length - text.trimStart().length
}

function cut(text: string): string {
  const masked = text.trimEnd().replace(/\/\/[^/\s]*@/g, `//${MASK}@`)
  return printable(masked.replaceAll('\t', ' '), MAX_WIDTH)
}
