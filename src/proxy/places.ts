/**
 * Which requests to the tracker are postbacks, and whose. In: `proxy.postbacks`. Out: a look-up by
 * path, then a choice by parameters. Pure; compiled at load.
 */
import { paramKey, type Param } from '../model/postback.ts'
import { segmentsOf } from './path.ts'

export interface PlaceSpec {
  readonly path: string
  readonly network?: string
  readonly network_param?: string
  readonly network_map?: Readonly<Record<string, string>>
  readonly has?: readonly string[]
}

export type ProxyMode = 'tap' | 'gate'

/** A place whose path fits, with what the path says. */
export interface Candidate {
  readonly place: Place
  readonly network: string | undefined
  readonly token: string | undefined
  readonly event: string | undefined
}

export interface Place {
  /** Set where neither path nor parameters decide: the network is known at once. */
  readonly fixed: string | undefined
  /** True where one of its networks is in gate mode: what cannot be read must not pass. */
  readonly isGuarded: boolean
  readonly param: string | undefined
  readonly has: readonly string[]
  readonly map: ReadonlyMap<string, string> | undefined
}

export interface Places {
  /** Candidates in the order of the configuration; undefined for what is no postback. */
  at(target: string): readonly Candidate[] | undefined
}

export type Choice =
  | { readonly kind: 'postback'; readonly network: string; readonly candidate: Candidate }
  /** A postback of nobody that is configured. */
  | { readonly kind: 'unknown'; readonly isGuarded: boolean }
  | { readonly kind: 'other' }

interface CompiledPlace extends Place {
  /** Literals in lower case, or the name of a placeholder. */
  readonly segments: readonly (string | { readonly name: 'network' | 'token' | 'event' })[]
}

export function compilePlaces(
  specs: readonly PlaceSpec[],
  modeOf: (network: string) => ProxyMode,
  networks: Iterable<string>,
): Places {
  const all = [...networks]
  const places = specs.map(spec => compilePlace(spec, modeOf, all))
  if (places.length === 0) return { at: () => undefined }
  return {
    at: target => {
      const segments = segmentsOf(target)
      let found: Candidate[] | undefined
      for (const place of places) {
        const candidate = fit(place, segments)
        if (candidate) (found ??= []).push(candidate)
      }
      return found
    },
  }
}

function compilePlace(
  spec: PlaceSpec,
  modeOf: (network: string) => ProxyMode,
  all: readonly string[],
): CompiledPlace {
  const map = spec.network_map && new Map(Object.entries(spec.network_map))
  const possible = spec.network !== undefined ? [spec.network] : map ? [...map.values()] : all
  return {
    fixed: spec.has ? undefined : spec.network,
    isGuarded: possible.some(network => modeOf(network) === 'gate'),
    param: spec.network_param === undefined ? undefined : paramKey(spec.network_param),
    has: (spec.has ?? []).map(paramKey),
    map: spec.network === undefined ? map : new Map([['', spec.network]]),
    segments: segmentsOf(spec.path).map(segment => {
      const name = /^\{(network|token|event)\}$/.exec(segment)?.[1]
      return name === undefined ? segment.toLowerCase() : { name: name as 'network' }
    }),
  }
}

function fit(place: CompiledPlace, segments: readonly string[]): Candidate | undefined {
  const { segments: wanted } = place
  if (segments.length < wanted.length) return undefined
  // PHP runs /postback.php for /postback.php/anything, too.
  const isScript = wanted.some(part => typeof part === 'string' && part.includes('.'))
  if (segments.length > wanted.length && !isScript) return undefined
  const named: { network?: string; token?: string; event?: string } = {}
  for (const [index, part] of wanted.entries()) {
    const segment = segments[index] ?? ''
    if (typeof part === 'object') named[part.name] = segment
    else if (part !== segment.toLowerCase()) return undefined
  }
  return { place, network: named.network, token: named.token, event: named.event }
}

/** `isWhole`: false where a body was sent that cannot be read, so that `has` cannot be answered. */
export function choose(
  candidates: readonly Candidate[],
  params: readonly Param[],
  isWhole: boolean,
  isKnown: (network: string) => boolean,
): Choice {
  const keys = new Set(params.map(({ key }) => withoutIndex(key)))
  let unknown: Choice | undefined
  for (const candidate of candidates) {
    const { place } = candidate
    const isPostback = place.has.every(key => keys.has(key))
    if (!isPostback && (isWhole || !place.isGuarded)) continue
    const said = place.param === undefined ? candidate.network : valueOf(params, place.param)
    const network = place.map ? place.map.get(said ?? '') : said
    if (network !== undefined && isKnown(network)) return { kind: 'postback', network, candidate }
    unknown ??= { kind: 'unknown', isGuarded: place.isGuarded }
  }
  return unknown ?? { kind: 'other' }
}

/** PHP reads `id[]` and `id[0]` as `id`. */
function withoutIndex(key: string): string {
  const bracket = key.indexOf('[')
  return bracket < 0 ? key : key.slice(0, bracket)
}

/** The last one counts at most trackers, and where they differ nobody is named. */
function valueOf(params: readonly Param[], key: string): string | undefined {
  const values = new Set(params.filter(param => param.key === key).map(({ value }) => value))
  const [value] = values
  return values.size === 1 ? (value ?? undefined) : undefined
}
