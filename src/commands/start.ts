/** `postern start`: runs the gateway until it is told to stop. */
import { createApp, type Addresses } from '../app.ts'
import { createEvents } from '../observe/events.ts'
import { createLogger } from '../observe/logger.ts'
import { createMetrics } from '../observe/metrics.ts'
import { formatFault, type Fault } from '../rules/faults.ts'
import { createWatch } from '../rules/watch.ts'
import { loadRuleSet, type RuleSet } from '../ruleset.ts'
import { loadOrReport, type CommandContext, type ExitCode } from './context.ts'

export interface StartOptions {
  readonly config: string
  /** False for a worker: the primary process has the admin listener and the demo. */
  readonly isAlone: boolean
}

export async function start(options: StartOptions, context: CommandContext): Promise<ExitCode> {
  const { terminal, clock, version, catalogue } = context
  const file = options.config
  const first = await loadOrReport(file, context)
  if (!first) return 1
  let rules = first

  const { log } = rules.loaded.value
  const logger = createLogger({
    ...log,
    isTerminal: terminal.isTerminal,
    secrets: () => rules.loaded.secrets,
    clock,
    write: line => terminal.write(line),
  })
  const metrics = createMetrics()
  metrics.buildInfo.set({ version, node_version: process.version }, 1)
  const events = createEvents(logger, metrics, () => clock.now() / 1000)
  tellLoaded(rules)

  const app = createApp({
    rules,
    events,
    metrics,
    clock,
    version,
    isAlone: options.isAlone,
    onFatal: error => {
      events.failed(error)
      context.abort(1)
    },
  })
  const watch = await createWatch({ paths: rules.loaded.watched, onChange: () => void reload() })
  let reloading: Promise<void> = Promise.resolve()

  /** All or nothing: on any fault the old set stays, and work in flight is never touched. */
  function reload(): Promise<void> {
    reloading = reloading.then(async () => {
      const next = await loadRuleSet(file, { catalogue })
      if (!next.ok) return tellRefused(next.error)
      if (needsRestart(rules, next.value)) {
        events.warned(
          'server, admin, store, log, workers or whether there is a proxy changed: restart to use it',
        )
      }
      rules = next.value
      app.reload(rules)
      await watch.update(rules.loaded.watched)
      tellLoaded(rules)
    })
    return reloading
  }

  function tellLoaded({ networks, destinations, loaded }: RuleSet): void {
    for (const warning of loaded.warnings) events.warned(formatFault(warning))
    events.reloaded({
      ok: true,
      networks: networks.size,
      destinations: destinations.size,
      faults: [],
    })
  }

  function tellRefused(faults: readonly Fault[]): void {
    const { networks, destinations } = rules
    events.reloaded({
      ok: false,
      networks: networks.size,
      destinations: destinations.size,
      faults: faults.map(formatFault),
    })
  }

  const starting = app.start()
  const signalled = context.stopped().then(signal => {
    events.stopping(signal)
    return app.close()
  })
  const started = await starting
  if (!started.ok) {
    events.warned(started.error)
    terminal.error(started.error)
    watch.close()
    await app.close()
    return 1
  }
  events.started({
    ...started.value,
    version,
    store: rules.loaded.value.store.type,
    pid: process.pid,
  })
  if (log.format === 'pretty') greet(rules, started.value, context)

  await signalled
  watch.close()
  events.stopped()
  return 0
}

function needsRestart(before: RuleSet, after: RuleSet): boolean {
  const fixed = ({ loaded: { value } }: RuleSet) => {
    const { server, admin, log, workers, store, proxy } = value
    const edge = proxy && [proxy.header_bytes, proxy.request_timeout_ms]
    return JSON.stringify({ server, admin, log, workers, store, edge })
  }
  return fixed(before) !== fixed(after)
}

/** For the newcomer: where it listens and one line to try. */
function greet(
  { loaded }: RuleSet,
  { server, admin, demo }: Addresses,
  context: CommandContext,
): void {
  const { terminal } = context
  terminal.line()
  terminal.line(`  Postbacks   http://${server}/in/<network>/<token>`)
  if (admin) terminal.line(`  Metrics     http://${admin}/metrics`)
  const [name, network] = Object.entries(loaded.value.networks)[0] ?? []
  if (demo && name !== undefined) {
    // With the stand-in tracker configured this is a first try, and its token is in the file.
    const token = network?.tokens[0] ?? ''
    const query = 'cid=click-1&sub1=click-2&txid=order-1&payout=12.50&currency=USD'
    terminal.line()
    terminal.line(`  Try it      curl 'http://${server}/in/${name}/${token}?${query}'`)
  }
  terminal.line()
}
