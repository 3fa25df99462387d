/** The settings that every ad platform has. */
import type { SettingDeclaration } from '../settings.ts'

export interface CommonSettings {
  readonly [name: string]: SettingDeclaration
  readonly base_url: SettingDeclaration
  readonly events: SettingDeclaration
  readonly event_id: SettingDeclaration
  readonly order_id: SettingDeclaration
  readonly value: SettingDeclaration
  readonly consent: SettingDeclaration
  readonly page_url: SettingDeclaration
  readonly max_age_hours: SettingDeclaration
  /** Missing where the platform has no test mode. */
  readonly test_mode?: SettingDeclaration
}

export interface CommonOptions {
  readonly host: string
  readonly maxAgeHours: number | undefined
  readonly hasTest: boolean
}

export function commonSettings({ host, maxAgeHours, hasTest }: CommonOptions): CommonSettings {
  return {
    base_url: { title: 'Where the API is', default: host },
    events: {
      title: 'Names of events there, over the usual ones: sale=NAME,lead=NAME,*=NAME,ping=-',
      default: '',
    },
    event_id: {
      title:
        'Id by which repeats are dropped; the same as in the browser pixel, where there is one',
      default: '{conversion_id}-{event}',
      holds: 'template',
    },
    order_id: {
      title: 'Order id; the id of the conversion where it comes out empty',
      default: '{transaction_id}',
      holds: 'template',
    },
    value: {
      title: 'What the conversion is worth: payout, sale_amount or none',
      default: 'payout',
      pattern: '^(payout|sale_amount|none)$',
    },
    consent: {
      title: 'granted or denied for all, or where it comes from, such as {q.consent}',
      default: '',
      holds: 'template',
    },
    page_url: {
      title: 'Page of the conversion, where the postback brings no landing_url',
      default: '',
    },
    max_age_hours: {
      title: 'What is older ends as a dead letter and is not sent',
      default: maxAgeHours === undefined ? '' : String(maxAgeHours),
      pattern: '^[1-9][0-9]{0,4}$',
    },
    ...(hasTest
      ? {
          test_mode: {
            title: 'yes: everything is sent as a test',
            default: '',
            pattern: '^yes$',
          },
        }
      : {}),
  }
}
