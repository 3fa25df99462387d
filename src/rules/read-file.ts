/**
 * A file on disk → its text. In: path, byte cap, and the folder it may not leave. Out: text, or
 * a fault. Guarantees: regular files only (a FIFO or device would block the process), no more
 * than the cap is read, no symbolic link out of the folder, valid UTF-8.
 */
import { isUtf8 } from 'node:buffer'
import { constants } from 'node:fs'
import { open, realpath } from 'node:fs/promises'
import { relative, isAbsolute } from 'node:path'
import { fail, ok, type Result } from '../base/result.ts'
import { tooLarge } from './document.ts'
import { fileFault, type Fault } from './faults.ts'
import { toLines } from './lines.ts'

export interface SourceOptions {
  readonly maxBytes: number
  /** Links may move inside this folder (Kubernetes mounts do), not out of it. */
  readonly within?: string
}

export async function readSource(
  path: string,
  options: SourceOptions,
): Promise<Result<string, Fault[]>> {
  try {
    if (options.within !== undefined) {
      const inside = relative(await realpath(options.within), await realpath(path))
      if (inside.startsWith('..') || isAbsolute(inside)) {
        return fail([fileFault(path, 'a symbolic link out of its folder', 'copy the file instead')])
      }
    }
    // Without O_NONBLOCK opening a FIFO waits for a writer that may never come.
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const stat = await handle.stat()
      if (!stat.isFile()) return fail([fileFault(path, 'not a regular file')])
      const buffer = Buffer.alloc(options.maxBytes + 1)
      let length = 0
      for (;;) {
        const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length)
        length += bytesRead
        if (length > options.maxBytes) return fail([fileFault(path, tooLarge(options.maxBytes))])
        if (bytesRead === 0) return decode(buffer.subarray(0, length), path)
      }
    } finally {
      await handle.close()
    }
  } catch (error) {
    return fail([fileFault(path, readProblem(error))])
  }
}

function decode(bytes: Buffer, file: string): Result<string, Fault[]> {
  const text = bytes.toString('utf8')
  if (isUtf8(bytes)) return ok(text)
  // The decoder put a replacement where the input is broken: there the two texts part.
  const again = Buffer.from(text)
  let at = 0
  while (at < bytes.length && bytes[at] === again[at]) at++
  const position = toLines(text).at(bytes.toString('utf8', 0, at).length)
  return fail([{ file, ...position, message: 'not valid UTF-8', hint: 'save the file as UTF-8' }])
}

/** What the operating system said, in plain words. */
export function readProblem(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
  if (code === 'ENOENT') return 'no such file'
  if (code === 'EACCES' || code === 'EPERM') return 'cannot be read: permission denied'
  if (code === 'EISDIR') return 'not a regular file'
  if (code === 'ENOTDIR') return 'not a folder'
  if (code === 'ELOOP') return 'a symbolic link that leads to itself'
  return `cannot be read (${code})`
}
