/** Every file of this repository that is made from its sources: path from the root → text. */
import { join } from 'node:path'
import { generatedSchemas } from './config/json-schema.ts'
import { networkReference } from './network-reference.ts'
import { observabilityFiles } from './observe/generated.ts'
import { loadCatalogue } from './rules/catalogue.ts'
import { formatFault } from './rules/faults.ts'

export async function generatedFiles(root: string): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>()
  for (const [name, text] of generatedSchemas()) files.set(`rules/schema/${name}`, text)
  for (const [path, text] of observabilityFiles()) files.set(path, text)
  const catalogue = await loadCatalogue([join(root, 'rules')])
  if (!catalogue.ok) throw new Error(catalogue.error.map(formatFault).join('\n'))
  const networks = [...catalogue.value.networks].map(([id, { value }]) => [id, value] as const)
  files.set('docs/reference/networks.md', networkReference(new Map(networks)))
  return files
}
