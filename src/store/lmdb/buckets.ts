/**
 * Dedupe states by the day on which they are forgotten: `[day, hash]` → state. LMDB has no expiry,
 * so whole days go at once, by range. See docs/decisions/0002-lmdb-buckets.md.
 *
 * A state is kept at least its window and at most one bucket width longer. A lookup asks every
 * live bucket, at most about nine for each width in use.
 */
import type { StateTable } from '../embedded/tables.ts'
import { fromState, toState } from './codec.ts'
import type { Databases } from './databases.ts'

const DAY_MS = 86_400_000
const HASH_BYTES = 16

/** Window in days, up to which → width of its buckets in days. */
const WIDTHS = [
  [8, 1],
  [32, 4],
  [96, 12],
] as const
const WIDEST = 46

/** First day on which a state with this window is forgotten: its bucket. */
export function bucketOf(now: number, windowMs: number): number {
  const days = windowMs / DAY_MS
  const width = WIDTHS.find(([upTo]) => days <= upTo)?.[1] ?? WIDEST
  const day = Math.floor((now + windowMs) / DAY_MS) + 1
  return Math.ceil(day / width) * width
}

export interface States extends StateTable {
  /** To be called at the start of every transaction: others may have changed the buckets. */
  begin(): void
}

export function createStates({ states, meta }: Pick<Databases, 'states' | 'meta'>): States {
  const key = Buffer.alloc(2 + HASH_BYTES)
  /** The list as last read, and what it says: newest first. */
  let listText: string | undefined
  let list: readonly number[] = []
  /** Where the last lookup found its state; `accept` writes what it has just looked up. */
  let found: { readonly hash: string; readonly bucket: number | undefined } | undefined

  function readBuckets(): void {
    const text = meta.get('buckets')
    if (text === listText) return
    listText = text
    list = text === undefined || text === '' ? [] : text.split(' ').map(Number)
  }

  function writeBuckets(next: readonly number[]): void {
    meta.putSync('buckets', next.join(' '))
    readBuckets()
  }

  function at(bucket: number): Buffer {
    key.writeUInt16BE(bucket, 0)
    return key
  }

  function get(hash: string, now: number) {
    const today = Math.floor(now / DAY_MS)
    key.write(hash, 2, 'hex')
    for (const bucket of list) {
      if (bucket <= today) break
      const text = states.get(at(bucket))
      if (text === undefined) continue
      found = { hash, bucket }
      return toState(text)
    }
    found = { hash, bucket: undefined }
    return undefined
  }

  return {
    begin: readBuckets,
    get,
    put: (hash, state, now, windowMs) => {
      if (found?.hash !== hash) get(hash, now)
      const bucket = bucketOf(now, windowMs)
      const old = found?.bucket
      found = undefined
      key.write(hash, 2, 'hex')
      if (old !== undefined && old !== bucket) states.removeSync(at(old))
      if (!list.includes(bucket)) writeBuckets([...list, bucket].sort((a, b) => b - a))
      states.putSync(at(bucket), fromState(state))
    },
    delete: hash => {
      found = undefined
      key.write(hash, 2, 'hex')
      let isThere = false
      for (const bucket of list) isThere = states.removeSync(at(bucket)) || isThere
      return isThere
    },
    expire: (now, limit) => {
      const today = Math.floor(now / DAY_MS)
      const passed = list.findLast(bucket => bucket <= today)
      if (passed === undefined) return 0
      const [start, end] = [Buffer.alloc(2), Buffer.alloc(2)]
      start.writeUInt16BE(passed)
      end.writeUInt16BE(passed + 1)
      // A range hands out views of one buffer: copied before anything else is read.
      const keys = Array.from(states.getKeys({ start, end, limit }), bytes => Buffer.from(bytes))
      for (const bytes of keys) states.removeSync(bytes)
      if (keys.length < limit) {
        writeBuckets(list.filter(bucket => bucket !== passed))
      }
      return Math.max(1, keys.length)
    },
  }
}
