/**
 * Tells when files or rule folders have changed. In: paths. Out: `onChange`, once things are
 * quiet. Guarantees: editors that replace a file and Kubernetes mounts that swap a link are seen,
 * as every path is judged by what it leads to now; where the system cannot watch, a slow poll
 * still sees it; nothing here throws, a path that is gone is only a change.
 */
import { watch as watchFolder, type FSWatcher } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'

export interface WatchOptions {
  readonly paths: readonly string[]
  onChange(): void
  /** Quiet time before a look, in ms; default 200. */
  readonly debounceMs?: number
  /** Longest time until a change is seen without help of the system, in ms; default 5000. */
  readonly pollMs?: number
  /** False: poll only. */
  readonly isNotified?: boolean
}

export interface Watch {
  /** The configuration names other files now. */
  update(paths: readonly string[]): Promise<void>
  close(): void
}

/** Resolves when the present state is known: start it before loading and no change is missed. */
export async function createWatch(options: WatchOptions): Promise<Watch> {
  const { debounceMs = 200, pollMs = 5000, isNotified = true } = options
  let paths = options.paths
  let known = await fingerprints(paths)
  let watchers: FSWatcher[] = []
  let quiet: NodeJS.Timeout | undefined
  let isClosed = false
  let isLooking = false
  let shouldLookAgain = false

  const disarm = () => {
    for (const watcher of watchers) watcher.close()
    watchers = []
  }
  const arm = async () => {
    if (!isNotified) return
    const folders = await foldersOf(paths)
    disarm()
    // close() may have come while the folders were listed.
    if (isClosed) return
    for (const folder of folders) {
      try {
        const watcher = watchFolder(folder, { persistent: true }, lookSoon)
        // A folder that goes away; the poll sees what became of it.
        watcher.on('error', () => watcher.close())
        watchers.push(watcher)
      } catch {
        // No inotify handles left, or the folder is gone: the poll is enough.
      }
    }
  }
  const look = async () => {
    if (isLooking) {
      shouldLookAgain = true
      return
    }
    isLooking = true
    do {
      shouldLookAgain = false
      const before = known
      const now = await fingerprints(paths)
      if (isClosed) return
      // An update that came meanwhile has its own state; this one is of other paths.
      if (known !== before || isSame(now, before)) continue
      known = now
      // Links may lead elsewhere now: watch what they lead to.
      await arm()
      if (!isClosed) options.onChange()
    } while (shouldLookAgain && !isClosed)
    isLooking = false
  }
  const lookSoon = () => {
    clearTimeout(quiet)
    if (!isClosed) quiet = setTimeout(() => void look(), debounceMs)
  }

  await arm()
  const poll = setInterval(() => void look(), pollMs)
  return {
    async update(next) {
      paths = next
      const before = known
      const found = await fingerprints(next)
      // What changed since it was read must still be a change.
      known = new Map([...found].map(([path, stamp]) => [path, before.get(path) ?? stamp]))
      await arm()
      lookSoon()
    },
    close() {
      isClosed = true
      clearTimeout(quiet)
      clearInterval(poll)
      disarm()
    },
  }
}

type Fingerprints = ReadonlyMap<string, string>

/** What every path leads to now: inode, size and time of each file, links followed. */
async function fingerprints(paths: readonly string[]): Promise<Fingerprints> {
  const found = new Map<string, string>()
  for (const path of paths) {
    const stamps: string[] = []
    for (const file of [path, ...(await filesUnder(path))]) stamps.push(await stampOf(file))
    found.set(path, stamps.join('\n'))
  }
  return found
}

function isSame(one: Fingerprints, other: Fingerprints): boolean {
  return one.size === other.size && [...one].every(([path, stamp]) => other.get(path) === stamp)
}

async function stampOf(file: string): Promise<string> {
  try {
    const { ino, size, mtimeNs } = await stat(file, { bigint: true })
    return `${file} ${ino} ${size} ${mtimeNs}`
  } catch {
    return `${file} gone`
  }
}

/** A rule folder's files; nothing for a plain file. */
async function filesUnder(path: string): Promise<string[]> {
  const files: string[] = []
  for (const part of ['networks', 'destinations']) {
    const folder = join(path, part)
    for (const name of await namesIn(folder)) {
      if (name.endsWith('.yaml') || name.endsWith('.yml')) files.push(join(folder, name))
    }
  }
  return files.toSorted()
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch {
    return []
  }
}

/** A file is watched by its folder: an editor that replaces it leaves the old inode behind. */
async function foldersOf(paths: readonly string[]): Promise<Set<string>> {
  const folders = new Set<string>()
  for (const path of paths) {
    folders.add(dirname(path))
    for (const folder of [path, join(path, 'networks'), join(path, 'destinations')]) {
      if (await isFolder(folder)) folders.add(folder)
    }
  }
  return folders
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch {
    return false
  }
}
