/**
 * Opens guarded connections to one origin for undici. In: an origin. Out: sockets whose peer was
 * checked, or an error that names the phase it failed in. The guard looks three times, because
 * each look alone can be walked around: at a literal host (which never reaches the lookup), at
 * every resolved address (one refused address refuses the name: DNS rebinding mixes them), and at
 * the peer that was really connected to, before a byte is sent.
 */
import { isIP, type LookupFunction, type Socket } from 'node:net'
import { buildConnector } from 'undici'
import { EgressError, type EgressGuard } from './egress.ts'
import type { Resolve } from './resolve.ts'

export type ConnectPhase = 'resolving' | 'connecting' | 'securing'

/** What went wrong before a connection was usable: nothing of the request was sent. */
export class ConnectError extends Error {
  readonly phase: ConnectPhase
  constructor(phase: ConnectPhase, cause: Error) {
    super(cause.message, { cause })
    this.name = 'ConnectError'
    this.phase = phase
  }
}

export interface ConnectorOptions {
  readonly guard: EgressGuard
  readonly resolve: Resolve
  readonly timeoutMs: number
  /** Certificate authorities instead of the built-in ones, PEM; undefined for the built-in ones. */
  readonly ca: string | undefined
}

/** `dialled` gets the socket as soon as there is one, so that its owner can destroy it. */
export type Connect = (
  options: buildConnector.Options,
  dialled: (socket: Socket) => void,
  callback: buildConnector.Callback,
) => void

/** undici returns the socket it dials with; its types do not say so. */
type Dial = (options: buildConnector.Options, callback: buildConnector.Callback) => Socket

/** One of several addresses gets this long before the next is tried too; 250 ms is short of far. */
const NEXT_ADDRESS_MS = 1_000
/** The attempt's own timer ends a slow connect; undici's coarse one only clears up behind it. */
const CLEAR_UP_MS = 1_000

export function createConnector(origin: URL, options: ConnectorOptions): Connect {
  const { guard, ca } = options
  const port = Number(origin.port) || (origin.protocol === 'https:' ? 443 : 80)
  const dial = buildConnector({
    allowH2: false,
    timeout: options.timeoutMs + CLEAR_UP_MS,
    lookup: guardedLookup(options.resolve, guard, port),
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_MS,
    ...(ca === undefined ? {} : { ca }),
  } as buildConnector.BuildOptions) as unknown as Dial

  return (target, dialled, callback) => {
    const literal = isIP(target.hostname) ? guard(target.hostname, port) : undefined
    if (literal) {
      queueMicrotask(() => callback(literal, null))
      return
    }
    let phase: ConnectPhase = 'connecting'
    let refusal: EgressError | undefined
    const socket = dial(target, (error, connected) => {
      const failure = refusal ?? error
      if (failure) callback(named(phase, failure), null)
      else if (connected) callback(null, connected)
    })
    // First in line: before the TLS handshake starts and before undici may write.
    socket.prependOnceListener('connect', () => {
      phase = 'securing'
      if (socket.remoteAddress !== undefined) refusal = guard(socket.remoteAddress, port)
      if (refusal) socket.destroy(refusal)
    })
    dialled(socket)
  }
}

function named(phase: ConnectPhase, error: Error): Error {
  const isNamed = error instanceof EgressError || error instanceof ConnectError
  return isNamed ? error : new ConnectError(phase, error)
}

/** Hands the socket what the name resolves to, if every address may be reached. */
function guardedLookup(resolve: Resolve, guard: EgressGuard, port: number): LookupFunction {
  return (hostname, options, hand) => {
    resolve(hostname).then(
      found => {
        const refused = found.map(({ address }) => guard(address, port)).find(Boolean)
        const [first] = found
        if (refused) hand(refused, '', 0)
        else if (!first) hand(new ConnectError('resolving', new Error('no address')), '', 0)
        else if (options.all) hand(null, [...found])
        else hand(null, first.address, first.family)
      },
      (error: Error) => hand(new ConnectError('resolving', error), '', 0),
    )
  }
}
