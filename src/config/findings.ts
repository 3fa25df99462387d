/** Where the cross checks put what they find. */
import type { SourceDocument } from '../rules/document.ts'
import type { Fault, Path } from '../rules/faults.ts'

export interface Findings {
  readonly document: SourceDocument
  fault(path: Path, message: string, hint?: string): void
  warn(path: Path, message: string, hint?: string): void
  add(faults: readonly Fault[]): void
}
