/**
 * Usual parameter names of each field, in priority order, for rules that say `aliases: common`.
 * Written in any spelling: names match without case and separators.
 *
 * Left out on purpose, although seen in the field: `event_id` for the transaction (elsewhere the
 * number of a goal, which would make every conversion a duplicate of the first), `oid` for it (an
 * offer elsewhere), `state` for the status (a region elsewhere), and `transaction_id` for the click.
 */
import { INPUT_FIELDS, type InputField } from '../model/conversion.ts'

/** `chargeback` is no field: a true value there means reversed. */
export type ReadField = InputField | 'chargeback'

const NAMES: Partial<Record<ReadField, string>> = {
  // After tracking_id: where a network has no name for the click and echoes a sub id.
  click_id:
    'click_id cid aff_click_id subid ref_id external_id visit_id tracking_id ' +
    'sub1 aff_sub s1 p1 custom1 data1 aff_sub1',
  transaction_id:
    'transaction_id txid txn_id trans_id tid conversion_id action_id order_id lead_id postback_id uniq_id',
  status: 'status conv_status conversion_status action_status payment_status',
  event:
    'event event_name goal goal_name goal_value type et action stage event_type conversion_type',
  goal_id: 'goal_id',
  payout:
    'payout revenue sum commission amount profit payment earnings money price cash income rate',
  currency: 'currency cur payout_currency currency_code',
  sale_amount: 'sale_amount order_amount order_value order_total total',
  sale_currency: 'sale_currency order_currency',
  reward: 'reward points vc_amount virtual_currency amount_local currency_amount reward_value',
  user_id: 'user_id uid user player_id external_user_id snuid',
  offer_id: 'offer_id oid',
  offer_name: 'offer_name offer campaign_name',
  campaign_id: 'campaign_id camp_id cmp',
  affiliate_id: 'affiliate_id aff_id pub_id publisher_id pid',
  ip: 'ip user_ip session_ip click_ip',
  user_agent: 'user_agent ua',
  country: 'country geo country_code',
  gaid: 'gaid adid advertising_id',
  click_time: 'click_time click_ts',
  occurred_at: 'occurred_at conversion_time datetime timestamp ts event_time',
  reason: 'reason reject_reason chargeback_reason comment',
  test: 'test is_test testmode debug',
  chargeback: 'is_chargeback chargeback reversal',
}

const SUB = /^sub(\d+)$/

function namesOf(field: ReadField): readonly string[] {
  const number = SUB.exec(field)?.[1]
  if (number !== undefined) {
    const names = ['sub', 'sub_id', 'aff_sub', 's', 'sid', 'p', 'custom', 'data', 'adv_sub']
    const first = number === '1' ? ['aff_sub'] : []
    return [...names.map(name => `${name}${number}`), ...first]
  }
  return NAMES[field]?.split(' ') ?? [field]
}

/** A field that is not named above goes by its own name. */
export const COMMON_ALIASES: ReadonlyMap<ReadField, readonly string[]> = new Map(
  [...INPUT_FIELDS, 'chargeback' as const].map(field => [field, namesOf(field)]),
)
