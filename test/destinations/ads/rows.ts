/** How a destination is set up to make each example request, and how the platform answers it. */
import type { DestinationOptions } from '../../../src/destinations/options.ts'
import { respond, type Answer } from '../../support/scripted-receiver.ts'
import type { Change } from './support.ts'

export interface Row extends DestinationOptions {
  readonly type?: string
  readonly rule?: string
  readonly conversion?: Change
  readonly answer: Answer
}

const IDS = { event_id: '{transaction_id}-{event}' }
const GRANTED = { consent: 'granted' }
const REFRESH = { client_id: 'c', client_secret: 's', refresh_token: 'r' }
const GOOGLE = { ...IDS, ...GRANTED, ...REFRESH, events: 'sale=987654321', customer_id: '123-456-7890' } // prettier-ignore

/** By the names of the examples. */
export const ROWS: Readonly<Record<string, Row>> = {
  meta: {
    type: 'meta',
    settings: { ...IDS, test_event_code: 'TEST12345', test_mode: 'yes' },
    answer: respond(200, '{"events_received":1,"messages":[],"fbtrace_id":"A"}'),
  },
  meta_min: {
    type: 'meta',
    settings: IDS,
    conversion: {
      event: 'lead',
      payout: '2.50',
      landing_url: 'https://shop.example.com/',
      email: undefined,
      phone: undefined,
      first_name: undefined,
      last_name: undefined,
      city: undefined,
      region: undefined,
      zip: undefined,
      country: undefined,
      user_id: undefined,
      fbp: undefined,
    },
    answer: respond(200, '{"events_received":1}'),
  },
  tiktok: {
    type: 'tiktok',
    settings: { ...IDS, test_event_code: 'TEST12345', test_mode: 'yes' },
    answer: respond(200, '{"code":0,"message":"OK"}'),
  },
  dm: {
    type: 'google_data_manager',
    settings: GOOGLE,
    answer: respond(200, '{"requestId":"r-1"}'),
  },
  gads: {
    type: 'google_ads',
    settings: { ...GOOGLE, login_customer_id: '111-222-3333' },
    answer: respond(200, '{"results":[{}]}'),
  },
  gads_adj: {
    type: 'google_ads',
    settings: { ...GOOGLE, login_customer_id: '111-222-3333' },
    conversion: { status: 'reversed' },
    answer: respond(200, '{"results":[{}]}'),
  },
  ga4: {
    type: 'google_analytics',
    settings: { ...IDS, ...GRANTED },
    // The examples' input has no cookies of Google Analytics; the request tells what they were.
    conversion: {
      ga_client_id: 'GA1.1.1098115397.1795075100',
      ga_session_id: 'GS1.1.1795075100.1.0.0',
    },
    answer: respond(204),
  },
  ms: {
    type: 'microsoft',
    settings: { ...IDS, ...GRANTED },
    answer: respond(200, '{"eventsReceived":1}'),
  },
  snap: { type: 'snapchat', settings: IDS, answer: respond(200, '{"status":"VALID"}') },
  pin: {
    type: 'pinterest',
    settings: { ...IDS, test_mode: 'yes' },
    answer: respond(
      200,
      '{"num_events_received":1,"num_events_processed":1,"events":[{"status":"processed"}]}',
    ),
  },
  reddit: {
    type: 'reddit',
    settings: { ...IDS, test_mode: 'yes', test_id: 't2_test' },
    answer: respond(200, '{"data":{"message":"Successfully processed 1 conversion events."}}'),
  },
  li: {
    type: 'linkedin',
    settings: { ...IDS, events: 'sale=789123', access_token: 'LITOKEN' },
    answer: respond(201),
  },
  x: {
    type: 'x',
    settings: { ...IDS, events: 'sale=tw-o8z6j-o8z21' },
    answer: respond(200, '{"data":{"conversions_processed":1,"debug_id":"d"}}'),
  },
  quora: {
    type: 'quora',
    settings: { ...IDS, send_email: 'yes' },
    answer: respond(200, '{"events_errored":0}'),
  },
  amazon: {
    type: 'amazon',
    settings: { ...IDS, ...REFRESH, client_id: 'amzn1.application-oa2-client.x' },
    answer: respond(207, '{"success":[{"index":0}],"error":[]}'),
  },
  nextdoor: { type: 'nextdoor', settings: IDS, answer: respond(200) },
  spotify: { type: 'spotify', settings: IDS, answer: respond(200) },
  criteo: {
    type: 'criteo',
    settings: IDS,
    conversion: { offer_id: 'offer-77' },
    answer: respond(200),
  },
  axon: {
    type: 'axon',
    settings: IDS,
    click_id_from: 'q.aleid',
    conversion: { event: 'lead' },
    answer: respond(200),
  },
  kwai: { type: 'kwai', settings: IDS, click_id_from: 'q.kwai_clickid', answer: respond(200) },
  openai: {
    type: 'openai',
    settings: { ...IDS, test_mode: 'yes' },
    click_id_from: '{q.oppref}',
    answer: respond(200),
  },
  bigo: { rule: 'bigo', click_id_from: 'q.bigo_bbg', answer: respond(200) },
  yahoo: {
    rule: 'yahoo-dsp',
    conversion: { click_id: 'vm-click-1' },
    answer: respond(200),
  },
  taboola: {
    rule: 'taboola',
    settings: { name: 'purchase' },
    click_id_from: 'q.tblci',
    answer: respond(204),
  },
  outbrain: {
    rule: 'outbrain',
    settings: { name: 'purchase' },
    click_id_from: 'q.ob_click_id',
    answer: respond(200),
  },
  exo: {
    rule: 'exoclick',
    settings: { goal: '0123456789abcdef' },
    click_id_from: 'q.exo_tag',
    answer: respond(200, 'OK'),
  },
  ts: {
    rule: 'trafficstars',
    settings: { key: 'KEY123', goal_id: '0' },
    click_id_from: 'q.ts_clickid',
    // The vendor's URL carries `lead_code={transaction_id}` too, and so does the rule; the example
    // leaves it out although its input has a transaction id.
    omit: ['lead_code'],
    answer: respond(200, '{"ok":true}'),
  },
}
