/** Every file of this repository that is made from its sources: path from the root → text. */
import { join } from 'node:path'
import { adPlatformPage } from './ad-platform-page.ts'
import { generatedSchemas } from './config/json-schema.ts'
import { schemaPage } from './config/schema-page.ts'
import { configSchema } from './config/schema.ts'
import { hostilePage } from './hostile-page.ts'
import { networkReference } from './network-reference.ts'
import { listDestinations } from './destination-list.ts'
import { destinationPage } from './destination-page.ts'
import { observabilityFiles } from './observe/generated.ts'
import { loadCatalogue } from './rules/catalogue.ts'
import { destinationRule } from './rules/destination-schema.ts'
import { formatFault } from './rules/faults.ts'
import { networkRule } from './rules/schema.ts'

export async function generatedFiles(root: string): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>()
  for (const [name, text] of generatedSchemas()) files.set(`rules/schema/${name}`, text)
  files.set(
    'docs/reference/postern-yaml.md',
    schemaPage(
      'postern.yaml',
      'Every option of the configuration. Secrets are `${ENV}`, `${ENV:-default}` or `${file:/path}`.',
      configSchema,
    ),
  )
  files.set(
    'docs/reference/network-rules.md',
    schemaPage('Network rules', 'Every option of `rules/networks/<id>.yaml`.', networkRule),
  )
  files.set(
    'docs/reference/destination-rules.md',
    schemaPage(
      'Destination rules',
      'Every option of `rules/destinations/<id>.yaml`.',
      destinationRule,
    ),
  )
  files.set('docs/hostile-input.md', await hostilePage(root))
  const catalogue = await loadCatalogue([join(root, 'rules')])
  if (!catalogue.ok) throw new Error(catalogue.error.map(formatFault).join('\n'))
  const listed = listDestinations(catalogue.value)
  files.set('docs/reference/destinations.md', destinationPage(listed))
  files.set('docs/reference/ad-platforms.md', adPlatformPage(listed))
  for (const [path, text] of observabilityFiles()) files.set(path, text)
  const networks = [...catalogue.value.networks].map(([id, { value }]) => [id, value] as const)
  files.set('docs/reference/networks.md', networkReference(new Map(networks)))
  return files
}
