/** `postern generate`: writes what is made from the sources; a test compares. For contributors. */
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { generatedFiles } from '../generated.ts'
import type { CommandContext, ExitCode } from './context.ts'

export async function generate({ root, terminal }: CommandContext): Promise<ExitCode> {
  for (const [file, text] of await generatedFiles(root)) {
    await mkdir(dirname(join(root, file)), { recursive: true })
    await writeFile(join(root, file), text)
    terminal.line(file)
  }
  return 0
}
