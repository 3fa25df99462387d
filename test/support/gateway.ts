/**
 * A real gateway in its own process, from the built `dist`, with a configuration of its own in a
 * temporary folder. Whatever happens, it dies with the test.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stringify } from 'yaml'

export const ROOT = join(import.meta.dirname, '..', '..')
export const MAIN = join(ROOT, 'dist', 'main.js')

export interface Gateway {
  /** `http://127.0.0.1:port` of the public listener. */
  readonly url: string
  readonly admin: string
  readonly process: ChildProcess
  /** Lines of JSON it logged so far. */
  readonly lines: readonly Record<string, unknown>[]
  /** Everything it wrote so far, to both streams. */
  output(): string
  /** Resolves with exit code and signal. */
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  kill(signal: NodeJS.Signals): Promise<{ code: number | null; signal: NodeJS.Signals | null }>
}

/** A folder that goes away with the test. */
export function temporaryFolder(t: Teardown): string {
  const folder = mkdtempSync(join(tmpdir(), 'postern-test-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export interface Teardown {
  teardown(run: () => unknown): void
}

/** Writes the configuration, with free ports where it names no listeners; returns its path. */
export function writeConfig(folder: string, config: Record<string, unknown>): string {
  const file = join(folder, 'postern.yaml')
  writeFileSync(
    file,
    stringify(
      {
        server: { listen: '127.0.0.1:0' },
        // The shared state is looked at often, so that tests need not wait for it.
        admin: { listen: '127.0.0.1:0', collect_interval_ms: 250 },
        ...config,
      },
      { aliasDuplicateObjects: false },
    ),
  )
  return file
}

export async function startGateway(
  t: Teardown,
  configFile: string,
  env: Record<string, string> = {},
  /** A command that runs the one behind it, such as one that enters a network namespace. */
  within: readonly string[] = [],
): Promise<Gateway> {
  const command = [...within, process.execPath, MAIN, 'start', '--config', configFile]
  const child = spawn(command[0] ?? '', command.slice(1), {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const lines: Record<string, unknown>[] = []
  let text = ''
  let errors = ''
  let written = ''
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
    written += chunk.toString()
  })
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>(resolve => {
    child.once('exit', (code, signal) => resolve({ code, signal }))
  })
  const addresses = new Promise<{ server: string; admin: string }>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      written += chunk.toString()
      for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n')) {
        const line = text.slice(0, end)
        text = text.slice(end + 1)
        if (!line.startsWith('{')) continue
        const fact = JSON.parse(line) as Record<string, unknown>
        lines.push(fact)
        if (fact['msg'] === 'gateway.started') {
          resolve({ server: String(fact['server']), admin: String(fact['admin']) })
        }
      }
    })
    void exited.then(end =>
      reject(
        new Error(
          `the gateway did not start: ${JSON.stringify(end)}\n${errors}${JSON.stringify(lines)}`,
        ),
      ),
    )
  })
  const { server, admin } = await addresses
  return {
    url: `http://${server}`,
    admin: `http://${admin}`,
    process: child,
    lines,
    exited,
    output: () => written,
    kill: async signal => {
      child.kill(signal)
      return exited
    },
  }
}
