/** What commands print: tables and colours for people at a terminal, JSON for programs. */
import { stripVTControlCharacters } from 'node:util'

export interface Terminal {
  readonly isTerminal: boolean
  readonly columns: number
  line(text?: string): void
  /** As it is, without a line end. */
  write(text: string): void
  error(text: string): void
  /** Overwrites one line while something takes long; nothing where it is not a terminal. */
  progress(text: string): void
}

type Paint = (text: string) => string

/** Colours on a terminal only. */
export function paints(terminal: Pick<Terminal, 'isTerminal'>): {
  readonly good: Paint
  readonly bad: Paint
  readonly faint: Paint
  readonly strong: Paint
} {
  const paint =
    (code: number): Paint =>
    text =>
      terminal.isTerminal ? `\u001b[${code}m${text}\u001b[0m` : text
  return { good: paint(32), bad: paint(31), faint: paint(2), strong: paint(1) }
}

/** Columns aligned to their widest cell; the last one is cut to fit the terminal. */
export function table(
  terminal: Pick<Terminal, 'isTerminal' | 'columns'>,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): string[] {
  const width = (text: string) => stripVTControlCharacters(text).length
  const widths = head.map((title, i) =>
    Math.max(width(title), ...rows.map(row => width(row[i] ?? ''))),
  )
  const toLine = (cells: readonly string[]) =>
    cells
      .map((cell, i) =>
        i === cells.length - 1 ? cell : cell + ' '.repeat((widths[i] ?? 0) - width(cell)),
      )
      .join('  ')
  const { faint } = paints(terminal)
  return [faint(toLine(head)), ...rows.map(row => cut(toLine(row), terminal))]
}

function cut(line: string, terminal: Pick<Terminal, 'isTerminal' | 'columns'>): string {
  const isTooWide = terminal.isTerminal && stripVTControlCharacters(line).length > terminal.columns
  return isTooWide ? `${stripVTControlCharacters(line).slice(0, terminal.columns - 1)}…` : line
}

export function createTerminal(out: NodeJS.WriteStream, err: NodeJS.WriteStream): Terminal {
  const isTerminal = out.isTTY
  return {
    isTerminal,
    columns: out.columns || 100,
    line: (text = '') => out.write(`${text}\n`),
    write: text => out.write(text),
    error: text => err.write(`${text}\n`),
    progress: text => {
      if (isTerminal) out.write(`\r\u001b[K${text}`)
    },
  }
}
