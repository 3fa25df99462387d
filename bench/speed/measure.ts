/** One gateway under one load: destinations and sender around it, and what it cost. */
import type { ChildProcess } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Gateway, Start } from './gateways.ts'
import { destinationsText, startNginx } from './nginx.ts'
import { freePorts } from './ports.ts'
import { cpuOf, forkPinned, memoryOf, OTHER_CORE, stop, waitForPort } from './processes.ts'
import type { Phase, PhaseResult, Target, ToSender } from './sender.ts'

export interface Measured extends PhaseResult {
  /** Completed a second: answered, and with every destination. */
  readonly rate: number
  /** CPU of the gateway's processes per postback, in µs; Redis apart. */
  readonly cpu: number
  readonly redisCpu: number
  /** After the phase, in MiB. */
  readonly memory: number
}

export interface Bench {
  readonly gateway: Gateway
  run(phase: Phase): Promise<Measured>
  close(): Promise<void>
}

const CONNECTIONS = 64

export interface BenchOptions {
  readonly folder: string
  /** Destinations that a postback goes to. */
  readonly copies: number
  readonly networks?: number
  readonly profileFolder?: string | undefined
}

/** Starts destinations, the gateway and a sender; the folder is new each time. */
export async function openBench(
  options: BenchOptions,
  start: (start: Start) => Promise<Gateway>,
): Promise<Bench> {
  const { folder, copies, networks = 1, profileFolder } = options
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  const ports = await freePorts(4 + copies)
  const [port = 0, adminPort = 0, redisPort = 0, statusPort = 0, ...destinations] = ports
  const sinks = startNginx(OTHER_CORE, join(folder, 'destinations'), destinationsText(destinations, statusPort)) // prettier-ignore
  await waitForPort(statusPort)
  const gateway = await start({ folder, port, adminPort, redisPort, destinations, profileFolder })
  const sender = forkPinned(OTHER_CORE, join(import.meta.dirname, 'sender.ts'))
  const target: Target = { port, statusPort, connections: CONNECTIONS, copies, networks }
  tell(sender, { kind: 'target', target })
  return {
    gateway,
    run: phase => measure(gateway, sender, phase),
    close: async () => {
      sender.disconnect()
      await gateway.stop()
      await stop(sinks)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function tell(sender: ChildProcess, message: ToSender): void {
  sender.send(message)
}

async function measure(gateway: Gateway, sender: ChildProcess, phase: Phase): Promise<Measured> {
  const [before, redisBefore] = [cpuOf(gateway.process), redisCpu(gateway)]
  const answer = new Promise<PhaseResult>((resolve, reject) => {
    sender.once('message', message => resolve(message as PhaseResult))
    gateway.process.once('exit', code => reject(new Error(`the gateway ended with ${String(code)}`))) // prettier-ignore
  })
  tell(sender, { kind: 'phase', phase })
  const result = await answer
  const perPostback = (microseconds: number) => microseconds / Math.max(1, result.accepted)
  return {
    ...result,
    rate: result.accepted / result.seconds,
    cpu: perPostback(cpuOf(gateway.process) - before),
    redisCpu: perPostback(redisCpu(gateway) - redisBefore),
    memory: memoryOf(gateway.process),
  }
}

function redisCpu({ redis }: Gateway): number {
  return redis ? cpuOf(redis) : 0
}
