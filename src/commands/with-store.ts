/** For commands that look into the store of running gateways, or of none. */
import { createStore } from '../stores.ts'
import type { Store } from '../store/store.ts'
import { loadOrReport, type CommandContext, type ExitCode } from './context.ts'
import type { RuleSet } from '../ruleset.ts'

/** Opens the configured store beside the gateways that use it, and closes it again. */
export async function withStore(
  configFile: string,
  context: CommandContext,
  work: (store: Store, rules: RuleSet) => Promise<ExitCode>,
): Promise<ExitCode> {
  const rules = await loadOrReport(configFile, context)
  if (!rules) return 1
  const { store: config } = rules.loaded.value
  const { terminal, clock } = context
  if (config.type === 'memory') {
    terminal.error('store.type is memory: what it holds lives inside the gateway process only')
    return 1
  }
  const report = (error: Error) => terminal.error(`store: ${error.message}`)
  const store = createStore(config, { clock, onFatal: report, onError: () => {} })
  try {
    await store.open()
    return await work(store, rules)
  } catch (error) {
    report(error as Error)
    return 1
  } finally {
    await store.close()
  }
}

/** A whole number from 1, or undefined. */
export function parseCount(text: string): number | undefined {
  return /^[1-9]\d{0,6}$/.test(text) ? Number(text) : undefined
}
