/**
 * The raw request target → network, token and event. Split on the slashes that were sent and decoded
 * once, segment by segment, so an encoded slash or dot stays inside its segment and can never reach
 * another route: `/in/NETWORK`, `/in/NETWORK/TOKEN`, `/in/NETWORK/TOKEN/EVENT`, `/postback?network=`.
 */
import { ok, type Result } from '../base/result.ts'
import type { Refusal } from '../reasons.ts'
import { NAME_PATTERN } from '../rules/shape.ts'
import { refuse } from './refuse.ts'

export interface TargetPath {
  /** Undefined for `/postback`, where a parameter names it. */
  readonly network: string | undefined
  readonly token: string | undefined
  readonly event: string | undefined
  /** Without the `?`; empty where there is none. */
  readonly query: string
}

/** The parameter of `/postback` that names the network. */
export const NETWORK_PARAM = 'network'

const NAME = new RegExp(NAME_PATTERN)
const UNKNOWN = refuse('unknown_network', 'postbacks come in at /in/NETWORK')

/** True for what is a postback by its path whatever else this listener serves. */
export function isInbound(target: string): boolean {
  return target.startsWith('/in/')
}

export function isNetworkName(text: string): boolean {
  return NAME.test(text)
}

export function parseTarget(target: string): Result<TargetPath, Refusal> {
  const mark = target.indexOf('?')
  const path = mark < 0 ? target : target.slice(0, mark)
  const query = mark < 0 ? '' : target.slice(mark + 1)
  if (path === '/postback') {
    return ok({ network: undefined, token: undefined, event: undefined, query })
  }
  // Nor the absolute form, `GET http://…`: a signature covers the target as sent, so there is one.
  if (!path.startsWith('/in/')) return UNKNOWN
  const segments: string[] = []
  for (const raw of path.slice('/in/'.length).split('/')) {
    const segment = decodeSegment(raw)
    if (segment === undefined) return refuse('bad_path', 'broken percent-encoding in the path')
    segments.push(segment)
  }
  const [network = '', token, event, ...rest] = segments
  if (rest.length > 0 || !isNetworkName(network)) return UNKNOWN
  return ok({ network, token: token || undefined, event: event || undefined, query })
}

function decodeSegment(raw: string): string | undefined {
  if (!raw.includes('%')) return raw
  try {
    return decodeURIComponent(raw)
  } catch {
    return undefined
  }
}
