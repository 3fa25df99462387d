/** `postern start` with `workers: N`: the process that starts the others and answers the operators. */
import { createAdmin } from '../admin/server.ts'
import { startDemo } from '../demo.ts'
import { createEvents } from '../observe/events.ts'
import { createLogger } from '../observe/logger.ts'
import { createMetrics } from '../observe/metrics.ts'
import type { RuleSet } from '../ruleset.ts'
import { createWorkers } from '../workers.ts'
import type { CommandContext, ExitCode } from './context.ts'
import { greet } from './greet.ts'

export async function startPrimary(rules: RuleSet, context: CommandContext): Promise<ExitCode> {
  const { terminal, clock, version } = context
  const { value: config, secrets } = rules.loaded
  const metrics = createMetrics()
  const logger = createLogger({
    ...config.log,
    isTerminal: terminal.isTerminal,
    secrets: () => secrets,
    clock,
    write: line => terminal.write(line),
    counted: level => metrics.logMessages.inc(level),
  })
  const events = createEvents(logger, metrics, () => clock.now() / 1000)
  let deathCode = 0
  const workers = createWorkers({
    count: config.workers,
    counted: () => metrics.registry.metrics(),
    died: fact => {
      deathCode = fact.code
      events.workerDied(fact)
    },
  })
  let isDraining = false
  const admin = createAdmin({
    health: {
      why: () =>
        isDraining ? 'draining' : workers.areReady() ? undefined : 'not every worker is ready',
    },
    metrics: workers.metrics,
    contentType: metrics.registry.contentType,
    administered: events.administered,
    certificate: rules.loaded.tls.admin,
    token: config.admin.token,
    host: config.admin.listen.host,
  })
  await admin.listen({ ...config.admin.listen })
  const demo = config.demo && (await startDemo(config.demo.listen, events.demoReceived))
  const stopped = context.stopped()
  let exitCode: ExitCode = 0
  try {
    const server = await workers.start()
    const address = admin.server.address()
    const port = address !== null && typeof address === 'object' ? address.port : 0
    const addresses = {
      server,
      admin: `${config.admin.listen.host}:${port}`,
      demo: demo && `${config.demo?.listen.host}:${demo.port}`,
    }
    const { workers: count, store } = config
    events.started({ ...addresses, version, store: store.type, workers: count, pid: process.pid })
    if (config.log.format === 'pretty') greet(rules, addresses, context)
    events.stopping(await stopped)
  } catch (error) {
    events.failed(error)
    exitCode = deathCode === 78 ? 78 : 1
  }
  isDraining = true
  await workers.stop()
  await demo?.close()
  await admin.close()
  events.stopped()
  return exitCode
}
