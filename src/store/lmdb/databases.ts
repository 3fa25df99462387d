/**
 * The one LMDB environment of a store and its named databases, all opened at start. Databases
 * that come and go do not mix with several processes on one folder.
 */
import { createHash } from 'node:crypto'
import { mkdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { open, type Database, type RootDatabase } from 'lmdb'
import { randomText } from '../../base/id.ts'
import { StoreError } from '../store.ts'

/** Keys are text with `/` between parts: neither record ids nor destination names contain it. */
export type TextDatabase = Database<string, string>

export interface Databases {
  readonly root: RootDatabase<string, string>
  /** layout, hashKey, buckets. */
  readonly meta: TextDatabase
  /** Day bucket and hash → state; see buckets.ts. */
  readonly states: Database<string, Uint8Array>
  /** record → destinations, body. */
  readonly journal: TextDatabase
  /** destination/record → due, attempts, claimer, after, body. */
  readonly queue: TextDatabase
  /** destination/due/record. */
  readonly due: TextDatabase
  /** record/destination → letter. */
  readonly dead: TextDatabase
  /** diedAt/record/destination. */
  readonly deaths: TextDatabase
  /** destination/diedAt/record. */
  readonly deathsOf: TextDatabase
  /** destination → counters. */
  readonly ledger: TextDatabase
  /** owner → end of lease. */
  readonly owners: TextDatabase
  /** sequence → decision. */
  readonly decisions: Database<string, number>
}

/** Raised when a change makes older data unreadable. */
const LAYOUT = 'postern 1'

export async function openDatabases(path: string): Promise<{
  readonly databases: Databases
  readonly hashKey: Buffer
}> {
  try {
    // Conversions hold personal data: the folder is nobody else's.
    await mkdir(path, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw new StoreError('io', `cannot make the store folder ${path}: ${reasonOf(cause)}`, {
      cause,
    })
  }
  const isNew = (await sizeOfData(path)) === undefined
  let root: RootDatabase<string, string> | undefined
  try {
    // Without overlappingSync a commit resolves only after its flush: durability by contract, at
    // no measured cost (lmdb README, "Overlapping Sync Options").
    root = open<string, string>({ path, encoding: 'string', maxDbs: 16, overlappingSync: false })
    if (!isNew) await refuseForeign(root, path)
    const databases = openAll(root)
    return { databases, hashKey: await readHashKey(databases, path) }
  } catch (cause) {
    await root?.close()
    if (cause instanceof StoreError) throw cause
    throw new StoreError(
      isAccess(cause) ? 'io' : 'layout',
      `cannot open the store in ${path}: ${reasonOf(cause)}. ` +
        'Nothing was changed; check the permissions, restore a backup, or name an empty folder',
      { cause },
    )
  }
}

/** Bytes of the data file; undefined where there is none. */
async function sizeOfData(path: string): Promise<number | undefined> {
  // Another process may be making it right now, so emptiness must last to be believed.
  for (let tries = 0; tries < 40; tries++) {
    const size = await stat(join(path, 'data.mdb')).then(
      file => file.size,
      () => undefined,
    )
    if (size !== 0) return size
    await wait(25)
  }
  throw new StoreError(
    'layout',
    `${join(path, 'data.mdb')} is empty: it was cut off. Restore a backup, or delete the folder to start anew`,
  )
}

async function refuseForeign(root: RootDatabase<string, string>, path: string): Promise<void> {
  const file = join(path, 'data.mdb')
  const { size } = await stat(file)
  const { lastPageNumber = 0, pageSize = 4096 } = root.getStats() as {
    lastPageNumber?: number
    pageSize?: number
  }
  // Pages freed at the end may never have been written; more than a few missing is damage, and
  // touching them would kill the process without a word.
  if (size + 256 * pageSize < lastPageNumber * pageSize) {
    throw new StoreError(
      'layout',
      `${file} has ${size} bytes and should have ${lastPageNumber * pageSize}: it was cut off. Restore a backup`,
    )
  }
  const names = [...root.getKeys()]
  if (names.length > 0 && !names.includes('meta')) {
    throw new StoreError(
      'layout',
      `${file} is an LMDB file of another program: set store.path to a folder of its own`,
    )
  }
}

function openAll(root: RootDatabase<string, string>): Databases {
  const text = (name: string): TextDatabase =>
    root.openDB<string, string>({ name, encoding: 'string' })
  return {
    root,
    meta: text('meta'),
    states: root.openDB<string, Uint8Array>({
      name: 'states',
      encoding: 'string',
      keyEncoding: 'binary',
    }),
    journal: text('journal'),
    queue: text('queue'),
    due: text('due'),
    dead: text('dead'),
    deaths: text('deaths'),
    deathsOf: text('deaths_of'),
    ledger: text('ledger'),
    owners: text('owners'),
    decisions: root.openDB<string, number>({ name: 'decisions', encoding: 'string' }),
  }
}

/** Checks the layout, or writes it where the store is new: whoever comes first. */
async function readHashKey({ root, meta }: Databases, path: string): Promise<Buffer> {
  const fresh = createHash('sha256').update(randomText(64)).digest('hex')
  const found = await root.childTransaction(() => {
    if (meta.get('layout') === undefined && meta.get('hashKey') === undefined) {
      meta.putSync('layout', LAYOUT)
      meta.putSync('hashKey', fresh)
    }
    return { layout: meta.get('layout'), hashKey: meta.get('hashKey') }
  })
  if (found.layout !== LAYOUT || found.hashKey === undefined) {
    throw new StoreError(
      'layout',
      `the store in ${path} has layout "${found.layout ?? 'none'}" and this version reads "${LAYOUT}": ` +
        'run the version that wrote it until it has drained, or name an empty folder',
    )
  }
  return Buffer.from(found.hashKey, 'hex')
}

function isAccess(error: unknown): boolean {
  return /EACCES|EPERM|EROFS|Permission denied|Read-only/i.test(reasonOf(error))
}

export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown error'
}
