/**
 * Runs a command of `postern` inside this process: the same program from its arguments on, with the
 * terminal taken down. A tenth of the price of a process; for those that say nothing of processes.
 */
import { systemClock } from '../../src/base/clock.ts'
import { createProgram } from '../../src/commands/program.ts'
import { join } from 'node:path'
import { ROOT } from './gateway.ts'

export interface CommandRun {
  readonly code: number
  /** Both streams, as they came. */
  readonly text: string
}

/** One at a time: the environment is this process's own. */
export async function runCommand(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<CommandRun> {
  let text = ''
  let code = 0
  const write = (part: string) => {
    text += part
  }
  const never = (): never => {
    throw new Error('a command ended the process')
  }
  const program = createProgram(
    {
      terminal: {
        isTerminal: false,
        columns: 100,
        line: (line = '') => write(`${line}\n`),
        write,
        error: line => write(`${line}\n`),
        progress: () => {},
      },
      clock: systemClock,
      version: '0.0.0',
      catalogue: join(ROOT, 'rules'),
      root: ROOT,
      stopped: () => new Promise(() => {}),
      ignoreSignals: () => {},
      hide: () => {},
      abort: never,
    },
    exit => {
      code = exit
    },
  )
  const all = [
    program,
    ...program.commands,
    ...program.commands.flatMap(({ commands }) => commands),
  ]
  for (const command of all) {
    command.exitOverride().configureOutput({ writeOut: write, writeErr: write })
  }
  const before = Object.keys(env).map(name => [name, process.env[name]] as const)
  Object.assign(process.env, env)
  try {
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    // Commander's way to end: help, or a fault in the arguments.
    const { exitCode } = error as { exitCode?: number }
    if (exitCode === undefined) throw error
    code = exitCode
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
  return { code, text }
}
