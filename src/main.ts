#!/usr/bin/env node
/** argv → command. The only file with process signals and exit codes. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { systemClock } from './base/clock.ts'
import { maskSecrets } from './base/redact.ts'
import type { CommandContext } from './commands/context.ts'
import { createProgram } from './commands/program.ts'
import { createTerminal } from './commands/terminal.ts'
import { endWriting } from './store/lmdb.ts'

const SIGNALS = ['SIGTERM', 'SIGINT'] as const
const root = join(import.meta.dirname, '..')
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  version: string
}
const terminal = createTerminal(process.stdout, process.stderr)

let secrets = (): readonly string[] => []

const context: CommandContext = {
  terminal,
  clock: systemClock,
  version,
  catalogue: join(root, 'rules'),
  root,
  stopped: firstSignal,
  ignoreSignals: () => {
    for (const signal of SIGNALS) process.on(signal, () => {})
  },
  hide: known => {
    secrets = known
  },
  abort: code => process.exit(code),
}

// What nobody expected must not go on half-broken: state is in the store, the supervisor restarts.
for (const fault of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(fault, (error: unknown) => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    // Messages of others may quote what they were given.
    terminal.error(maskSecrets(text, secrets()))
    process.exit(1)
  })
}
process.on('exit', endWriting)
// A reader that went away (`postern explain | head`) is not a failure.
process.stdout.on('error', () => process.exit(0))

const program = createProgram(context, code => {
  process.exitCode = code
})
await program.parseAsync()
// Only a running gateway holds the process open on purpose, and it has ended here; what was printed
// to a pipe must still get out.
for (const stream of [process.stdout, process.stderr]) {
  await new Promise(resolve => stream.write('', resolve))
}
process.exit()

function firstSignal(): Promise<string> {
  return new Promise(resolve => {
    let isAsked = false
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        // The second one does not wait; by design nothing that was answered 2xx is lost.
        if (isAsked) process.exit(130)
        isAsked = true
        resolve(signal)
      })
    }
  })
}
