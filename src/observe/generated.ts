/** Files of the repository that are written from code: `postern generate` writes, a test compares. */
import { metricsPage } from './metrics-page.ts'

export interface GeneratedFile {
  /** From the root of the repository. */
  readonly path: string
  readonly text: string
}

export function generatedFiles(): readonly GeneratedFile[] {
  return [{ path: 'docs/metrics.md', text: metricsPage() }]
}
