/**
 * Destinations in code: for what a template should not do, such as signing, hashing and reading
 * partial failures. A definition is pure; the one transport sends what it builds.
 */
import { ok, type Result } from '../base/result.ts'
import type { Conversion, TextField } from '../model/conversion.ts'
import type {
  Confirm,
  DeliveryContext,
  DeliveryRequest,
  DeliveryResponse,
  DeliveryVerdict,
  Destination,
  RequestFault,
  TokenGrant,
} from '../model/delivery.ts'
import type { Status } from '../model/status.ts'
import type { DestinationExample, DestinationRule } from '../rules/destination-schema.ts'
import type { PolicyHints } from './policy.ts'
import type { SettingDeclarations } from './settings.ts'

export interface RequestContext extends DeliveryContext {
  /** Of the accepted postback: a new one for every status of a conversion. */
  readonly recordId: string
  /** What `click_id_from` came to; undefined where the destination sets none. */
  readonly ownClickId?: string | undefined
}

/** What all ad platforms are compared by. */
export interface AdTraits {
  /** The field with its click id; `click_id_from`: only the configuration knows. */
  readonly clickId?: TextField | 'click_id_from' | undefined
  /** `yes`, or the setting that test mode needs; undefined: it has none. */
  readonly test?: string | undefined
  /** How it takes a conversion back; undefined: it cannot. */
  readonly reversals?: string | undefined
  readonly maxAgeHours?: number | undefined
}

/** A setting that does not make sense; the message never repeats its value. */
export interface SettingFault {
  readonly setting: string
  readonly message: string
}

export type SettingValues<S> = { readonly [name in keyof S]: string }

export interface DestinationDefinition<S extends SettingDeclarations, P> {
  /** Its name in `rule:`; `[a-z0-9][a-z0-9_-]*`. */
  readonly type: string
  readonly title: string
  /** Default `ad-platform`, which nearly all of them are. */
  readonly kind?: DestinationRule['kind']
  /** The page the facts come from. */
  readonly docs: string
  /** How far the facts are proven; default `vendor`. */
  readonly verified?: DestinationRule['verified']
  /** Pinned version of the vendor's API, where it has one. */
  readonly apiVersion?: string
  readonly notes?: string
  readonly settings: S
  /** Statuses it takes; default all. */
  readonly statuses?: readonly Status[]
  /** Those it gets where the configuration names none; default all it takes. */
  readonly defaultStatuses?: readonly Status[]
  /** Fields by which it recognizes a person or a click. */
  readonly identity?: readonly TextField[]
  readonly policy?: PolicyHints
  /** Of ad platforms. */
  readonly ad?: AdTraits
  /** Load-time work on the settings: parse keys, build URLs. */
  prepare(values: SettingValues<S>): Result<P, readonly SettingFault[]>
  /** Where it sends, for the egress check at load. */
  origins(prepared: P): readonly string[]
  /** Where it has a test mode: empty, or the setting that is missing for it. */
  test?(prepared: P): { readonly missing?: string }
  /** Where requests need an access token. */
  grant?(prepared: P): TokenGrant | undefined
  /** Where it judges later what it took in. */
  confirm?(prepared: P): Confirm | undefined
  /** False for what it must never see, beyond `statuses`. */
  wants?(conversion: Pick<Conversion, 'status' | 'event'>, prepared: P): boolean
  /** How long after a postback came it may first be told, ms. */
  restMs?(conversion: Conversion, prepared: P): number
  /** `conversion` has this destination's click id and share of the payout. */
  request(
    conversion: Conversion,
    prepared: P,
    context: RequestContext,
  ): Result<DeliveryRequest, RequestFault>
  verdict(response: DeliveryResponse, now: number): DeliveryVerdict
  readonly examples: readonly DestinationExample[]
}

/** A definition with its settings filled in. */
export interface OpenDestination extends Pick<
  Destination,
  'test' | 'grant' | 'confirm' | 'restMs'
> {
  readonly origins: readonly string[]
  wants(conversion: Pick<Conversion, 'status' | 'event'>): boolean
  request(conversion: Conversion, context: RequestContext): Result<DeliveryRequest, RequestFault>
}

/** A definition without its type parameters, as the registry lists it. */
export interface DestinationType extends Pick<
  DestinationDefinition<SettingDeclarations, never>,
  | 'type'
  | 'title'
  | 'kind'
  | 'docs'
  | 'verified'
  | 'apiVersion'
  | 'notes'
  | 'settings'
  | 'statuses'
  | 'defaultStatuses'
  | 'identity'
  | 'policy'
  | 'ad'
> {
  readonly examples: readonly DestinationExample[]
  open(values: ReadonlyMap<string, string>): Result<OpenDestination, readonly SettingFault[]>
  verdict(response: DeliveryResponse, now: number): DeliveryVerdict
}

export function defineDestination<const S extends SettingDeclarations, P>(
  definition: DestinationDefinition<S, P>,
): DestinationType {
  const { prepare, origins, wants, request, test, grant, confirm, restMs, ...described } =
    definition
  return {
    ...described,
    open: values => {
      const prepared = prepare(Object.fromEntries(values) as SettingValues<S>)
      if (!prepared.ok) return prepared
      const { value } = prepared
      const made = grant?.(value)
      const confirming = confirm?.(value)
      return ok({
        origins: origins(value),
        ...(test ? { test: test(value) } : {}),
        ...(made ? { grant: made } : {}),
        ...(confirming ? { confirm: confirming } : {}),
        ...(restMs ? { restMs: (conversion: Conversion) => restMs(conversion, value) } : {}),
        wants: wants ? conversion => wants(conversion, value) : () => true,
        request: (conversion, context) => request(conversion, value, context),
      })
    },
  }
}
