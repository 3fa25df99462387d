/**
 * JSON Schema (draft 2020-12) of every file that people write, for completion and checks in their
 * editors. In: the schemas the loader uses. Out: documents with descriptions and without `$id`.
 */
import { destinationRule } from '../rules/destination-schema.ts'
import { networkRule } from '../rules/schema.ts'
import { withDefinitions } from '../rules/validate.ts'
import { configSchema } from './schema.ts'

export interface EditorSchemas {
  readonly 'network.json': object
  readonly 'destination.json': object
  readonly 'postern.json': object
}

export function editorSchemas(): EditorSchemas {
  return {
    'network.json': toEditor('Postern network rule', networkRule),
    'destination.json': toEditor('Postern destination rule', destinationRule),
    'postern.json': toEditor('Postern configuration', permitReferences(configSchema)),
  }
}

/** File name → text, as committed under `rules/schema/`. */
export function generatedSchemas(): Map<string, string> {
  return new Map(
    Object.entries(editorSchemas()).map(([name, schema]) => [
      name,
      `${JSON.stringify(schema, null, 2)}\n`,
    ]),
  )
}

function toEditor(title: string, schema: object): object {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title,
    ...withDefinitions(schema),
  }
}

/** A text that must have a form may be a reference instead, which only the loader can follow. */
function permitReferences(schema: object): object {
  if (Array.isArray(schema)) return schema
  const entries = Object.entries(schema as Record<string, unknown>)
  const mapped = Object.fromEntries(
    entries.map(([key, value]) => {
      if (typeof value !== 'object' || value === null || key === 'propertyNames')
        return [key, value]
      return [key, permitReferences(value)]
    }),
  )
  if (mapped['type'] !== 'string' || !('pattern' in mapped || 'enum' in mapped)) return mapped
  const { type, description, ...form } = mapped
  return {
    type,
    ...(description === undefined ? {} : { description }),
    anyOf: [form, { pattern: '\\$\\{' }],
  }
}
