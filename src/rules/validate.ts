/**
 * Document × schema → faults. The schema is compiled once, when first used: it costs about
 * 100 ms, which only commands that load files should pay.
 */
import type { AnySchema, ErrorObject } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { SourceDocument } from './document.ts'
import { sortFaults, type Fault, type Path } from './faults.ts'
import { toFault, toPath } from './schema-faults.ts'
import { matcherDefinition } from './schema.ts'

export interface ValidateOptions {
  /** Validated instead of the document's own value: references resolved. */
  readonly value?: unknown
  /** Where a reference stands: its text is not yet what it will be. */
  isReference?(path: Path): boolean
}

export type Validate = (document: SourceDocument, options?: ValidateOptions) => Fault[]

/** Each costs a search in the document; a file of ten thousand mistakes needs no full list. */
const MAX_FINDINGS = 150

/** What a reference may still become right. */
const OF_TEXT = new Set(['pattern', 'enum', 'minLength', 'maxLength'])

export function withDefinitions(schema: object): object {
  return { ...schema, $defs: { matcher: matcherDefinition } }
}

export function createValidate(schema: object): Validate {
  let validate: ReturnType<Ajv2020['compile']> | undefined
  return (document, options = {}) => {
    validate ??= new Ajv2020({ allErrors: true, verbose: true, messages: false }).compile(
      withDefinitions(schema) as AnySchema,
    )
    const isReference = (path: Path) => options.isReference?.(path) ?? false
    if (validate(options.value ?? document.value)) return []
    const isPending = (error: ErrorObject) =>
      options.value === undefined &&
      error.propertyName === undefined &&
      OF_TEXT.has(error.keyword) &&
      isReference(toPath(error.instancePath, document.value))
    return sortFaults(
      (validate.errors ?? [])
        .filter(error => !isPending(error))
        .slice(0, MAX_FINDINGS)
        .map(error => toFault(error, document, path => !isReference(path)))
        .filter(fault => fault !== undefined),
    )
  }
}
