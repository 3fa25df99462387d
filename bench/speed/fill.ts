/**
 * Fills a store beside a running gateway: dedupe keys, or deliveries that wait in the queue.
 *
 *   fill.ts lmdb <folder> | redis <port>   keys | backlog   <count>
 */
import { systemClock } from '../../src/base/clock.ts'
import { createStore } from '../../src/stores.ts'
import type { AcceptEntry, Placement } from '../../src/store/store.ts'

const [type, where = '', what, count = '0'] = process.argv.slice(2)
const total = Number(count)
const common = { lease_ms: 60_000, decisions: 0, allow_unsafe: false, dead_letter_days: 30, path: where } // prettier-ignore
const redis = { url: `redis://127.0.0.1:${where}`, prefix: 'postern', partitions: 16, command_timeout_ms: 30_000, wait_timeout_ms: 500 } // prettier-ignore
const store = createStore(
  (type === 'redis'
    ? { ...common, type: 'redis', redis }
    : { ...common, type: 'lmdb' }) as Parameters<typeof createStore>[0],
  { clock: systemClock, onFatal: console.error, onError: console.error },
)

const DAY_MS = 86_400_000
const BATCH = 2000
/** As large as a postback of the benchmark. */
const BODY = JSON.stringify({ id: 'filled', conversion: { filler: 'x'.repeat(280) } })
const waiting: Placement[] = [{ destination: 'other-0', hold: 'queue', delayMs: 20 * DAY_MS }]
const placements = what === 'backlog' ? waiting : []

function entry(i: number): AcceptEntry {
  // Rising, since a B-tree fills fastest that way; evenly spread, as hashes are.
  const key = Math.floor((i / total) * 2 ** 48).toString(16).padStart(12, '0') + i.toString(16).padStart(20, '0') // prettier-ignore
  return {
    record: store.newRecord(key),
    key,
    windowMs: 30 * DAY_MS,
    status: 'approved',
    amount: '12.5 USD',
    onAmountChange: 'ignore',
    allow: [],
    body: BODY,
    placements,
  }
}

await store.open()
const beat = setInterval(() => void store.heartbeat(), 5_000)
for (let start = 0; start < total; start += BATCH) {
  const size = Math.min(BATCH, total - start)
  await store.accept(Array.from({ length: size }, (_, i) => entry(start + i)))
}
clearInterval(beat)
await store.close()
process.exit()
