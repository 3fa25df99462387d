/**
 * What is wrong with a file, where, and what to do. A fault never carries a secret: its excerpt
 * is masked where it is made (excerpt.ts), and its message never repeats a value.
 */

/** From the root of a document: keys and list indexes. */
export type Path = readonly (string | number)[]

/** Both count from 1; `col` counts UTF-16 units. */
export interface Position {
  readonly line: number
  readonly col: number
}

export interface Location extends Position {
  readonly file: string
}

/** `line` is 0 where the fault concerns the file or folder as a whole. */
export interface Fault extends Location {
  readonly message: string
  /** What to do. */
  readonly hint?: string
  /** The source line, masked. */
  readonly excerpt?: string
}

/** More than this per run helps nobody. */
const MAX_FAULTS = 100

export function fileFault(file: string, message: string, hint?: string): Fault {
  return { file, line: 0, col: 0, message, ...(hint === undefined ? {} : { hint }) }
}

/** By file, line and column, each once, at most 100 with a last one that counts the rest. */
export function sortFaults(faults: readonly Fault[]): Fault[] {
  const seen = new Set<string>()
  const unique = faults.filter(fault => {
    const key = `${fault.file}\0${fault.line}\0${fault.col}\0${fault.message}`
    return !seen.has(key) && seen.add(key)
  })
  unique.sort(
    (a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : 0) || a.line - b.line || a.col - b.col,
  )
  if (unique.length <= MAX_FAULTS) return unique
  const shown = unique.slice(0, MAX_FAULTS)
  const last = unique[MAX_FAULTS - 1] ?? { file: '', line: 0, col: 0 }
  const { file, line, col } = last
  shown.push({ file, line, col, message: `and ${unique.length - MAX_FAULTS} more faults` })
  return shown
}

/** `file:line:col: message`, then the source line with a caret, then what to do. */
export function formatFault(fault: Fault): string {
  const place = fault.line === 0 ? fault.file : `${fault.file}:${fault.line}:${fault.col}`
  const lines = [`${place}: ${fault.message}`]
  if (fault.excerpt !== undefined) {
    const number = String(fault.line)
    lines.push(`  ${number} | ${fault.excerpt}`)
    const caret = Math.min(fault.col - 1, fault.excerpt.length)
    lines.push(`  ${' '.repeat(number.length)} | ${' '.repeat(caret)}^`)
  }
  if (fault.hint !== undefined) lines.push(`  → ${fault.hint}`)
  return lines.join('\n')
}
