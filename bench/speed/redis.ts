/** A Redis of its own for one variant, with its data in a folder. */
import type { ChildProcess } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { OTHER_CORE, startPinned, waitForPort } from './processes.ts'

export type Fsync = 'everysec' | 'always'

export async function startRedis(
  folder: string,
  port: number,
  fsync: Fsync,
): Promise<ChildProcess> {
  mkdirSync(folder, { recursive: true })
  const child = startPinned(OTHER_CORE, [
    'redis-server',
    '--port', String(port),
    '--bind', '127.0.0.1',
    '--dir', folder,
    '--appendonly', 'yes',
    '--appendfsync', fsync,
    '--save', '',
    '--loglevel', 'warning',
  ]) // prettier-ignore
  await waitForPort(port)
  return child
}
