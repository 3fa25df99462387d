/**
 * Power loss, by replay: what a process wrote and flushed below a folder, in order, and the files
 * as they would be after the power went at a given moment. What was flushed is there; of what was
 * written and not flushed, each sector is there or not.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const WRITE = 1
const SYNC = 2
const HEADER = 48
/** What a disk writes whole or not at all. */
const SECTOR = 512

export interface Step {
  readonly kind: 'write' | 'sync' | 'truncate'
  readonly path: string
  /** CLOCK_MONOTONIC in ns, as process.hrtime.bigint(). */
  readonly begin: bigint
  readonly end: bigint
  readonly offset: number
  readonly data: Buffer
  /** On disk when it returned. */
  readonly isSynchronous: boolean
}

/** Compiles the shim; the environment that makes a process keep a journal of `folder`. */
export function powerJournal(
  scratch: string,
  folder: string,
): { env: Record<string, string>; log: string } {
  const shim = join(scratch, 'power-shim.so')
  const source = join(import.meta.dirname, 'power-shim.c')
  execFileSync('gcc', ['-shared', '-fPIC', '-O2', '-o', shim, source, '-ldl'])
  const log = join(scratch, 'power.log')
  return { env: { LD_PRELOAD: shim, POWER_DIR: folder, POWER_LOG: log }, log }
}

export function readSteps(log: string): readonly Step[] {
  const bytes = readFileSync(log)
  const steps: Step[] = []
  for (let at = 0; at + HEADER <= bytes.length;) {
    const kind = bytes.readUInt32LE(at)
    const isSynchronous = bytes.readUInt32LE(at + 4) === 1
    const begin = bytes.readBigUInt64LE(at + 8)
    const end = bytes.readBigUInt64LE(at + 16)
    const offset = Number(bytes.readBigUInt64LE(at + 24))
    const length = Number(bytes.readBigUInt64LE(at + 32))
    const pathEnd = at + HEADER + Number(bytes.readBigUInt64LE(at + 40))
    // The process was killed in the middle of a record.
    if (pathEnd + length > bytes.length) break
    steps.push({
      kind: kind === WRITE ? 'write' : kind === SYNC ? 'sync' : 'truncate',
      path: bytes.toString('utf8', at + HEADER, pathEnd),
      begin,
      end,
      offset,
      data: bytes.subarray(pathEnd, pathEnd + length),
      isSynchronous,
    })
    at = pathEnd + length
  }
  return steps
}

/**
 * One file after a power loss at `at`. `isKept` decides for each sector that was written and not
 * flushed. `isAppended`: the file grows only with its data (a journalling file system in ordered
 * mode), so that what is lost is an end of it.
 */
export function afterPowerLoss(
  steps: readonly Step[],
  path: string,
  at: bigint,
  isKept: () => boolean,
  isAppended = false,
): Buffer {
  const before = steps.filter(step => step.path === path && step.begin <= at)
  const flushed = before.filter(({ kind, end }) => kind === 'sync' && end <= at)
  const lastFlush = flushed.reduce((latest, { begin }) => (begin > latest ? begin : latest), 0n)
  let image = Buffer.alloc(0)
  let size = 0
  let isCut = false
  const write = (offset: number, data: Buffer) => {
    const end = offset + data.length
    if (end > image.length) {
      image = Buffer.concat([image, Buffer.alloc(Math.max(end * 2, 1 << 16) - image.length)])
    }
    data.copy(image, offset)
    size = Math.max(size, end)
  }
  for (const { kind, offset, data, end, isSynchronous } of before) {
    if (kind === 'sync') continue
    if (kind === 'truncate') {
      image.fill(0, offset)
      size = offset
      continue
    }
    if (end <= lastFlush || (isSynchronous && end <= at)) {
      write(offset, data)
      continue
    }
    for (let from = 0; from < data.length && !isCut;) {
      const to = Math.min(data.length, from + SECTOR - ((offset + from) % SECTOR))
      if (isKept()) write(offset + from, data.subarray(from, to))
      else if (isAppended) isCut = true
      from = to
    }
  }
  return image.subarray(0, size)
}
