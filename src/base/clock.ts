/** The only home of time. Pass a `Clock` in; tests pass their own. */
import { readFileSync } from 'node:fs'

export interface Clock {
  /** Wall clock, epoch milliseconds. For timestamps and signature windows only. */
  now(): number
  /** Milliseconds that never jump. For leases, timeouts and durations. */
  monotonic(): number
  /**
   * The run of the machine that `monotonic` counts in: processes of the same run count alike.
   * Absent where the system does not tell.
   */
  readonly boot?: string | undefined
}

const [seconds, nanoseconds] = process.hrtime()
/** performance.now() counts from the start of the process, hrtime from that of the machine. */
const STARTED_AT = seconds * 1000 + nanoseconds / 1e6 - performance.now()

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => STARTED_AT + performance.now(),
  boot: readBoot(),
}

/** https://docs.kernel.org/admin-guide/sysctl/kernel.html#random */
function readBoot(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return undefined
  }
}
