/**
 * The embedded store: one LMDB environment in a folder, shared by the processes of one machine.
 * A call is one transaction and resolves after its flush. A commit that fails leaves the
 * environment in doubt, so it is the last: `onFatal` is told, and every later write is refused.
 */
import { access, constants, readdir, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock, type Clock } from '../base/clock.ts'
import { createEmbeddedStore } from './embedded/store.ts'
import type { Backend } from './embedded/tables.ts'
import { openDatabases, reasonOf, type Databases } from './lmdb/databases.ts'
import { scrub } from './lmdb/scrub.ts'
import { createLmdbTables, type LmdbTables } from './lmdb/tables.ts'
import { StoreError, type SafetyCheck, type Store, type StoreSize } from './store.ts'

export interface LmdbStoreOptions {
  /** Folder; made where it does not exist. */
  readonly path: string
  readonly leaseMs?: number
  /** Newest decisions kept; 0 for none. */
  readonly decisions?: number
  readonly clock?: Clock
  /** Called once, when the disk failed: the process should end and be started again. */
  readonly onFatal?: (error: StoreError) => void
}

export function createLmdbStore(options: LmdbStoreOptions): Store {
  return createEmbeddedStore({
    type: 'lmdb',
    backend: createBackend(options),
    clock: options.clock ?? systemClock,
    leaseMs: options.leaseMs ?? 10_000,
    decisions: options.decisions ?? 100_000,
  })
}

let writing = 0

async function counted<T>(transaction: Promise<T>): Promise<T> {
  writing += 1
  try {
    return await transaction
  } finally {
    writing -= 1
  }
}

/**
 * For the last moment of a process. An orderly exit joins the writer's thread, which waits for the
 * callback of its transaction, which never runs again: the process would hang for ever, and hold
 * the lock that every other process needs to write. The kernel gives the lock back, and what was
 * not committed never was.
 */
export function endWriting(): void {
  if (writing > 0) process.kill(process.pid, 'SIGKILL')
}

function createBackend({ path, onFatal }: LmdbStoreOptions): Backend {
  let opened: { readonly databases: Databases; readonly tables: LmdbTables } | undefined
  let fatal: StoreError | undefined

  function ensureOpen() {
    if (!opened) throw new StoreError('closed', 'the store is closed')
    return opened
  }

  async function fail(error: Error & { commitError: unknown }): Promise<StoreError> {
    const cause = await Promise.resolve(error.commitError).catch((reason: unknown) => reason)
    const isFull = /ENOSPC|EDQUOT|EFBIG|No space|quota|too large/i.test(reasonOf(cause))
    const found = new StoreError(
      isFull ? 'full' : 'io',
      `the store in ${path} could not be written: ${reasonOf(cause)}. ` +
        (isFull ? 'Make room on the disk, then restart' : 'Check the disk, then restart'),
      { cause },
    )
    if (!fatal) {
      fatal = found
      onFatal?.(found)
    }
    return found
  }

  return {
    async open(clock) {
      const { databases, hashKey, epoch } = await openDatabases(path, clock)
      opened = { databases, tables: createLmdbTables(databases) }
      return { hashKey, epoch }
    },

    async close() {
      const { databases } = ensureOpen()
      opened = undefined
      // After a failed commit it would wait for ever.
      if (!fatal) await databases.root.close()
    },

    async write(work) {
      const { databases, tables } = ensureOpen()
      if (fatal) throw fatal
      try {
        // A child transaction is undone when `work` throws; a plain one would be committed.
        return await counted(
          databases.root.childTransaction(() => {
            tables.states.begin()
            return work(tables)
          }),
        )
      } catch (error) {
        throw isCommitError(error) ? await fail(error) : error
      }
    },

    read(work) {
      const { databases, tables } = ensureOpen()
      // Sees what other processes have committed, and stays the same until `work` ends.
      databases.root.resetReadTxn()
      tables.states.begin()
      return work(tables)
    },

    safety: () => checkFolder(path),
    size: () => sizeOf(path),

    scrub: () => scrub(ensureOpen().databases),
  }
}

function isCommitError(error: unknown): error is Error & { commitError: unknown } {
  return error instanceof Error && 'commitError' in error
}

/** The file grows as long as the disk has room. */
async function sizeOf(path: string): Promise<StoreSize> {
  const files = await Promise.all((await readdir(path)).map(name => stat(join(path, name))))
  const usedBytes = files.reduce((sum, { size }) => sum + size, 0)
  const { bavail, bsize } = await statfs(path)
  return { usedBytes, limitBytes: usedBytes + bavail * bsize }
}

// Magic numbers of statfs(2).
const NETWORK_FILESYSTEMS = new Map([
  [0x6969, 'NFS'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
  [0x517b, 'SMB'],
  [0x00c36400, 'CephFS'],
  [0x01021997, '9p'],
  [0x0bd00bd0, 'Lustre'],
])
const TMPFS = 0x01021994
const LEAST_FREE_BYTES = 256 * 1024 * 1024

async function checkFolder(path: string): Promise<readonly SafetyCheck[]> {
  const isWritable = await access(path, constants.W_OK).then(
    () => true,
    () => false,
  )
  const { type, bavail, bsize } = await statfs(path)
  const network = NETWORK_FILESYSTEMS.get(type >>> 0)
  const free = bavail * bsize
  return [
    {
      check: 'path_writable',
      ok: isWritable,
      fatal: true,
      detail: isWritable ? `${path} is writable` : `${path} is not writable by this user`,
    },
    {
      check: 'filesystem_local',
      ok: network === undefined,
      fatal: true,
      detail: network
        ? `${path} is on ${network}; LMDB needs a local disk: set store.path to one, or use redis`
        : `${path} is not on a known network filesystem`,
    },
    {
      check: 'filesystem_durable',
      ok: type !== TMPFS,
      fatal: false,
      detail:
        type === TMPFS ? `${path} is on tmpfs: a reboot loses everything` : `${path} is on a disk`,
    },
    {
      check: 'disk_space',
      ok: free >= LEAST_FREE_BYTES,
      fatal: false,
      detail: `${Math.floor(free / 1_048_576)} MiB are free; keep at least ${LEAST_FREE_BYTES / 1_048_576}`,
    },
  ]
}
