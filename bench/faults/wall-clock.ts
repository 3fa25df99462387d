/**
 * A wall clock that can be set, for one process and its threads; the monotonic clock is left alone,
 * as when a real one is set. Needs libfaketime (Debian package `libfaketime`).
 */
import { existsSync, readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Test } from 'tap'
import { temporaryFolder, type Gateway } from '../../test/support/gateway.ts'
import { series } from '../../test/support/ledger.ts'
import { until } from '../../test/support/until.ts'

export interface WallClock {
  /** What the process must be started with. */
  readonly env: Record<string, string>
  /** Seconds ahead of the real time. */
  set(offset: number): void
}

export function createWallClock(t: Test): WallClock {
  const file = join(temporaryFolder(t), 'offset')
  const set = (offset: number): void => {
    // Renamed, for it is read at any moment.
    writeFileSync(`${file}.new`, `${offset < 0 ? '' : '+'}${offset.toFixed(3)}\n`)
    renameSync(`${file}.new`, file)
  }
  set(0)
  return {
    env: {
      LD_PRELOAD: library(),
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      DONT_FAKE_MONOTONIC: '1',
    },
    set,
  }
}

/**
 * Resolves when the gateway says that it lives so many seconds ahead, by its last reading of the
 * store: an older one would pass for a fresh one later, when the clock has been set back.
 */
export async function livesAt(gateway: Gateway, offset: number): Promise<void> {
  await until(`the gateway lives ${offset} s ahead`, async () => {
    const name = 'postern_metrics_collected_timestamp_seconds'
    const [told = 0] = (await series(gateway, name)).values()
    return Math.abs(told - Date.now() / 1000 - offset) < 60
  })
}

function library(): string {
  const found = readdirSync('/usr/lib')
    .map(name => join('/usr/lib', name, 'faketime', 'libfaketimeMT.so.1'))
    .find(path => existsSync(path))
  if (!found) throw new Error('this test needs libfaketime: apt-get install libfaketime')
  return found
}
