/**
 * The one LMDB environment of a store and its named databases, all opened at start. Databases
 * that come and go do not mix with several processes on one folder.
 */
import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { open, type Database, type RootDatabase } from 'lmdb'
import { systemClock, type Clock } from '../../base/clock.ts'
import { randomText } from '../../base/id.ts'
import { StoreError } from '../store.ts'
import { checkContents, checkFile } from './file.ts'
import { readEpoch } from './time.ts'

/** Keys are text with `/` between parts: neither record ids nor destination names contain it. */
export type TextDatabase = Database<string, string>

export interface Databases {
  readonly root: RootDatabase<string, string>
  /** layout, hashKey, buckets, time. */
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
  /** Empty but while free pages are being overwritten; see scrub.ts. */
  readonly filler: Database<string, number>
}

/** Raised when a change makes older data unreadable. */
const LAYOUT = 'postern 1'

export async function openDatabases(
  path: string,
  clock: Clock = systemClock,
): Promise<{
  readonly databases: Databases
  readonly hashKey: Buffer
  /** See time.ts. */
  readonly epoch: number
}> {
  try {
    // Conversions hold personal data: the folder is nobody else's.
    await mkdir(path, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw new StoreError('io', `cannot make the store folder ${path}: ${reasonOf(cause)}`, {
      cause,
    })
  }
  let root: RootDatabase<string, string> | undefined
  try {
    const found = await checkFile(path)
    root = open<string, string>({
      path,
      encoding: 'string',
      maxDbs: 16,
      // A commit resolves only after its flush: durability by contract, at no measured cost
      // (lmdb README, "Overlapping Sync Options").
      overlappingSync: false,
      // Calls are batched before they come here. With it, a failed commit also rejects a promise
      // that lmdb itself drops, and the unhandled rejection would end the process at once.
      eventTurnBatching: false,
    })
    if (found) await checkContents(root, path)
    const databases = openAll(root)
    return {
      databases,
      hashKey: await readHashKey(databases, path),
      epoch: await readEpoch(databases, clock, found?.writtenAt ?? 0),
    }
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
    filler: root.openDB<string, number>({ name: 'filler', encoding: 'string' }),
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
