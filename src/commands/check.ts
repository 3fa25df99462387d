/** `postern check`: is this configuration sound? Every fault and warning, each at its place. */
import { DESTINATION_TYPES } from '../destinations/registry.ts'
import { runDestinationExample } from '../destinations/examples.ts'
import { runNetworkExamples } from '../examples.ts'
import { effectiveSummary } from '../config/summary.ts'
import { formatFault, type Fault } from '../rules/faults.ts'
import { loadRuleSet, type RuleSet } from '../ruleset.ts'
import { lintVerify } from '../verify/lint.ts'
import { reportFaults, type CommandContext, type ExitCode } from './context.ts'
import { matchKeys } from './match-keys.ts'
import { paints, table } from './terminal.ts'

export interface CheckOptions {
  readonly config: string
  readonly json?: boolean
}

export async function check(options: CheckOptions, context: CommandContext): Promise<ExitCode> {
  const { terminal, catalogue } = context
  const rules = await loadRuleSet(options.config, { catalogue, hasWholeCatalogue: true })
  if (!rules.ok) {
    if (options.json) terminal.line(JSON.stringify({ ok: false, faults: rules.error }))
    else reportFaults(rules.error, terminal)
    return 1
  }
  const warnings = warningsOf(rules.value)
  const failures = failedExamples(rules.value)
  if (options.json) {
    const keys = matchKeys(rules.value)
    terminal.line(
      JSON.stringify({ ok: failures.length === 0, warnings, failures, match_keys: keys }),
    )
    return failures.length === 0 ? 0 : 1
  }
  for (const warning of warnings) terminal.line(`warning: ${formatFault(warning)}`)
  printSummary(rules.value, context)
  for (const failure of failures) terminal.error(failure)
  const { good, bad } = paints(terminal)
  terminal.line()
  terminal.line(failures.length === 0 ? good('sound') : bad(`${failures.length} examples fail`))
  return failures.length === 0 ? 0 : 1
}

function warningsOf({ loaded, networks }: RuleSet): readonly Fault[] {
  const found = [...networks.values()].flatMap(({ rule }) =>
    lintVerify(rule.value).map(warning => rule.fault(warning)),
  )
  return [...loaded.warnings, ...found]
}

/** The examples of the rules in use: a rule that was edited must still mean what it shows. */
function failedExamples({ loaded, networks }: RuleSet): readonly string[] {
  const failures: string[] = []
  for (const rule of new Set([...networks.values()].map(network => network.rule))) {
    for (const { title, ok, differences } of runNetworkExamples(rule.value)) {
      if (!ok) failures.push(`${rule.file}: example "${title}": ${differences.join('; ')}`)
    }
  }
  for (const id of new Set(Object.values(loaded.value.destinations).map(({ rule }) => rule))) {
    const rule = loaded.catalogue.destinations.get(id)
    const source = rule?.value ?? DESTINATION_TYPES.find(({ type }) => type === id)
    for (const example of source?.examples ?? []) {
      const { ok, differences } = runDestinationExample(source ?? never(), example)
      if (!ok) failures.push(`${id}: example "${example.title}": ${differences.join('; ')}`)
    }
  }
  return failures
}

function never(): never {
  throw new Error('an example without its rule')
}

function printSummary(rules: RuleSet, { terminal }: CommandContext): void {
  const { loaded, networks, destinations } = rules
  const print = (head: string[], rows: string[][]) => {
    for (const line of table(terminal, head, rows)) terminal.line(line)
    terminal.line()
  }
  print(
    ['network', 'rule', 'facts', 'checks'],
    [...networks.values()].map(({ id, rule, isEnabled }) => [
      isEnabled ? id : `${id} (off)`,
      rule.value.name,
      rule.value.verified,
      rule.value.verify.flatMap(one => Object.keys(one)).join(', ') || 'none',
    ]),
  )
  print(
    ['destination', 'rule', 'at most', 'gives up after'],
    [...destinations.values()].map(({ id, rule, policy }) => [
      id,
      rule,
      `${policy.concurrency} at once`,
      `${Math.round(policy.budgetMs / 3_600_000)} h`,
    ]),
  )
  print(
    ['route', 'from', 'to'],
    loaded.value.routes.map(({ from, to }, i) => [
      String(i + 1),
      from?.join(', ') ?? 'all networks',
      to.join(', '),
    ]),
  )
  const keys = matchKeys(rules)
  if (keys.length > 0) {
    print(
      ['match keys', 'network', 'matched by', 'if sent', 'never supplied'],
      keys.map(({ destination, network, supplied, possible, missing }) => [
        destination,
        network,
        supplied.join(', ') || 'nothing',
        possible.join(', '),
        missing.join(', '),
      ]),
    )
  }
  terminal.line(effectiveSummary(loaded.value, loaded.secrets).trimEnd())
}
