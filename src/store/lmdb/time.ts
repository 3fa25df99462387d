/**
 * Store time on one machine: the wall clock as it was once, and the monotonic clock since. Whoever
 * opens the file first after a boot sets it, and all processes of that boot go by it, so that a wall
 * clock that is set meanwhile moves no lease, no retry and no dedupe window.
 */
import type { Clock } from '../../base/clock.ts'
import type { Databases } from './databases.ts'

/**
 * Epoch ms at which `clock.monotonic()` was 0. After a boot it is not before `writtenAt`, when the
 * file was last written: a machine may know the time only some minutes after its start.
 */
export async function readEpoch(
  { root, meta }: Pick<Databases, 'root' | 'meta'>,
  clock: Clock,
  writtenAt: number,
): Promise<number> {
  const { boot } = clock
  const now = clock.now()
  const since = clock.monotonic()
  // Nothing tells whether another process counts alike.
  if (boot === undefined) return now - since
  return root.childTransaction(() => {
    const [setIn, epoch] = meta.get('time')?.split(' ') ?? []
    if (setIn === boot) return Number(epoch)
    const fresh = Math.floor(Math.max(now, writtenAt) - since)
    meta.putSync('time', `${boot} ${fresh}`)
    return fresh
  })
}
