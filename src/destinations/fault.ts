/** What is wrong with a configured destination, and in which of its two documents. */
import type { RuleFault } from '../rules/rule-fault.ts'

export interface DestinationFault extends RuleFault {
  /** `rule`: the path starts at the rule's root; `config`: at this destination in postern.yaml. */
  readonly in: 'rule' | 'config'
}

export type Path = readonly (string | number)[]

export function ruleFault(path: Path, message: string, hint?: string): DestinationFault {
  return { in: 'rule', path, message, ...(hint === undefined ? {} : { hint }) }
}

export function configFault(path: Path, message: string, hint?: string): DestinationFault {
  return { in: 'config', path, message, ...(hint === undefined ? {} : { hint }) }
}
