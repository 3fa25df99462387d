/**
 * The network: a process of its own that sends postbacks and watches how many deliveries have
 * arrived. In, by message: phases. Out: what was answered, how fast, and when the last delivery was
 * in. Latency counts from when a postback was due, not from when a connection was free for it.
 */
import { openConnection, type Connection } from './connection.ts'
import { percentilesOf, type Percentiles } from './percentiles.ts'
import { requestOf } from './request.ts'

export interface Target {
  readonly port: number
  /** stub_status of the destinations' nginx. */
  readonly statusPort: number
  readonly connections: number
  /** Deliveries that one postback makes. */
  readonly copies: number
  /** Networks to send for in turn: their names are bench, bench-1, bench-2 … */
  readonly networks: number
}

export interface Phase {
  readonly seconds: number
  /** Postbacks a second, at constant distance; undefined: as fast as `MAX_OUTSTANDING` lets. */
  readonly rate: number | undefined
}

export interface PhaseResult extends Percentiles {
  readonly accepted: number
  /** Not answered 200. */
  readonly failed: number
  readonly delivered: number
  /** From the first postback to the last delivery. */
  readonly seconds: number
}

/** Postbacks that were answered but have not reached all destinations: then the sender waits. */
const MAX_OUTSTANDING = 256
const DRAIN_MS = 20_000

export type ToSender =
  { readonly kind: 'target'; readonly target: Target } | { readonly kind: 'phase'; readonly phase: Phase } // prettier-ignore

/** Only the sender asks for the status, so that it can take its own questions off the count. */
function createCounter(port: number) {
  const connection = openConnection(port)
  let asked = 0
  return {
    count: () =>
      new Promise<number>((resolve, reject) => {
        asked += 1
        connection.send('GET /status HTTP/1.1\r\nHost: status\r\n\r\n', (status, body) => {
          if (status !== 200) return reject(new Error('the destinations are gone'))
          resolve(Number(body.split('\n')[2]?.trim().split(' ')[2]) - asked)
        })
      }),
    close: () => connection.close(),
  }
}

const run = `${process.pid}-${Date.now().toString(36)}`
let serial = 0

async function send(target: Target, phase: Phase): Promise<PhaseResult> {
  const counter = createCounter(target.statusPort)
  const idle: Connection[] = Array.from({ length: target.connections }, () =>
    openConnection(target.port),
  )
  const all = [...idle]
  const before = await counter.count()
  const due: number[] = []
  const latencies: number[] = []
  let [sent, accepted, failed, delivered, next] = [0, 0, 0, 0, 0]
  const started = performance.now()
  const ends = started + phase.seconds * 1000

  function nextNetwork(): string {
    const index = serial % target.networks
    return index === 0 ? 'bench' : `bench-${index}`
  }

  function post(connection: Connection, dueAt: number): void {
    sent += 1
    serial += 1
    connection.send(requestOf(`${run}-${serial}`, nextNetwork()), status => {
      if (status === 200) accepted += 1
      else failed += 1
      latencies.push(performance.now() - dueAt)
      idle.push(connection)
      pump()
    })
  }

  function mayPost(): boolean {
    if (phase.rate !== undefined) return next < due.length
    const outstanding = sent - failed - delivered / target.copies
    return performance.now() < ends && outstanding < MAX_OUTSTANDING
  }

  function pump(): void {
    while (idle.length > 0 && mayPost()) {
      const connection = idle.pop()
      if (connection) post(connection, due[next++] ?? performance.now())
    }
  }

  function schedule(rate: number): void {
    const now = Math.min(performance.now(), ends)
    const wanted = Math.floor(((now - started) / 1000) * rate)
    while (due.length < wanted) due.push(started + (due.length * 1000) / rate)
    pump()
    if (now < ends) setTimeout(schedule, 1, rate)
  }

  if (phase.rate !== undefined) schedule(phase.rate)
  let lastArrival = started
  const isOpen = () =>
    performance.now() < ends || (phase.rate !== undefined && next < due.length) || sent > accepted + failed // prettier-ignore
  while (isOpen() || delivered < accepted * target.copies) {
    const found = (await counter.count()) - before
    if (found > delivered) lastArrival = performance.now()
    delivered = found
    pump()
    if (performance.now() > ends + DRAIN_MS) break
    await new Promise(resolve => setTimeout(resolve, 2))
  }
  for (const connection of all) connection.close()
  counter.close()
  const seconds = (Math.max(lastArrival, performance.now() - 5) - started) / 1000
  return { accepted, failed, delivered, seconds, ...percentilesOf(latencies) }
}

let target: Target | undefined
process.on('message', (message: ToSender) => {
  if (message.kind === 'target') target = message.target
  else if (target) void send(target, message.phase).then(result => process.send?.(result))
})
process.on('disconnect', () => process.exit())
