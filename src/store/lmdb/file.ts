/**
 * Is this file ours, and whole? lmdb ends the process with a signal where it is not, so it is
 * looked at first. Nothing is repaired or made anew: throws StoreError `layout`.
 */
import type { Stats } from 'node:fs'
import { open, stat, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { RootDatabase } from 'lmdb'
import { StoreError } from '../store.ts'
import { hasAllPages } from './pages.ts'

// Of MDB_meta in liblmdb/mdb.c, behind a page header of 24 bytes.
const MAGIC_AT = 24
const MAGIC = 0xbeefc0de
const VERSION_AT = 28
const VERSION = 2
const PAGE_SIZE_AT = 48
const HEADER_BYTES = 52

/** Undefined where there is no file yet; else when it was last written, in epoch ms. */
export async function checkFile(path: string): Promise<{ writtenAt: number } | undefined> {
  const file = join(path, 'data.mdb')
  const found = await settled(file)
  if (!found) return undefined
  if (found.size === 0) {
    throw refusal(file, 'is empty', 'Restore a backup, or delete the folder to start anew')
  }
  const handle = await open(file, 'r')
  try {
    const pageSize = await readHeader(handle, 0)
    if (pageSize === undefined || (await readHeader(handle, pageSize)) === undefined) {
      throw refusal(file, 'is no LMDB file that can be read', 'Set store.path to another folder')
    }
    return { writtenAt: found.mtimeMs }
  } finally {
    await handle.close()
  }
}

/** Undefined where there is no file. Another process may be making it at this moment. */
async function settled(file: string): Promise<Stats | undefined> {
  let found: Stats | undefined
  for (let tries = 0; tries < 40; tries++) {
    found = await stat(file).catch(() => undefined)
    if (found?.size !== 0) return found
    await wait(25)
  }
  return found
}

/** The page size by the header at `position`; undefined where there is no valid header. */
async function readHeader(handle: FileHandle, position: number): Promise<number | undefined> {
  const header = Buffer.alloc(HEADER_BYTES)
  const { bytesRead } = await handle.read(header, 0, HEADER_BYTES, position)
  if (bytesRead < HEADER_BYTES || header.readUInt32LE(MAGIC_AT) !== MAGIC) return undefined
  // The upper half holds flags.
  if (header.readUInt16LE(VERSION_AT) !== VERSION) return undefined
  return header.readUInt32LE(PAGE_SIZE_AT)
}

/** Once it is open, and before any page is touched that a cut may have taken. */
export async function checkContents(
  root: RootDatabase<string, string>,
  path: string,
): Promise<void> {
  const file = join(path, 'data.mdb')
  const { size } = await stat(file)
  const stats: { lastPageNumber?: number; pageSize?: number } = root.getStats()
  const { lastPageNumber = 0, pageSize = 4096 } = stats
  if (size < (lastPageNumber + 1) * pageSize) {
    const transaction = root.useReadTransaction()
    const isWhole = hasAllPages(file, pageSize)
    transaction.done()
    if (!isWhole) {
      throw refusal(file, `was cut off: it has ${size} bytes, and uses more`, 'Restore a backup')
    }
  }
  const names = [...root.getKeys()]
  if (names.length > 0 && !names.includes('meta')) {
    throw refusal(file, 'is an LMDB file of another program', 'Set store.path to another folder')
  }
}

function refusal(file: string, what: string, remedy: string): StoreError {
  return new StoreError('layout', `${file} ${what}. ${remedy}`)
}
