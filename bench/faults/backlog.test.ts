/**
 * F11: a destination is down for a minute under load, until 50,000 deliveries wait for it, and then
 * comes back. It must get them at its configured rate and no faster, and while it is down no more
 * than probes. After `npm run build`.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import t from 'tap'
import { temporaryFolder } from '../../test/support/gateway.ts'
import { series } from '../../test/support/ledger.ts'
import { wait, type Site } from '../../test/support/survive.ts'
import { until } from '../../test/support/until.ts'
import { prove } from './prove.ts'

const RATE = 1000
const BACKLOG = 50_000
/** Of one tenth of a second, as src/deliver/rate.ts allows. */
const BURST = RATE / 10
t.setTimeout(600_000)

async function isCircuit(site: Site, state: string): Promise<boolean> {
  const states = await series(site.current, 'postern_destination_circuit_state')
  return states.get(`{destination="a",state="${state}"}`) === 1
}

/** Most arrivals within a second, wherever it begins. */
function peakOf(times: readonly number[]): number {
  let from = 0
  let most = 0
  for (const [i, time] of times.entries()) {
    while (time - (times[from] ?? 0) >= 1000) from++
    most = Math.max(most, i - from + 1)
  }
  return most
}

t.test('F11', async t => {
  const arrived: number[] = []
  // An arrival is seen late by as much as this process is busy, so a second here may hold what was
  // sent in a second and that.
  const lag = monitorEventLoopDelay({ resolution: 1 })
  let since = 0
  let probes = 0
  await prove(
    t,
    ['F11 destination down, then up', `LMDB, 50,000 waiting, ${RATE}/s`],
    {
      store: { type: 'lmdb', path: temporaryFolder(t) },
      perSecond: RATE * 0.8,
      destination: { rate_per_second: RATE },
    },
    async site => {
      const { tracker } = site
      tracker.behave.set('/a', 503)
      await until('the circuit opens', () => isCircuit(site, 'open'), 30_000)
      const opened = tracker.on('/a').length
      const waiting = async () => {
        await wait(1000)
        const pending = await series(site.current, 'postern_deliveries_pending')
        return (pending.get('{destination="a",state="queue"}') ?? 0) >= BACKLOG
      }
      await until(`${BACKLOG} wait`, waiting, 240_000)
      probes = tracker.on('/a').length - opened
      since = performance.now()
      lag.enable()
      tracker.behave.set('/a', () => {
        arrived.push(performance.now())
        return 200
      })
      await until('the circuit closes', () => isCircuit(site, 'closed'), 90_000)
      return 1
    },
    () => {
      const from = arrived.find(time => time > since) ?? 0
      const perSecond = (arrived.length - 1) / (((arrived.at(-1) ?? 0) - from) / 1000)
      const peak = peakOf(arrived)
      const lateMs = lag.max / 1e6
      const most = RATE * (1 + lateMs / 1000) + BURST
      t.ok(arrived.length >= BACKLOG, 'the backlog arrived')
      t.ok(perSecond >= RATE * 0.9, `${Math.round(perSecond)}/s is the configured rate`)
      t.ok(peak <= most, `${peak} in a second at most, seen up to ${Math.round(lateMs)} ms late`)
      t.ok(probes < 60, `${probes} probes while it was down`)
      return `${arrived.length} drained at ${Math.round(perSecond)}/s, ${peak} in the fullest second; ${probes} probes while it was down; first after ${Math.round(from - since)} ms`
    },
  )
})
