/**
 * `workers: N`: N gateway processes on one machine that share the listening port and the store.
 * The primary process serves no postback: it starts the workers, starts them again when they die,
 * and has the one admin listener, whose metrics are all workers' together.
 */
import cluster, { type Worker } from 'node:cluster'
import { createMerger } from './observe/merge.ts'

/** What a worker says to the primary, and the primary to a worker. */
type FromWorker =
  | { readonly kind: 'listening' }
  | { readonly kind: 'ready'; readonly server: string }
  | { readonly kind: 'unready' }
  | { readonly kind: 'metrics'; readonly request: number; readonly metrics: string }
type ToWorker = { readonly kind: 'stop' } | { readonly kind: 'metrics'; readonly request: number }

export interface WorkersOptions {
  readonly count: number
  /** Text of the primary’s own counters. */
  readonly counted: () => Promise<string>
  readonly died: (fact: { pid: number | undefined; code: number; signal: string }) => void
}

export interface Workers {
  /** Resolves with the shared address when every worker serves; rejects if one ends before. */
  start(): Promise<string>
  readonly areReady: () => boolean
  /** The exposition of all workers; one that does not answer in time has its last one. */
  metrics(): Promise<string>
  /** Resolves when all workers have ended. */
  stop(): Promise<void>
}

const RESTART_MS = 1000
const METRICS_MS = 2000

export function createWorkers({ count, counted, died }: WorkersOptions): Workers {
  const merger = createMerger()
  const ready = new Set<Worker>()
  const waiting = new Map<number, () => void>()
  let requests = 0
  let isStopping = false

  function fork(serving: (server: string) => void, ended: () => void): void {
    const worker = cluster.fork()
    worker.on('message', (message: FromWorker) => {
      // What was sent before it listened did not reach it.
      if (isStopping && message.kind === 'listening') tellToStop(worker)
      if (message.kind === 'metrics') {
        merger.heard(worker.id, message.metrics)
        waiting.get(message.request)?.()
      }
      if (message.kind === 'unready') ready.delete(worker)
      if (message.kind === 'ready') {
        ready.add(worker)
        serving(message.server)
      }
    })
    worker.on('exit', (code, signal) => {
      ready.delete(worker)
      merger.gone(worker.id)
      if (isStopping) return
      died({ pid: worker.process.pid, code, signal })
      ended()
    })
  }

  function tellToStop(worker: Worker): void {
    if (worker.isConnected()) worker.send({ kind: 'stop' } satisfies ToWorker)
  }

  /** For as long as the gateway runs, a worker that dies is followed by another. */
  function keep(): void {
    setTimeout(() => {
      if (!isStopping) fork(() => {}, keep)
    }, RESTART_MS)
  }

  function ask(worker: Worker): Promise<void> {
    const request = requests++
    return new Promise(resolve => {
      const limit = setTimeout(() => answered(), METRICS_MS)
      const answered = () => {
        clearTimeout(limit)
        waiting.delete(request)
        resolve()
      }
      waiting.set(request, answered)
      worker.send({ kind: 'metrics', request } satisfies ToWorker)
    })
  }

  return {
    start: () =>
      new Promise((resolve, reject) => {
        let hasStarted = false
        const serving = (server: string) => {
          if (hasStarted || ready.size < count) return
          hasStarted = true
          resolve(server)
        }
        const ended = () => {
          if (hasStarted) keep()
          else reject(new Error('a worker ended before it could serve'))
        }
        for (let i = 0; i < count; i++) fork(serving, ended)
      }),
    areReady: () => ready.size === count,
    metrics: async () => {
      await Promise.all([...ready].map(ask))
      return merger.text(await counted())
    },
    stop: async () => {
      isStopping = true
      // One that is dead is still among them until its channel is closed, and ends only once.
      const workers = Object.values(cluster.workers ?? {}).flatMap(worker =>
        worker?.isDead() === false ? [worker] : [],
      )
      await Promise.all(
        workers.map(
          worker =>
            new Promise<void>(resolve => {
              worker.once('exit', () => resolve())
              tellToStop(worker)
            }),
        ),
      )
    },
  }
}

export const isWorker = (): boolean => cluster.isWorker

/** The worker's side of the conversation. */
export interface WorkerLink {
  /** Resolves when the primary asks to stop, or is gone. */
  readonly stopped: Promise<string>
  /** From now on the primary is told whether this worker should get traffic. */
  serve(server: string, isReady: () => boolean): void
  close(): void
}

const HEALTH_MS = 500

export function linkToPrimary(metrics: () => Promise<string>): WorkerLink {
  const say = (message: FromWorker) => process.connected && process.send?.(message)
  let timer: NodeJS.Timeout | undefined
  const stopped = new Promise<string>(resolve => {
    process.on('disconnect', () => resolve('the primary process is gone'))
    process.on('message', (message: ToWorker) => {
      if (message.kind === 'stop') return resolve('the primary process')
      const { request } = message
      void metrics().then(found => say({ kind: 'metrics', request, metrics: found }))
    })
    say({ kind: 'listening' })
  })
  return {
    stopped,
    serve: (server, isReady) => {
      let wasReady: boolean | undefined
      const tell = () => {
        if (isReady() === wasReady) return
        wasReady = isReady()
        say(wasReady ? { kind: 'ready', server } : { kind: 'unready' })
      }
      tell()
      timer = setInterval(tell, HEALTH_MS)
    },
    close: () => {
      clearInterval(timer)
      if (process.connected) process.disconnect()
    },
  }
}
