/**
 * The text of one rule file → a typed rule. Out: the rule with the places of its parts, or every
 * fault of the file. Templates, matchers and patterns are compiled later; they report through
 * `fault`.
 */
import { fail, ok, type Result } from '../base/result.ts'
import { parseDocument, RULE_FILE, type SourceDocument } from './document.ts'
import type { Fault, Location, Path } from './faults.ts'
import type { RuleFault } from './rule-fault.ts'
import { sortFaults } from './faults.ts'
import { lintDestination, lintNetwork } from './lint.ts'
import { destinationRule } from './destination-schema.ts'
import { networkRule } from './schema.ts'
import type { DestinationRule } from './destination-schema.ts'
import type { NetworkRule } from './schema.ts'
import { createValidate, type Validate } from './validate.ts'

/** A value from a file, with the places of its parts. */
export interface Loaded<T> {
  readonly value: T
  readonly file: string
  /** Of the value at `path`, or of the nearest thing around it. */
  locate(path: Path): Location
  /** What a later step found, at its place in the file. */
  fault(found: RuleFault): Fault
}

const validateNetwork = createValidate(networkRule)
const validateDestination = createValidate(destinationRule)

export function loadNetworkRule(text: string, file: string): Result<Loaded<NetworkRule>, Fault[]> {
  return loadRule(text, file, validateNetwork, lintNetwork)
}

export function loadDestinationRule(
  text: string,
  file: string,
): Result<Loaded<DestinationRule>, Fault[]> {
  return loadRule(text, file, validateDestination, lintDestination)
}

export function toLoaded<T>(document: SourceDocument, value: T): Loaded<T> {
  return {
    value,
    file: document.file,
    locate: path => ({ file: document.file, ...document.locate(path) }),
    fault: found => document.fault(found.path, found.message, found.hint),
  }
}

function loadRule<T>(
  text: string,
  file: string,
  validate: Validate,
  lint: (rule: T) => RuleFault[],
): Result<Loaded<T>, Fault[]> {
  const document = parseDocument(text, file, RULE_FILE)
  if (!document.ok) return document
  const shape = validate(document.value)
  if (shape.length > 0) return fail(shape)
  // The schema that has just held is the one the type is made from.
  const loaded = toLoaded(document.value, document.value.value as T)
  const faults = lint(loaded.value).map(found => loaded.fault(found))
  return faults.length > 0 ? fail(sortFaults(faults)) : ok(loaded)
}
