/** Offsets of a text to lines and columns. */
import type { Position } from './faults.ts'

export interface Lines {
  /** Without line ends. */
  readonly texts: readonly string[]
  /** Of an offset in UTF-16 units. */
  at(offset: number): Position
}

export function toLines(text: string): Lines {
  const starts = [0]
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1)
  return {
    texts: text.split(/\r?\n/),
    at(offset) {
      let low = 0
      let high = starts.length - 1
      while (low < high) {
        const middle = (low + high + 1) >> 1
        if ((starts[middle] ?? 0) <= offset) low = middle
        else high = middle - 1
      }
      return { line: low + 1, col: offset - (starts[low] ?? 0) + 1 }
    },
  }
}
