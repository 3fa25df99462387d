/** `postern start`: runs the gateway until it is told to stop. */
import { createApp } from '../app.ts'
import { createTransport } from '../deliver/transport.ts'
import { createPublicKeys } from '../keys.ts'
import { createEvents } from '../observe/events.ts'
import { createLogger } from '../observe/logger.ts'
import { createMetrics } from '../observe/metrics.ts'
import type { Tracing } from '../observe/trace.ts'
import { formatFault, type Fault } from '../rules/faults.ts'
import { createWatch } from '../rules/watch.ts'
import { isWorker, linkToPrimary } from '../workers.ts'
import { keyUrls, loadRuleSet, type RuleSet } from '../ruleset.ts'
import { loadOrReport, type CommandContext, type ExitCode } from './context.ts'
import { greet } from './greet.ts'
import { startPrimary } from './start-primary.ts'

export interface StartOptions {
  readonly config: string
}

export async function start(options: StartOptions, context: CommandContext): Promise<ExitCode> {
  const { terminal, clock, version, catalogue } = context
  const file = options.config
  const keys = createPublicKeys({
    clock,
    transport: createTransport({ clock, version }),
    failed: message => events.warned(message),
  })
  const first = await loadOrReport(file, context, { keys })
  if (!first) return 1
  if (first.loaded.value.workers > 1 && !isWorker()) {
    keys.close()
    return startPrimary(first, context)
  }
  let rules = first

  context.hide(() => rules.loaded.secrets)
  const { log } = rules.loaded.value
  const metrics = createMetrics()
  metrics.buildInfo.set(1, version, process.version)
  const logger = createLogger({
    ...log,
    isTerminal: terminal.isTerminal,
    secrets: () => rules.loaded.secrets,
    clock,
    write: line => terminal.write(line),
    counted: level => metrics.logMessages.inc(level),
  })
  const tracing = await openTracing(rules, context, message => events.warned(message))
  const events = createEvents(logger, metrics, () => clock.now() / 1000, tracing)
  tellLoaded(rules)

  // A worker listens to the primary process, which has the admin listener and the demo.
  const link = isWorker() ? linkToPrimary(() => metrics.registry.metrics()) : undefined
  if (link) context.ignoreSignals()
  const app = createApp({
    rules,
    events,
    metrics,
    clock,
    version,
    isAlone: link === undefined,
    keys,
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
      const next = await loadRuleSet(file, { catalogue, keys })
      if (!next.ok) return tellRefused(next.error)
      if (needsRestart(rules, next.value)) {
        events.warned(
          'server, admin, store, log, tracing, workers or whether there is a proxy changed: restart to use it',
        )
      }
      rules = next.value
      app.reload(rules)
      await watch.update(rules.loaded.watched)
      tellLoaded(rules)
    })
    return reloading
  }

  function tellLoaded(loadedRules: RuleSet): void {
    const { networks, destinations, loaded } = loadedRules
    keys.prefetch(keyUrls(loadedRules))
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
  const signalled = (link?.stopped ?? context.stopped()).then(signal => {
    events.stopping(signal)
    return app.close()
  })
  const started = await starting
  if (!started.ok) {
    const { message, isLasting } = started.error
    events.warned(message)
    terminal.error(message)
    watch.close()
    await app.close()
    await tracing?.close()
    link?.close()
    return isLasting ? 78 : 1
  }
  link?.serve(started.value.server, app.health.isReady)
  const { server } = started.value
  const { type: store } = rules.loaded.value.store
  if (link) events.workerStarted({ server, pid: process.pid })
  else events.started({ ...started.value, version, store, pid: process.pid })
  if (log.format === 'pretty' && !link) greet(rules, started.value, context)

  await signalled
  await tracing?.close()
  watch.close()
  link?.close()
  events.stopped()
  return 0
}

/** Loads OpenTelemetry only where it is asked for. */
async function openTracing(
  { loaded }: RuleSet,
  { clock, version }: CommandContext,
  failed: (message: string) => void,
): Promise<Tracing | undefined> {
  const { tracing } = loaded.value
  if (!tracing) return undefined
  const { createTracing } = await import('../observe/tracing.ts')
  return createTracing({ ...tracing, clock, version, failed })
}

function needsRestart(before: RuleSet, after: RuleSet): boolean {
  const fixed = ({ loaded: { value } }: RuleSet) => {
    const { server, admin, log, tracing, workers, store, proxy } = value
    const edge = proxy && [proxy.header_bytes, proxy.request_timeout_ms]
    return JSON.stringify({ server, admin, log, tracing, workers, store, edge })
  }
  return fixed(before) !== fixed(after)
}
