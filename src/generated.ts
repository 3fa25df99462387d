/** Every file of this repository that is made from its sources: path from the root → text. */
import { generatedSchemas } from './config/json-schema.ts'
import { observabilityFiles } from './observe/generated.ts'

export async function generatedFiles(_root: string): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>()
  for (const [name, text] of generatedSchemas()) files.set(`rules/schema/${name}`, text)
  for (const [path, text] of observabilityFiles()) files.set(path, text)
  return files
}
