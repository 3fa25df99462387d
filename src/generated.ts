/** Every file of this repository that is made from its sources: path from the root → text. */
import { generatedSchemas } from './config/json-schema.ts'

export async function generatedFiles(_root: string): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>()
  for (const [name, text] of generatedSchemas()) files.set(`rules/schema/${name}`, text)
  return files
}
