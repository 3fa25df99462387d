/** What each platform's answers mean: one table per platform, one row per answer that it gives. */
import t from 'tap'
import { readRequestStatus } from '../../../src/destinations/ads/google-answer.ts'
import { AD_PLATFORMS } from '../../../src/destinations/ads/platforms.ts'
import type { ReadAnswer } from '../../../src/destinations/ads/verdict.ts'
import type { DeliveryResponse } from '../../../src/model/delivery.ts'
import { create, NOW, ruleOf, typeOf } from './support.ts'

/** Status, body, class; `later` and `throttle` with hours. */
type Row = readonly [number, unknown, string, Readonly<Record<string, string>>?]

/** In the words of the classes: ok, duplicate, retry, later N, throttle, park, drop. */
function classOf(read: ReadAnswer, [status, body, , headers = {}]: Row): string {
  const text = body === '' ? '' : typeof body === 'string' ? body : JSON.stringify(body)
  const response: DeliveryResponse = { status, headers, body: text }
  const verdict = read(response, NOW)
  if (verdict.kind === 'delivered') return verdict.result
  if (verdict.kind === 'park') return 'park'
  if (verdict.kind === 'dead') return verdict.reason === 'rejected' ? 'drop' : verdict.reason
  const hours = verdict.afterMs === undefined ? '' : ` ${verdict.afterMs / 3_600_000}`
  if (verdict.result === 'http_429') return `throttle${hours}`
  if (verdict.maxAttempts !== undefined) return 'few'
  return verdict.afterMs === undefined ? 'retry' : `later${hours}`
}

const graph = (code: number, more: object = {}) => ({ error: { message: 'm', code, ...more } })
const partial = (word: string, kind = 'conversionUploadError') => ({
  partialFailureError: {
    code: 3,
    message: 'm',
    details: [{ errors: [{ errorCode: { [kind]: word }, message: 'm' }] }],
  },
  results: [{}],
})
const rpc = (code: number, status: string, reason?: string) => ({
  error: { code, status, message: 'm', details: reason ? [{ '@type': 'x', reason }] : [] },
})
const HTML = '<html><body>Sorry</body></html>'

/** What goes by the status alone, on every platform that does not say otherwise. */
const BY_STATUS: readonly Row[] = [
  [401, '', 'park'],
  [403, '', 'park'],
  [400, '', 'drop'],
  [422, '', 'drop'],
  [408, '', 'retry'],
  [425, '', 'retry'],
  [429, '', 'throttle'],
  [429, '', 'throttle 2', { 'retry-after': '7200' }],
  [500, '', 'retry'],
  [503, '', 'later 1', { 'retry-after': '3600' }],
  [302, '', 'few'],
]

const TABLES: Readonly<Record<string, readonly Row[]>> = {
  meta: [
    [200, { events_received: 1, messages: [], fbtrace_id: 'A' }, 'ok'],
    [200, { events_received: 0 }, 'drop'],
    [200, HTML, 'retry'],
    [500, HTML, 'retry'],
    [400, HTML, 'retry'],
    ...[1, 2, 341, 5000, 21009].map((code): Row => [400, graph(code), 'retry']),
    [500, graph(99), 'retry'],
    [400, graph(100, { is_transient: true }), 'retry'],
    ...[4, 17, 32, 368, 613, 80003, 80004].map((code): Row => [400, graph(code), 'throttle']),
    [400, graph(4), 'throttle 0.5', { 'x-business-use-case-usage': '{"1":[{"type":"ads","estimated_time_to_regain_access":30}]}' }],
    ...[460, 463, 467].map((error_subcode): Row => [400, graph(190, { error_subcode }), 'park']),
    ...[102, 3, 10, 200, 299].map((code): Row => [403, graph(code), 'park']),
    [400, graph(100, { error_subcode: 33 }), 'park'],
    ...[2804003, 2804009, 2804001, 2804007, 2804016, 2804017, 2804019, 2804048, 2804066, 2804050].map(
      (error_subcode): Row => [400, graph(100, { error_subcode }), 'drop'],
    ),
    [400, graph(105), 'drop'],
    [401, {}, 'park'],
  ],
  tiktok: [
    [200, { code: 0, message: 'OK' }, 'ok'],
    [200, { code: 20001 }, 'ok'],
    [200, { code: 40100 }, 'throttle'],
    [200, { code: 50000 }, 'retry'],
    [200, { code: 51010 }, 'retry'],
    [502, HTML, 'retry'],
    [200, HTML, 'retry'],
    ...[40001, 40104, 40105].map((code): Row => [200, { code }, 'park']),
    [401, '', 'park'],
    [200, { code: 40002 }, 'drop'],
    [200, { code: 40300 }, 'drop'],
  ],
  google_data_manager: [
    [200, { requestId: 'r' }, 'ok'],
    [200, {}, 'retry'],
    [429, rpc(429, 'RESOURCE_EXHAUSTED'), 'throttle'],
    [429, rpc(429, 'RESOURCE_EXHAUSTED', 'IngestEventsRequestsPerDay'), 'throttle 3'],
    [500, '', 'retry'],
    [503, rpc(503, 'UNAVAILABLE'), 'retry'],
    [504, '', 'retry'],
    [401, rpc(401, 'UNAUTHENTICATED'), 'park'],
    [403, rpc(403, 'PERMISSION_DENIED'), 'park'],
    [400, rpc(400, 'INVALID_ARGUMENT'), 'drop'],
    [400, rpc(400, 'INVALID_ARGUMENT', 'TOO_RECENT_CLICK'), 'later 6'],
    [400, rpc(400, 'INVALID_ARGUMENT', 'DUPLICATE_TRANSACTION_ID'), 'duplicate'],
    [400, rpc(400, 'INVALID_ARGUMENT', 'DUPLICATE_GCLID'), 'duplicate'],
    [400, rpc(400, 'INVALID_ARGUMENT', 'EVENT_TOO_OLD'), 'drop'],
  ],
  google_ads: [
    [200, { results: [{}] }, 'ok'],
    [200, HTML, 'retry'],
    ...['CLICK_CONVERSION_ALREADY_EXISTS', 'ORDER_ID_ALREADY_IN_USE', 'DUPLICATE_ORDER_ID',
      'DUPLICATE_CLICK_CONVERSION_IN_REQUEST', 'CONVERSION_ALREADY_RETRACTED', 'RESTATEMENT_ALREADY_EXISTS',
      'DUPLICATE_ADJUSTMENT_IN_REQUEST'].map((word): Row => [200, partial(word), 'duplicate']),
    [429, rpc(429, 'RESOURCE_EXHAUSTED'), 'throttle'],
    [200, partial('RESOURCE_TEMPORARILY_EXHAUSTED', 'quotaError'), 'throttle'],
    [200, partial('CONCURRENT_MODIFICATION', 'databaseError'), 'retry'],
    [500, '', 'retry'],
    [200, partial('TOO_RECENT_EVENT'), 'later 6'],
    [200, partial('TOO_RECENT_CONVERSION_ACTION'), 'later 6'],
    [200, partial('TOO_RECENT_CONVERSION', 'conversionAdjustmentUploadError'), 'later 24'],
    [401, rpc(401, 'UNAUTHENTICATED'), 'park'],
    ...['DEVELOPER_TOKEN_NOT_APPROVED', 'DEVELOPER_TOKEN_INVALID', 'USER_PERMISSION_DENIED',
      'CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE', 'CUSTOMER_NOT_ACCEPTED_CUSTOMER_DATA_TERMS'].map(
      (word): Row => [200, partial(word, 'authorizationError'), 'park'],
    ),
    [403, rpc(403, 'PERMISSION_DENIED'), 'park'],
    ...['UNPARSEABLE_GCLID', 'UNPARSEABLE_WBRAID', 'UNPARSEABLE_GBRAID', 'EXPIRED_EVENT', 'CONVERSION_PRECEDES_EVENT',
      'GBRAID_WBRAID_BOTH_SET', 'INVALID_USER_IDENTIFIER', 'ORDER_ID_CONTAINS_PII', 'INVALID_CUSTOMER_FOR_CLICK',
      'NO_CONVERSION_ACTION_FOUND', 'INVALID_CONVERSION_ACTION_TYPE', 'CLICK_NOT_FOUND', 'EVENT_NOT_FOUND',
      'CONVERSION_EXPIRED', 'MORE_RECENT_RESTATEMENT_FOUND', 'CONVERSION_NOT_FOUND'].map(
      (word): Row => [200, partial(word), 'drop'],
    ),
    [400, rpc(400, 'INVALID_ARGUMENT'), 'drop'],
  ],
  google_analytics: [
    [204, '', 'ok'],
    [200, '', 'ok'],
    [200, { validationMessages: [] }, 'ok'],
    [200, { validationMessages: [{ description: 'wrong' }] }, 'drop'],
    [503, '', 'retry'],
  ],
  microsoft: [
    [200, { eventsReceived: 1 }, 'ok'],
    [200, { eventsReceived: 1, error: { details: [{ index: 0, isWarning: true }] } }, 'ok'],
    [200, { eventsReceived: 0, error: { details: [{ index: 0, errorCode: 'x' }] } }, 'drop'],
    [200, HTML, 'retry'],
    [429, '', 'throttle'],
    [500, '', 'retry'],
    [401, { error: { code: 'Unauthorized' }, traceId: 't' }, 'park'],
    [403, '', 'park'],
    [404, '', 'park'],
    [400, { error: { details: [{ errorMessage: 'must be a valid SHA256 string' }] } }, 'drop'],
  ],
  snapchat: [
    [200, { status: 'VALID' }, 'ok'],
    [200, { status: 'INVALID', reason: 'r' }, 'drop'],
    [200, HTML, 'retry'],
    [400, { status: 'INVALID', reason: 'r' }, 'drop'],
    ...BY_STATUS,
  ],
  pinterest: [
    [200, { num_events_received: 1, num_events_processed: 1, events: [{ status: 'processed' }] }, 'ok'],
    [200, { num_events_received: 1, num_events_processed: 0, events: [{ status: 'failed' }] }, 'drop'],
    [200, { events: [] }, 'retry'],
    [200, HTML, 'retry'],
    [422, { events: [{ status: 'failed' }] }, 'drop'],
    [400, { code: 4196 }, 'drop'],
    [429, { code: 8 }, 'throttle'],
    [503, { code: 4197 }, 'retry'],
    [401, { code: 2 }, 'park'],
    [403, { code: 29 }, 'park'],
  ],
  reddit: [
    [200, { data: {} }, 'ok'],
    [400, { invalid_events: [{ error_message: 'm' }] }, 'drop'],
    ...BY_STATUS,
  ],
  linkedin: [[201, '', 'ok'], [426, '', 'park'], [422, 'Index: 0, ERROR ::', 'drop'], ...BY_STATUS],
  x: [
    [200, { data: { conversions_processed: 1, debug_id: 'd' } }, 'ok'],
    [200, { data: { conversions_processed: 0 } }, 'drop'],
    [200, HTML, 'retry'],
    ...BY_STATUS,
  ],
  quora: [
    [200, { events_errored: 0 }, 'ok'],
    [200, { events_errored: 1, events: [{ status: 'ERROR', error_code: 'c' }] }, 'drop'],
    [200, HTML, 'retry'],
    [408, '', 'retry'],
    [423, '', 'retry'],
    [429, '', 'throttle'],
    [401, '', 'park'],
    [403, '', 'park'],
  ],
  amazon: [
    [207, { success: [{ index: 0 }], error: [] }, 'ok'],
    [207, { success: [], error: [{ index: 0, errors: [{ errorType: 'VALIDATION' }] }] }, 'drop'],
    [207, { success: [], error: [{ index: 0, errors: [{ errorType: 'THROTTLED' }] }] }, 'retry'],
    [207, {}, 'retry'],
    ...BY_STATUS,
  ],
  axon: [[200, '', 'ok'], ...BY_STATUS],
  ...Object.fromEntries(
    ['nextdoor', 'spotify', 'criteo', 'kwai', 'openai'].map(type => [type, [[200, '', 'ok'], ...BY_STATUS]]),
  ),
} // prettier-ignore

const DEFAULT: readonly Row[] = [
  [401, '', 'park'],
  [403, '', 'park'],
  [404, '', 'few'],
  [408, '', 'retry'],
  [425, '', 'retry'],
  [429, '', 'throttle'],
  [500, '', 'retry'],
]

/** Rule files, by name. */
const RULES: Readonly<Record<string, readonly Row[]>> = {
  taboola: [
    [204, '', 'ok'],
    [200, '', 'ok'],
    [400, '', 'drop'],
    [429, '', 'throttle'],
    [500, '', 'retry'],
  ],
  exoclick: [
    [200, 'OK', 'ok'],
    [200, 'ERROR: invalid tag', 'drop'],
    [200, 'ERROR: this conversion has already been notified', 'duplicate'],
    [200, HTML, 'retry'],
    [503, '', 'retry'],
  ],
  outbrain: [[200, '', 'ok'], ...DEFAULT],
  bigo: [[200, '', 'ok'], ...DEFAULT],
  'yahoo-dsp': [[200, '', 'ok'], ...DEFAULT],
  trafficstars: [
    [200, { ok: true }, 'ok'],
    [200, { ok: false }, 'retry'],
    [400, { error: { msg: 'cpa: invalid clickid' } }, 'drop'],
    ...DEFAULT,
  ],
}

t.test('every platform has a table', async t => {
  t.same(Object.keys(TABLES).toSorted(), AD_PLATFORMS.map(({ type }) => type).toSorted())
})

for (const [name, rows] of [...Object.entries(TABLES), ...Object.entries(RULES)]) {
  t.test(name, async t => {
    const rule = Object.hasOwn(RULES, name) ? ruleOf(name) : undefined
    const read = rule ? create(rule).verdict : typeOf(name).verdict
    for (const row of rows) {
      t.equal(classOf(read, row), row[2], `${row[0]} ${JSON.stringify(row[1]).slice(0, 120)}`)
    }
  })
}

t.test('what became of a request that Google had taken in', async t => {
  const read = (body: unknown, status = 200) =>
    readRequestStatus({ status, headers: {}, body: JSON.stringify(body) })
  const of = (requestStatus: string, ...reasons: string[]) => ({
    requestStatusPerDestination: [
      {
        requestStatus,
        errorInfo: { errorCounts: reasons.map(reason => ({ recordCount: '1', reason })) },
        eventsIngestionStatus: { recordCount: '1' },
      },
    ],
  })
  const error = (reason: string) => `PROCESSING_ERROR_REASON_${reason}`
  const rows: [unknown, unknown][] = [
    [of('SUCCESS'), { result: 'confirmed', reasons: [] }],
    [of('PROCESSING'), undefined],
    [of('REQUEST_STATUS_UNKNOWN'), undefined],
    [of('constructor'), undefined],
    [of('FAILED', error('DUPLICATE_GCLID')), { result: 'duplicate', reasons: ['DUPLICATE_GCLID'] }],
    [of('FAILED', error('DUPLICATE_TRANSACTION_ID')), { result: 'duplicate' }],
    [of('FAILED', error('TOO_RECENT_CLICK')), { result: 'too_early', reasons: ['TOO_RECENT_CLICK'] }],
    [of('FAILED', error('EVENT_TOO_OLD')), { result: 'refused', reasons: ['EVENT_TOO_OLD'] }],
    [of('FAILED', 'PROCESSING_ERROR_OPERATING_ACCOUNT_MISMATCH_FOR_AD_IDENTIFIER'), { result: 'refused', reasons: ['OPERATING_ACCOUNT_MISMATCH_FOR_AD_IDENTIFIER'] }],
    [of('PARTIAL_SUCCESS', error('DUPLICATE_GCLID'), error('INVALID_GCLID')), { result: 'refused' }],
    [of('FAILED'), { result: 'refused', reasons: [] }],
    [of('FAILED', 'no word\n of theirs'), { result: 'refused', reasons: [] }],
    [{ requestStatusPerDestination: [] }, undefined],
    ['nonsense', undefined],
  ] // prettier-ignore
  for (const [body, expected] of rows) {
    const found = read(body)
    if (expected === undefined) t.equal(found, undefined, JSON.stringify(body))
    else t.match(found, expected, JSON.stringify(body))
  }
  t.equal(read(of('SUCCESS'), 404), undefined)
})
