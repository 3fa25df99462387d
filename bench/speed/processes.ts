/**
 * Processes of the benchmark: started on one core, measured through /proc, ended with the run.
 * Gateways have core 0; sender, destinations and Redis share core 1.
 */
import { fork, spawn, type ChildProcess } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'

export const GATEWAY_CORE = 0
export const OTHER_CORE = 1

const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export function startPinned(
  core: number,
  command: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly cwd?: string; readonly log?: number } = {},
): ChildProcess {
  const { env = {}, cwd, log } = options
  const child = spawn('taskset', ['-c', String(core), ...command], {
    env: { ...process.env, ...env },
    stdio: ['ignore', log ?? 'ignore', log ?? 'inherit'],
    ...(cwd === undefined ? {} : { cwd }),
  })
  return kept(child)
}

/** A module of this folder, with messages both ways. */
export function forkPinned(core: number, file: string): ChildProcess {
  const child = kept(fork(file, { execArgv: process.execArgv }))
  spawn('taskset', ['-acp', String(core), String(child.pid)], { stdio: 'ignore' })
  return child
}

function kept(child: ChildProcess): ChildProcess {
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}

/** SIGTERM, and SIGKILL where that is not enough. */
export function stop(child: ChildProcess, timeoutMs = 15_000): Promise<void> {
  return new Promise(resolve => {
    if (child.exitCode !== null || child.signalCode !== null) return resolve()
    const limit = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
    child.once('exit', () => {
      clearTimeout(limit)
      resolve()
    })
    child.kill('SIGTERM')
  })
}

export async function waitForPort(port: number, timeoutMs = 60_000): Promise<void> {
  const limit = performance.now() + timeoutMs
  while (!(await isOpen(port))) {
    if (performance.now() > limit) throw new Error(`nothing listens on port ${port}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}

function isOpen(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

/** It and all it has started. */
function family(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    return [pid, ...children.trim().split(' ').filter(Boolean).flatMap(child => family(Number(child)))] // prettier-ignore
  } catch {
    return []
  }
}

/** CPU time of all threads of a process and its children so far, in µs. */
export function cpuOf(child: ChildProcess): number {
  let nanoseconds = 0
  for (const pid of family(child.pid ?? 0)) {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      try {
        const text = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8')
        nanoseconds += Number(text.split(' ')[0])
      } catch {
        // The thread ended meanwhile.
      }
    }
  }
  return nanoseconds / 1000
}

/** Memory now, in MiB. */
export function memoryOf(child: ChildProcess): number {
  let kib = 0
  for (const pid of family(child.pid ?? 0)) {
    kib += Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0)
  }
  return kib / 1024
}
