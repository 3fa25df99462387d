/** The normalized fact. Field names are the words of rule files and macros, hence snake_case. */
import type { Status } from './status.ts'

const SUBS = [
  'sub1', 'sub2', 'sub3', 'sub4', 'sub5', 'sub6', 'sub7', 'sub8', 'sub9', 'sub10',
  'sub11', 'sub12', 'sub13', 'sub14', 'sub15', 'sub16', 'sub17', 'sub18', 'sub19', 'sub20',
] as const // prettier-ignore

/** Fields that are opaque text, kept as sent. */
export const TEXT_FIELDS = [
  'click_id', 'transaction_id', 'event', 'goal_id', 'user_id', 'offer_id', 'offer_name',
  'campaign_id', 'campaign_name', 'affiliate_id', 'reason', 'reward_currency',
  ...SUBS,
  // The end user and device, not the sender.
  'ip', 'user_agent', 'country', 'email', 'phone', 'first_name', 'last_name', 'city', 'region', 'zip',
  'birth_date', 'gender', 'gaid', 'idfa', 'idfv', 'android_id',
  // Ad click ids and cookies. `scid` is Snapchat's cookie, `sccid` its click id.
  'fbclid', 'fbc', 'fbp', 'gclid', 'gbraid', 'wbraid', 'dclid', 'ttclid', 'ttp', 'msclkid', 'sccid', 'scid',
  'twclid', 'li_fat_id', 'rdt_cid', 'rdt_uuid', 'epik', 'qclid', 'ndclid', 'ga_client_id', 'ga_session_id',
  'landing_url',
] as const // prettier-ignore
export type TextField = (typeof TEXT_FIELDS)[number]

/** Decimal text, see base/decimal. */
export const MONEY_FIELDS = ['payout', 'sale_amount', 'reward'] as const
export type MoneyField = (typeof MONEY_FIELDS)[number]

/** Epoch milliseconds. */
export const TIME_FIELDS = ['click_time', 'occurred_at'] as const
export type TimeField = (typeof TIME_FIELDS)[number]

/** ISO 4217, upper case. */
export const CURRENCY_FIELDS = ['currency', 'sale_currency'] as const
export type CurrencyField = (typeof CURRENCY_FIELDS)[number]

/** What a rule's `fields:` may fill; `status` and `test` are read to decide, not copied. */
export const INPUT_FIELDS = [
  ...TEXT_FIELDS, ...MONEY_FIELDS, ...CURRENCY_FIELDS, ...TIME_FIELDS, 'status', 'test',
] as const // prettier-ignore
export type InputField = (typeof INPUT_FIELDS)[number]

export type Conversion = {
  readonly [field in TextField | MoneyField | CurrencyField]?: string
} & { readonly [field in TimeField]?: number } & {
  /** Stable across every status of this conversion: the hashed dedupe key, 32 hex digits. */
  readonly id: string
  readonly network: string
  readonly status: Status
  readonly status_raw?: string
  /** Epoch milliseconds. */
  readonly received_at: number
  /** Further parameters as sent, for `{q.NAME}`; declared secrets are never among them. */
  readonly q: Readonly<Record<string, string>>
}

/** Conversion before the store has given it an id, with the text that identifies it. */
export interface NormalizedConversion {
  readonly conversion: Omit<Conversion, 'id'>
  /** Parts joined unambiguously; hashed before it is stored. */
  readonly dedupeKey: string
}
