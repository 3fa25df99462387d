/** What every command runs in. */
import type { Clock } from '../base/clock.ts'
import type { Fault } from '../rules/faults.ts'
import { formatFault } from '../rules/faults.ts'
import { loadRuleSet, type RuleSet, type RuleSetPorts } from '../ruleset.ts'
import { paints, type Terminal } from './terminal.ts'

export interface CommandContext {
  readonly terminal: Terminal
  readonly clock: Clock
  readonly version: string
  /** Folder of the shipped rules. */
  readonly catalogue: string
  /** Where Postern is installed. */
  readonly root: string
  /** From now on signals are heard; resolves with the first that asks to stop. */
  readonly stopped: () => Promise<string>
  /** A worker is stopped by its primary process, which hears the same signals. */
  readonly ignoreSignals: () => void
  /** From now on these are masked in what a crash prints. */
  readonly hide: (secrets: () => readonly string[]) => void
  /** Ends the process at once; the state on disk is what the last flush left. */
  readonly abort: (exitCode: number) => never
}

/**
 * Exit codes: 0 done, 1 something was found or failed, 78 (EX_CONFIG of sysexits.h) somebody has to
 * mend something first: a supervisor should not start it again.
 */
export type ExitCode = 0 | 1 | 78

/** The rule set, or undefined after its faults were printed. */
export async function loadOrReport(
  file: string,
  { terminal, catalogue, hide }: CommandContext,
  ports: RuleSetPorts = {},
): Promise<RuleSet | undefined> {
  const rules = await loadRuleSet(file, { catalogue, ...ports })
  if (rules.ok) {
    const { secrets } = rules.value.loaded
    hide(() => secrets)
    return rules.value
  }
  reportFaults(rules.error, terminal)
  return undefined
}

export function reportFaults(faults: readonly Fault[], terminal: Terminal): void {
  for (const fault of faults) terminal.error(formatFault(fault))
  const { bad } = paints(terminal)
  terminal.error(bad(faults.length === 1 ? '1 fault' : `${faults.length} faults`))
}
