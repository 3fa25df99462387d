/**
 * F14: the file of the store is not what it should be. The gateway says so and where, ends with
 * status 78, so that a supervisor leaves it, and changes nothing. A second gateway on the same file is
 * no fault: both serve. Needs root and setpriv, after `npm run build`.
 */
import { createHash } from 'node:crypto'
import { chmodSync, cpSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { startGateway, temporaryFolder } from '../../test/support/gateway.ts'
import { install, target } from '../../test/support/installation.ts'
import { ledgerGap, pendingDeliveries } from '../../test/support/ledger.ts'
import { ENV } from '../../test/support/survive.ts'
import { startTracker } from '../../test/support/tracker.ts'
import { until } from '../../test/support/until.ts'
import { record } from './record.ts'

/** Without what tap puts into every process, which writes where only its owner may. */
const NOBODY = [
  'env',
  'NODE_OPTIONS=',
  'setpriv',
  '--reuid=65534',
  '--regid=65534',
  '--clear-groups',
]
const MAGIC_AT = 24
const VERSION_AT = 28
t.setTimeout(300_000)

const digest = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex')

function change(file: string, edit: (bytes: Buffer) => void): void {
  const bytes = readFileSync(file)
  edit(bytes)
  writeFileSync(file, bytes)
}

/** In both headers: LMDB reads the newer one. */
function inHeaders(edit: (bytes: Buffer, at: number) => void) {
  return (file: string) =>
    change(file, bytes => {
      for (const at of [0, 4096]) edit(bytes, at)
    })
}

interface Fault {
  readonly spoil: (file: string) => void
  readonly says: RegExp
  readonly within?: readonly string[]
}

const FAULTS: Readonly<Record<string, Fault>> = {
  'headers overwritten': {
    spoil: inHeaders((bytes, at) => bytes.fill(0x5a, at, at + 4096)),
    says: /data\.mdb is no LMDB file/,
  },
  'another magic number': {
    spoil: inHeaders((bytes, at) => bytes.writeUInt32LE(0xdeadbeef, at + MAGIC_AT)),
    says: /data\.mdb is no LMDB file/,
  },
  'a later version of LMDB': {
    spoil: inHeaders((bytes, at) => bytes.writeUInt16LE(9, at + VERSION_AT)),
    says: /data\.mdb is no LMDB file/,
  },
  'a later layout': {
    spoil: file =>
      change(file, bytes => {
        for (
          let at = bytes.indexOf('postern 1');
          at >= 0;
          at = bytes.indexOf('postern 1', at + 1)
        ) {
          bytes.write('postern 9', at)
        }
      }),
    says: /has layout "postern 9" and this version reads "postern 1"/,
  },
  'cut to a quarter': {
    spoil: file => truncateSync(file, Math.floor(readFileSync(file).length / 4096 / 4) * 4096),
    says: /data\.mdb was cut off/,
  },
  emptied: { spoil: file => truncateSync(file, 0), says: /data\.mdb is empty/ },
  'no permission': {
    spoil: file => chmodSync(file, 0o600),
    says: /cannot open the store|permission/i,
    within: NOBODY,
  },
}

/** A store with deliveries in it; the folder. */
async function fill(t: Test): Promise<string> {
  const folder = temporaryFolder(t)
  const tracker = await startTracker(t)
  tracker.behave.set('/a', 503)
  const store = { type: 'lmdb', path: join(folder, 'store') }
  const gateway = await startGateway(t, install(folder, { store, tracker: tracker.url }), ENV)
  const send = (i: number) => fetch(`${gateway.url}${target(`f${i}`, `&sub1=${'x'.repeat(900)}`)}`)
  for (let i = 0; i < 2000; i += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, j) => send(i + j)))
  }
  await gateway.kill('SIGTERM')
  return folder
}

t.test('F14 files that are not ours', async t => {
  const whole = await fill(t)
  for (const [what, { spoil, says, within }] of Object.entries(FAULTS)) {
    const folder = temporaryFolder(t)
    cpSync(whole, folder, { recursive: true })
    const path = join(folder, 'store')
    const file = join(path, 'data.mdb')
    const config = install(folder, { store: { type: 'lmdb', path }, tracker: 'http://127.0.0.1:9' })
    if (within) for (const name of [folder, path, join(folder, 'rules')]) chmodSync(name, 0o777)
    spoil(file)
    const before = digest(file)
    const end = await startGateway(t, config, ENV, within).then(
      () => 'it started',
      (error: Error) => error.message,
    )
    t.match(end, '{"code":78,"signal":null}', `${what}: status 78`)
    t.match(end, says, `${what}: says what is wrong`)
    t.match(end, path, `${what}: says where`)
    t.equal(digest(file), before, `${what}: the file is as it was`)
  }
  if (!t.passing()) return
  record({
    fault: 'F14 files that are not ours',
    setting: 'LMDB',
    runs: Object.keys(FAULTS).length,
    acknowledged: 0,
    lost: 0,
    found: `${Object.keys(FAULTS).join(', ')}: told what and where, status 78, no byte changed`,
  })
})

t.test('F14 a second gateway on the same file', async t => {
  const folder = temporaryFolder(t)
  const tracker = await startTracker(t)
  const store = { type: 'lmdb', path: join(folder, 'store') }
  const config = install(folder, { store, tracker: tracker.url })
  const gateways = [await startGateway(t, config, ENV), await startGateway(t, config, ENV)] as const
  for (let i = 0; i < 200; i++) {
    // Each twice, at both.
    for (const { url } of gateways) t.equal((await fetch(`${url}${target(`s${i}`)}`)).status, 200)
  }
  await until('all has ended', async () => (await pendingDeliveries(gateways[0])) === 0, 30_000)
  t.equal(tracker.on('/a').length, 200, 'each is delivered once')
  for (const gateway of gateways) {
    t.equal(await ledgerGap(gateway), 0)
    t.equal((await gateway.kill('SIGTERM')).code, 0)
  }
  if (!t.passing()) return
  record({
    fault: 'F14 a second gateway on the same file',
    setting: 'LMDB',
    runs: 1,
    acknowledged: 200,
    lost: 0,
    found: 'both serve; each conversion is delivered once; ledger 0',
  })
})
