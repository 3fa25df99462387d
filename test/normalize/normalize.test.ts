import fc from 'fast-check'
import t from 'tap'
import type { Status } from '../../src/model/status.ts'
import { compileDedupeKey } from '../../src/normalize/dedupe-key.ts'
import { formOf } from '../../src/normalize/macro-guard.ts'
import { compileNormalize, type FieldTrace } from '../../src/normalize/normalize.ts'
import {
  conversionOf,
  compiled,
  fieldsOf,
  postbackOf,
  ruleOf,
  run,
  SECRET_KEYS,
  type Pair,
} from './postback.ts'

const OPTIONS = { network: 'net', secretKeys: SECRET_KEYS }

const PLAIN = {
  fields: {
    click_id: ['cid', 'clickid'],
    transaction_id: ['tx'],
    payout: ['sum'],
    currency: ['cur'],
    status: ['st'],
    event: ['goal'],
  },
}
const PLAIN_SENT = { cid: 'c-1', tx: 'T-1', sum: '1.50' }
const sent = (more: Record<string, string>) => ({ ...PLAIN_SENT, ...more })
const sentPairs = (...more: Pair[]): Pair[] => [['cid', 'c-1'], ['sum', '1.50'], ...more]

t.test('a conversion has the fields that were sent, and what the rule fills in', async t => {
  t.same(conversionOf(run(PLAIN, sent({ goal: 'lead', other: 'x' }))), {
    conversion: {
      network: 'net',
      status: 'approved',
      received_at: Date.UTC(2026, 0, 1),
      q: { other: 'x' },
      click_id: 'c-1',
      transaction_id: 'T-1',
      payout: '1.50',
      event: 'lead',
      currency: 'USD',
    },
    dedupeKey: '["transaction_id,event","T-1","lead"]',
  })
})

t.test('what identifies nothing is refused', async t => {
  const onlyTx = { fields: { transaction_id: ['tx'] } }
  for (const value of ['', ' ', '\u00a0', 'null', 'NULL', 'undefined', 'NaN']) {
    t.equal(fieldsOf(run(onlyTx, { tx: value })), 'dedupe_key_empty', JSON.stringify(value))
  }
  t.equal(fieldsOf(run(onlyTx, {})), 'dedupe_key_empty')
  const macros = ['{transaction_id}', '%TXID%', '[CLICK_ID]', '#s2#', '${x}', '{{tx}}', '##tx##']
  const more = ['#{tx}', '[[tx]]', '[[[tx]]]', '[=tx=]', '[%TX%]', '<tx>', '!!!tx!!!', '(tx)']
  const rest = [
    '$tx$',
    '%%TX%%',
    '__TX__',
    '{tx|upper}',
    '{payout:dot_separated}',
    ' {tx} ',
    '{ tx }',
  ]
  const words = ['REPLACE', '[REPLACE]', 'OPTIONAL', 'XXXX', 'xxxxxx', 'YOUR_CLICK_ID']
  for (const value of [...macros, ...more, ...rest, ...words]) {
    t.equal(fieldsOf(run(onlyTx, { tx: value })), 'macro_unreplaced', value)
  }
  t.match(run(onlyTx, { tx: '{tx}' }), { refusal: { detail: /^transaction_id: / } })
})

t.test('an unfilled macro is passed over where something else identifies', async t => {
  t.match(fieldsOf(run(PLAIN, { tx: '{tx}', cid: 'c-1' })), { click_id: 'c-1' })
  t.match(fieldsOf(run(PLAIN, { cid: '{cid}', clickid: 'c-2' })), { click_id: 'c-2' })
  t.notMatch(fieldsOf(run(PLAIN, { tx: 'T-1', sum: '{payout}' })), { payout: /./ })
})

t.test('text that only looks like a macro is data', async t => {
  const ids = [
    '{AF9619FF-8B86-D011-B42D-00CF4FC964FF}', 'a{b}', '{a}b', '{}', '{1}', '{a}{b}', '#1234#', '%20%',
    '(555) 0100', 'null-1', 'REPLACED', 'xxx', 'my_YOUR_', '<a b>', '__init__', '_x_',
  ] // prettier-ignore
  for (const id of ids) t.equal(formOf(id), 'value', id)
  const names = { aliases: 'common' as const, fields: { click_id: ['cid'] } }
  t.match(fieldsOf(run(names, { cid: 'c', last_name: 'Null', city: 'Nan' })), {
    last_name: 'Null',
    city: 'Nan',
  })
})

t.test('ids are opaque, bounded and compared as sent', async t => {
  const kept = ['y'.repeat(256), '😀', 'שלום', 'é', 'e\u0301', ' padded ', '00012', '1e5', '=cmd()']
  for (const tx of kept) {
    t.match(fieldsOf(run(PLAIN, { tx })), { transaction_id: tx }, JSON.stringify(tx.slice(0, 9)))
  }
  const key = (tx: string) => conversionOf(run(PLAIN, { tx })).dedupeKey
  t.not(key('é'), key('e\u0301'), 'not normalized')
  const refused: [Record<string, string>, string][] = [
    [{ tx: 'y'.repeat(257) }, 'param_too_long'],
    [{ tx: 'y'.repeat(10_000) }, 'param_too_long'],
    [sent({ cid: 'y'.repeat(513) }), 'param_too_long'],
    [{ tx: 'a\0b' }, 'param_invalid'],
    [{ tx: 'a\r\nX-Evil:1' }, 'param_invalid'],
    [{ tx: 'a\u0085b' }, 'param_invalid'],
    [{ tx: 'a\ud800b' }, 'encoding_invalid'],
  ]
  for (const [pairs, reason] of refused) {
    t.equal(fieldsOf(run(PLAIN, pairs)), reason, JSON.stringify(pairs).slice(0, 40))
  }
  t.match(fieldsOf(run(PLAIN, sent({ cid: 'y'.repeat(512) }))), { click_id: /^y{512}$/ })
})

t.test('a used parameter that is broken or ambiguous refuses, an unused one does not', async t => {
  const cases: [Pair[], unknown][] = [
    [sentPairs(['tx', null]), 'encoding_invalid'],
    [sentPairs(['tx', 'a'], ['tx', null]), 'encoding_invalid'],
    [sentPairs(['other', null], ['tx', 'T']), { transaction_id: 'T' }],
    [sentPairs(['tx', '1'], ['tx', '2']), 'param_duplicate'],
    [sentPairs(['tx', '1'], ['T-X', '2']), 'param_duplicate'],
    [sentPairs(['tx', ''], ['tx', '2']), 'param_duplicate'],
    [sentPairs(['tx', '1'], ['tx', '1']), { transaction_id: '1' }],
    [sentPairs(['tx', '1', 'query'], ['tx', '2', 'form']), 'param_duplicate'],
    [sentPairs(['tx', '1', 'query'], ['tx', '1', 'json']), { transaction_id: '1' }],
    [sentPairs(['other', '1'], ['other', '2']), { click_id: 'c-1' }],
    [sentPairs(['clickid', '1'], ['clickid', '2']), { click_id: 'c-1' }],
    [sentPairs(['tx[]', '1']), { click_id: 'c-1' }],
  ]
  for (const [pairs, expected] of cases) {
    t.match(fieldsOf(run(PLAIN, pairs)), expected, JSON.stringify(pairs))
  }
})

t.test('amounts', async t => {
  const bad = ['abc', '1,5', '1.2.3', '0x10', '1e3', 'Infinity', 'NaN1', '-0', '１', '9'.repeat(40), '+1', '1.', '.5', '$5', '1 000', '--1', '-', '1_000', '٣', '9'.repeat(4000), `${'0'.repeat(3000)}1`] // prettier-ignore
  for (const sum of bad)
    t.equal(fieldsOf(run(PLAIN, sent({ sum }))), 'amount_invalid', sum.slice(0, 9))
  const good = { '1': '1', '0': '0', '1.10': '1.10', '007.5': '7.5', ' 3 ': '3', '0.00': '0.00' }
  for (const [sum, payout] of Object.entries(good)) {
    t.match(fieldsOf(run(PLAIN, sent({ sum }))), { payout }, sum)
  }
  const money = (money: object) => ({ ...PLAIN, money })
  const cases: [object, string, string][] = [
    [{ places: { payout: 2 } }, '85', '0.85'],
    [{ places: { payout: 2 } }, '12345', '123.45'],
    [{ places: { payout: 8 } }, '150', '0.00000150'],
    [{ places: { payout: 2 } }, '85.5', 'amount_invalid'],
    [{ decimal_comma: true }, '12,34', '12.34'],
    [{ decimal_comma: true }, '12.34', '12.34'],
    [{ decimal_comma: true }, '1,2,3', 'amount_invalid'],
    [{ symbols: true }, '$1,234.50', '1234.50'],
    [{ symbols: true }, '€ 5', '5'],
    [{ symbols: true }, '5.00 €', '5.00'],
    [{ symbols: true }, '1 234 567.8', '1234567.8'],
    [{ symbols: true }, '1,23.4', 'amount_invalid'],
    [{ symbols: true }, '1,5', 'amount_invalid'],
    [{ symbols: true }, 'USD 5', 'amount_invalid'],
    [{ symbols: true }, '$1e3', 'amount_invalid'],
    [{ symbols: true, decimal_comma: true }, '€1.234,50', '1234.50'],
    [{ symbols: true, decimal_comma: true }, '12,34 €', '12.34'],
    [{ symbols: true, decimal_comma: true }, '1,234', 'amount_invalid'],
    [{ max: '100' }, '100.00', '100.00'],
    [{ max: '100' }, '100.01', 'amount_invalid'],
  ]
  for (const [format, sum, expected] of cases) {
    const got = fieldsOf(run(money(format), sent({ sum })))
    t.equal(
      typeof got === 'string' ? got : got['payout'],
      expected,
      `${sum} ${JSON.stringify(format)}`,
    )
  }
})

t.test('several amounts in one value, and words for an amount', async t => {
  const paid = (money: Parameters<typeof run>[0]['money'], sum: string) => {
    const fields = fieldsOf(run({ ...PLAIN, ...(money ? { money } : {}) }, sent({ sum })))
    return typeof fields === 'string' ? fields : fields['payout']
  }
  const first = { multi: 'first' } as const
  const sum = { multi: 'sum' } as const
  for (const [money, text, expected] of [
    [first, '12.50,', '12.50'],
    [first, ',7', '7'],
    [first, '12.50,7', '12.50'],
    [first, ' 1 , 2 ', '1'],
    [first, '5', '5'],
    [first, ',', undefined],
    [first, '1,x', 'amount_invalid'],
    [sum, '12.50,7', '19.50'],
    [sum, '0.1,0.2', '0.3'],
    [sum, '0.10,,0.205', '0.305'],
    [sum, '99999999999999999999.01,0.99', '100000000000000000000.00'],
    [sum, '3,-1', '2'],
    [sum, '1,-3', 'amount_invalid'],
    [sum, ',', undefined],
    [{ ...sum, places: { payout: 2 } }, '150,50', '2.00'],
    [{ ...sum, max: '10' }, '6,5', 'amount_invalid'],
    [undefined, '1,2', 'amount_invalid'],
    [{ words: { FREE: '0' } }, 'free', '0'],
    [{ words: { ' Free ': '0.00' } }, ' FREE ', '0.00'],
    [{ words: { FREE: '0' } }, 'gratis', 'amount_invalid'],
    [{ words: { back: '-2' }, negative: 'reversed' }, 'back', '2'],
  ] as const) {
    t.equal(paid(money, text), expected, `${JSON.stringify(money)} ${text}`)
  }
  t.equal(fieldsOf(run({ ...PLAIN, money: first, required: ['payout'] }, sent({ sum: ',' }))), 'param_missing') // prettier-ignore
  const both = compileNormalize(
    ruleOf({ ...PLAIN, money: { multi: 'sum', decimal_comma: true } }),
    OPTIONS,
  )
  t.match(both, { ok: false, error: [{ path: ['money', 'multi'] }] })
})

t.test('a value through filters, out of several parameters, or pointing back', async t => {
  const rule = {
    fields: {
      transaction_id: ['back', 'tx|strip_prefix:r-'],
      click_id: ['join:s2,s3'],
      user_id: ['u|after:-'],
    },
  }
  const of = (pairs: Record<string, string>) => fieldsOf(run(rule, pairs))
  t.match(of({ tx: 'T-1', s2: 'ab', s3: 'cd', u: 'x-7' }), { transaction_id: 'T-1', click_id: 'abcd', user_id: '7' }) // prettier-ignore
  t.match(of({ tx: 'r-T-1' }), { transaction_id: 'T-1' }, 'a reversal by its prefix')
  t.match(of({ tx: 'T-2', back: 'T-1' }), { transaction_id: 'T-1' }, 'a reversal by what it names')
  t.match(of({ tx: 'T-2', back: '' }), { transaction_id: 'T-2' })
  t.equal(of({ tx: 'r-' }), 'dedupe_key_empty')
  t.equal(of({ s2: '#s2#', s3: '#s3#' }), 'macro_unreplaced', 'two macros are no id')
  t.equal(of({ s2: 'ab', s3: '#s3#' }), 'macro_unreplaced', 'nor is half of one')
  t.notMatch(of({ tx: '1', u: '{user-id}' }), { user_id: 'id}' }, 'a macro is none behind a filter')
  const pairs: Pair[] = [['tx', 'r-1'], ['tx', 'r-2']] // prettier-ignore
  t.equal(fieldsOf(run(rule, pairs)), 'param_duplicate')
  const { q } = conversionOf(
    run(rule, { tx: 'r-1', s2: 'a', s3: 'b', u: 'x-1', y: '1' }),
  ).conversion
  t.same(q, { y: '1' }, 'what was used is no further parameter')
  const list = { fields: { transaction_id: ['tx'], payout: ['json:c[role=AFFILIATE].value'] } }
  const entry = (role: string, value: string) => new Map([['role', role], ['value', value]]) // prettier-ignore
  const paid = (...entries: Map<string, string>[]) =>
    fieldsOf(run(list, { tx: '1' }, { json: new Map([['c', entries]]) }))
  t.match(paid(entry('PRODUCER', '9'), entry('AFFILIATE', '3')), { payout: '3' })
  t.notMatch(paid(entry('PRODUCER', '9')), { payout: '9' })
  t.equal(paid(entry('AFFILIATE', '9'), entry('AFFILIATE', '3')), 'param_duplicate')
  for (const source of ['pw|trim', 'join:tx,sigx']) {
    const bad = compileNormalize(ruleOf({ fields: { click_id: [source] } }), OPTIONS)
    t.match(bad, { ok: false, error: [{ message: /carries a credential/ }] }, source)
  }
})

t.test('a negative amount needs a reversed status, or means one', async t => {
  const reversing = { ...PLAIN, money: { negative: 'reversed' as const, symbols: true } }
  const cases: [object, Record<string, string>, unknown][] = [
    [PLAIN, sent({ sum: '-1', st: 'approved' }), 'amount_invalid'],
    [PLAIN, sent({ sum: '-1', st: 'declined' }), 'amount_invalid'],
    [PLAIN, sent({ sum: '-1' }), 'amount_invalid'],
    [PLAIN, sent({ sum: '-1.50', st: 'chargeback' }), { status: 'reversed', payout: '1.50' }],
    [reversing, sent({ sum: '-1.50' }), { status: 'reversed', payout: '1.50' }],
    [reversing, sent({ sum: '-$1.50', st: 'approved' }), { status: 'reversed', payout: '1.50' }],
    [reversing, sent({ sum: '1.50' }), { status: 'approved', payout: '1.50' }],
  ]
  for (const [rule, pairs, expected] of cases) {
    t.match(fieldsOf(run(rule, pairs)), expected, JSON.stringify(pairs))
  }
})

t.test('money text keeps its decimal value and its digits', async t => {
  const digits = fc.stringMatching(/^[1-9]\d{0,17}$/)
  const fraction = fc.stringMatching(/^\d{1,12}$/)
  fc.assert(
    fc.property(digits, fraction, (whole, cents) => {
      const sum = `${whole}.${cents}`
      t.match(fieldsOf(run(PLAIN, sent({ sum }))), { payout: sum })
    }),
    { numRuns: 300 },
  )
  fc.assert(
    fc.property(digits, fc.integer({ min: 1, max: 8 }), (small, places) => {
      const rule = { ...PLAIN, money: { places: { payout: places } } }
      const { payout = '' } = conversionOf(run(rule, sent({ sum: small }))).conversion
      return (
        payout.replace('.', '').replace(/^0+/, '') === small &&
        payout.split('.')[1]?.length === places
      )
    }),
  )
})

t.test('currencies', async t => {
  t.match(fieldsOf(run(PLAIN, sent({ cur: 'eur' }))), { currency: 'EUR' })
  for (const cur of ['EURO', '€', 'XXX', 'ZZZ', 'usdt', '840']) {
    t.equal(fieldsOf(run(PLAIN, sent({ cur }))), 'currency_unknown', cur)
  }
  t.match(fieldsOf(run({ ...PLAIN, money: { currency: 'RUB' } }, PLAIN_SENT)), { currency: 'RUB' })
  const euro = compiled({ ...PLAIN, money: { currency: 'RUB' } }, { currency: 'EUR' })
  t.match(fieldsOf(euro(postbackOf(Object.entries(PLAIN_SENT)))), { currency: 'EUR' })
  t.notOk('currency' in (fieldsOf(run(PLAIN, { tx: 'T-1' })) as object), 'none without an amount')
  const sale = { fields: { ...PLAIN.fields, sale_amount: ['total'] } }
  t.match(fieldsOf(run(sale, { tx: 'T', total: '9' })), { sale_amount: '9', currency: 'USD' })
})

t.test('status words', async t => {
  const map = {
    '1': 'approved',
    '2': 'pending',
    Bad: 'declined',
    ping: 'test',
    view: 'informational',
  } as const
  const rule = { ...PLAIN, status: { map } }
  const cases: [object, string | undefined, unknown][] = [
    [rule, '1', { status: 'approved', status_raw: '1' }],
    [rule, '2', { status: 'pending', status_raw: '2' }],
    [rule, 'BAD ', { status: 'declined', status_raw: 'BAD ' }],
    [rule, 'PING', 'test'],
    [rule, 'view', 'informational'],
    [rule, '3', 'status_unknown'],
    [rule, 'accepted', 'status_unknown'],
    [rule, '{status}', 'status_unknown'],
    [rule, undefined, { status: 'approved' }],
    [rule, '', { status: 'approved' }],
    [rule, 'On_Hold', { status: 'hold' }],
    [rule, 'Refunded', { status: 'reversed' }],
    [{ ...PLAIN, status: { map, words: 'none' } }, 'refunded', 'status_unknown'],
    [{ ...PLAIN, status: { unknown: 'pending' } }, 'odd', { status: 'pending', status_raw: 'odd' }],
    [{ ...PLAIN, status: { unknown: 'ignore' } }, 'odd', 'informational'],
    [{ ...PLAIN, status: { default: 'pending' } }, undefined, { status: 'pending' }],
    [{ ...PLAIN, status: { map: { sale: 'pending' } } }, 'Sale', { status: 'pending' }],
  ]
  for (const [parts, st, expected] of cases) {
    t.match(fieldsOf(run(parts, sent(st === undefined ? {} : { st }))), expected, `${st}`)
  }
  const own = compiled(rule, { status_map: { '2': 'reversed', '7': 'hold' } })
  const status = (st: string) => fieldsOf(own(postbackOf(Object.entries(sent({ st })))))
  t.match(status('2'), { status: 'reversed' }, 'the configuration wins over the rule')
  t.match(status('7'), { status: 'hold' })
})

t.test('a status from the path, JSON, a header, or several values joined', async t => {
  const fields = { transaction_id: ['tx'] }
  const map = { ftd: 'approved', '2x5': 'hold', x5: 'declined' } as const
  const from = (...from: string[]) => ({ fields, status: { from, map } })
  const tx: Pair = ['tx', 'T']
  t.match(fieldsOf(run(from('path:event'), [tx], { pathEvent: 'FTD' })), { status: 'approved' })
  const json = new Map([['a', new Map([['b', 'refund']])]])
  t.match(fieldsOf(run(from('json:a.b'), [tx], { json })), { status: 'reversed' })
  t.match(fieldsOf(run(from('header:X-St'), [tx], { headers: { 'x-st': 'hold' } })), {
    status: 'hold',
  })
  t.match(
    fieldsOf(run(from('a', 'b'), [tx, ['b', 'hold']])),
    { status: 'hold' },
    'first with a value',
  )
  const joined = { fields, status: { from: ['goal', 'st'], join: 'x', map } }
  const join = (...pairs: Pair[]) => fieldsOf(run(joined, [tx, ...pairs]))
  t.match(join(['goal', '2'], ['st', '5']), { status: 'hold', status_raw: '2x5' })
  t.match(join(['st', '5']), { status: 'declined', status_raw: 'x5' })
  t.match(join(), { status: 'approved' })
  t.equal(join(['goal', '9'], ['st', '9']), 'status_unknown')
  t.equal(join(['goal', '1'], ['goal', '2'], ['st', '5']), 'param_duplicate')
  t.equal(join(['goal', null], ['st', '5']), 'encoding_invalid')
  t.match(compileNormalize(ruleOf({ fields, status: { from: ['a'], join: 'x' } }), OPTIONS), {
    ok: false,
    error: [{ path: ['status', 'join'] }],
  })
})

t.test('times come in every format of the field', async t => {
  const at = (format: string, zone?: string) => ({
    fields: { transaction_id: ['tx'], occurred_at: ['at'] },
    time: { occurred_at: { format, ...(zone ? { zone } : {}) } },
  })
  const iso = Date.UTC(2025, 6, 1, 10, 20, 30)
  const cases: [string, string | undefined, string, number | string | undefined][] = [
    ['unix_s', undefined, '1751365230', iso],
    ['unix_s', undefined, '1751365230.1239', iso + 123],
    ['unix_s', undefined, '1751365230123', 'time_invalid'],
    ['unix_ms', undefined, '1751365230123', iso + 123],
    ['auto', undefined, '1751365230', iso],
    ['auto', undefined, '1751365230123', iso + 123],
    ['auto', undefined, '2025-07-01T10:20:30Z', iso],
    ['auto', undefined, '2025-07-01 10:20:30', iso],
    ['iso', undefined, '2025-07-01T12:20:30+02:00', iso],
    ['iso', undefined, '2025-07-01T12:20:30 02:00', iso],
    ['iso', undefined, '2025-07-01T05:20:30.5-0500', iso + 500],
    ['iso', undefined, '2025-07-01T10:20:30.5670000', iso + 567],
    ['iso', undefined, '2025-07-01 10:20:30', 'time_invalid'],
    ['datetime', '+08:00', '2025-07-01 18:20:30', iso],
    ['datetime', 'America/New_York', '2025-07-01 06:20:30', iso],
    ['datetime', 'America/New_York', '2025-01-01 05:00:00', Date.UTC(2025, 0, 1, 10)],
    ['datetime', 'Europe/Berlin', '2025-10-26 02:30:00', Date.UTC(2025, 9, 26, 0, 30)],
    ['datetime', 'America/New_York', '2025-11-02 01:30:00', Date.UTC(2025, 10, 2, 5, 30)],
    ['datetime', 'Europe/Berlin', '2025-03-30 02:30:00', Date.UTC(2025, 2, 30, 1, 30)],
    ['datetime', 'Asia/Kathmandu', '2025-07-01 16:05:30', iso],
    ['datetime', undefined, '2025-02-29 10:00:00', 'time_invalid'],
    ['datetime', undefined, '2024-02-29', Date.UTC(2024, 1, 29)],
    ['datetime', undefined, '2025-07-01 24:00:00', 'time_invalid'],
    ['datetime', undefined, '2025-13-01 10:00:00', 'time_invalid'],
    ['datetime', undefined, '2025-07-01 10:60:00', 'time_invalid'],
    ['datetime', undefined, '2025-07-01 10:00:60', 'time_invalid'],
    ['datetime', 'America/New_York', '2025-11-02 12:00:00', Date.UTC(2025, 10, 2, 17)],
    ['datetime', 'Europe/Berlin', '2025-03-30 12:00:00', Date.UTC(2025, 2, 30, 10)],
    ['datetime', 'Europe/Berlin', '2025-03-30 01:30:00', Date.UTC(2025, 2, 30, 0, 30)],
    ['datetime', undefined, '01/07/2025', 'time_invalid'],
    ['datetime', undefined, '9999-07-01 10:20:30', 'time_invalid'],
    ['auto', undefined, 'yesterday', 'time_invalid'],
    ['auto', undefined, '1e9', 'time_invalid'],
    ['auto', undefined, '-1', 'time_invalid'],
    ['auto', undefined, '0', undefined],
    ['datetime', undefined, '0000-00-00 00:00:00', undefined],
  ]
  for (const [format, zone, text, expected] of cases) {
    const got = fieldsOf(run(at(format, zone) as object, { tx: 'T', at: text }))
    const value = typeof got === 'string' ? got : got['occurred_at']
    t.equal(value, expected, `${text} as ${format} ${zone ?? ''}`)
  }
  t.match(compileNormalize(ruleOf(at('datetime', 'Mars/Base') as object), OPTIONS), {
    ok: false,
    error: [{ path: ['time', 'occurred_at', 'zone'], message: /IANA/ }],
  })
})

t.test('a local time read in any zone is the same wall clock there', async () => {
  const zones = fc.constantFrom('Europe/Berlin', 'America/New_York', 'Asia/Kolkata', 'Australia/Lord_Howe', 'America/Sao_Paulo', 'UTC') // prettier-ignore
  const instants = fc.integer({ min: Date.UTC(1995, 0), max: Date.UTC(2040, 0) })
  fc.assert(
    fc.property(zones, instants, (zone, ms) => {
      const clock = new Intl.DateTimeFormat('sv-SE', {
        timeZone: zone, dateStyle: 'short', timeStyle: 'medium',
      }) // prettier-ignore
      const rule = {
        fields: { transaction_id: ['tx'], click_time: ['at'] },
        time: { click_time: { format: 'datetime' as const, zone } },
      }
      const wall = clock.format(ms)
      const { click_time = 0 } = conversionOf(run(rule, { tx: 'T', at: wall })).conversion
      return clock.format(click_time) === wall
    }),
  )
})

t.test('tests and informational events are ignored, whatever else is wrong with them', async t => {
  const rule = {
    fields: { ...PLAIN.fields, test: ['is_test'] },
    ignore: {
      test: { transaction_id: { equals: '********' } },
      informational: { event: { in: ['view', 'click'] } },
    },
  }
  for (const is_test of ['1', 'true', 'YES', 'test']) {
    t.equal(fieldsOf(run(rule, { is_test, cid: '{cid}', sum: 'abc' })), 'test', is_test)
  }
  t.match(fieldsOf(run(rule, sent({ is_test: '0' }))), { status: 'approved' })
  t.equal(fieldsOf(run(rule, sent({ tx: '********' }))), 'test')
  t.equal(fieldsOf(run(rule, sent({ goal: 'view' }))), 'informational')
  t.equal(
    fieldsOf(run(rule, sent({ goal: 'view', sum: 'abc' }))),
    'amount_invalid',
    'no guess on half a conversion',
  )
  t.match(run(rule, sent({ goal: 'view' })), {
    value: { conversion: { event: 'view', payout: '1.50' } },
  })
  const bad = { ...PLAIN, ignore: { test: { trnsaction_id: { equals: 'x' } } } }
  t.match(compileNormalize(ruleOf(bad), OPTIONS), {
    ok: false,
    error: [
      { path: ['ignore', 'test', 'trnsaction_id'], message: /did you mean "transaction_id"/ },
    ],
  })
})

t.test('required fields', async t => {
  const rule = { ...PLAIN, required: ['click_id', 'status'] as const }
  const strict = { ...rule, required: [...rule.required] }
  t.match(fieldsOf(run(strict, sent({ st: 'sale' }))), { click_id: 'c-1' })
  t.match(run(strict, sent({})), {
    refusal: { reason: 'param_missing', detail: /^status is missing.* st$/ },
  })
  t.match(run(strict, { tx: 'T', st: 'sale' }), {
    refusal: { reason: 'param_missing', detail: /cid, clickid$/ },
  })
  t.match(run(strict, { tx: 'T', cid: '{cid}', st: 'sale' }), {
    refusal: { reason: 'macro_unreplaced' },
  })
})

t.test('common aliases', async t => {
  const rule = { aliases: 'common' } as const
  const cases: [Record<string, string>, object][] = [
    [
      { ClickID: 'a', SUM: '1', TxId: 'b' },
      { click_id: 'a', payout: '1', transaction_id: 'b' },
    ],
    [{ sub1: 'a' }, { click_id: 'a', sub1: 'a' }],
    [
      { sub1: 'a', cid: 'b' },
      { click_id: 'b', sub1: 'a' },
    ],
    [
      { cid: 'c', aff_sub: 'a', s20: 'z', 'sub-id-3': 'x' },
      { sub1: 'a', sub20: 'z', sub3: 'x' },
    ],
    [
      { cid: 'c', type: 'rejected' },
      { status: 'declined', event: 'rejected' },
    ],
    [
      { cid: 'c', type: 'lead' },
      { status: 'approved', event: 'lead' },
    ],
    [{ cid: 'c', status: 'lead' }, { status: 'pending' }],
    [{ cid: 'c', is_chargeback: '1', status: 'approved' }, { status: 'reversed' }],
    [{ cid: 'c', is_chargeback: '0' }, { status: 'approved' }],
    [{ cid: 'c', ts: '1751365230' }, { occurred_at: 1751365230000 }],
    [
      { cid: 'c', fbclid: 'f', email: 'a@b.c' },
      { fbclid: 'f', email: 'a@b.c' },
    ],
  ]
  for (const [pairs, expected] of cases) {
    t.match(fieldsOf(run(rule, pairs)), expected, JSON.stringify(pairs))
  }
  t.match(conversionOf(run(rule, { cid: 'c', event_id: '5' })).dedupeKey, /^\["click_id,event"/)
  const own = { aliases: 'common' as const, fields: { click_id: ['txid'] } }
  t.notOk(
    'transaction_id' in (fieldsOf(run(own, { txid: 'T' })) as object),
    'a name has one meaning',
  )
})

t.test('a name is found in every case and with every separator', async t => {
  const spelling = fc.array(fc.tuple(fc.constantFrom('', '_', '-', '.', ' '), fc.boolean()), {
    minLength: 13,
    maxLength: 13,
  })
  fc.assert(
    fc.property(spelling, marks => {
      const name = 'transactionid'
        .split('')
        .map(
          (letter, i) => `${marks[i]?.[1] ? letter.toUpperCase() : letter}${marks[i]?.[0] ?? ''}`,
        )
        .join('')
      t.match(fieldsOf(run({ aliases: 'common' }, { [name]: 'T' })), { transaction_id: 'T' }, name)
    }),
  )
})

t.test('further parameters', async t => {
  const rule = { ...PLAIN, body: { json_field: 'push' } }
  const pairs: Pair[] = [
    ['cid', 'c-1'], ['clickid', 'loser'], ['pw', 'p'], ['SIG-X', 's'], ['api_key', 'k'], ['A.b', 'x'],
    ['A.b', 'y'], ['empty', ''], ['macro', '{m}'], ['broken', null], ['line', 'a\nb'],
    ['__proto__', 'x'], ['constructor', 'x'], ['long', 'y'.repeat(3000)], ['word', 'null'],
    ['Push', '{"a":1}'],
  ] // prettier-ignore
  t.same(conversionOf(run(rule, pairs)).conversion.q, {
    clickid: 'loser',
    'A.b': 'x',
    word: 'null',
  })
  t.equal(({} as Record<string, unknown>)['x'], undefined)
  const many = Array.from({ length: 80 }, (_, i): Pair => [`n${i}`, 'v'])
  t.equal(Object.keys(conversionOf(run(PLAIN, [['cid', 'c'], ...many])).conversion.q).length, 50)
})

t.test('faults of a rule and its overrides say where', async t => {
  const rule = ruleOf({
    fields: { click_id: ['pw'], payout: ['json:['], status: ['st'] },
    status: { from: ['x'], map: { a: 'approved', A: 'declined' } },
  })
  const override = { fields: { clck_id: ['a'] } }
  const result = compileNormalize(rule, { ...OPTIONS, override })
  t.match(result, { ok: false })
  t.same(result.ok ? [] : result.error.map(fault => fault.path.join('.')).toSorted(), [
    'fields.click_id.0',
    'fields.payout.0',
    'fields.status',
    'override.fields.clck_id',
    'status.map.A',
  ])
})

t.test('an override replaces where a field comes from', async t => {
  const own = compiled(PLAIN, { fields: { click_id: ['sub9'], user_id: ['literal:me'] } })
  t.match(
    fieldsOf(
      own(
        postbackOf([
          ['cid', 'a'],
          ['sub9', 'b'],
        ]),
      ),
    ),
    { click_id: 'b', user_id: 'me' },
  )
})

t.test('the dedupe key', async t => {
  const of = (dedupe: object, pairs: Record<string, string>) => {
    const normalized = run({ ...PLAIN, dedupe }, pairs)
    return normalized.kind === 'conversion' ? normalized.value.dedupeKey : fieldsOf(normalized)
  }
  t.equal(of({}, { tx: 'a', goal: 'b' }), '["transaction_id,event","a","b"]')
  t.equal(of({}, { cid: 'a' }), '["click_id,event","a",""]')
  t.equal(
    of({ key: ['transaction_id'] }, { cid: 'a' }),
    'dedupe_key_empty',
    'no default fallback to an own key',
  )
  t.equal(of({ never: ['********'] }, { tx: '********', cid: 'a' }), '["click_id,event","a",""]')
  t.equal(of({ never: ['********'] }, { tx: '********' }), 'dedupe_key_empty')
  t.equal(
    of({ key: ['click_id', 'payout', 'status_raw', 'received_day'] }, sent({ st: 'Sale' })),
    '["click_id,payout,status_raw,received_day","c-1","1.50","Sale","2026-01-01"]',
  )
  t.not(of({}, { tx: 'a' }), of({}, { cid: 'a' }), 'keys of different shape differ')
})

t.test('different identifying values never make the same key', async () => {
  const text = fc.string({ minLength: 1, maxLength: 12 })
  const shape = fc.constantFrom(['transaction_id', 'event'], ['click_id', 'event'], ['user_id', 'offer_id', 'event']) // prettier-ignore
  const entry = fc.tuple(shape, text, fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }))
  const keyOf = ([parts, ...values]: [readonly string[], string, string, string]) => {
    const fields = Object.fromEntries(parts.map((part, i) => [part, values[i]]))
    const conversion = {
      network: 'net',
      status: 'approved' as Status,
      received_at: 0,
      q: {},
      ...fields,
    }
    return compileDedupeKey({ key: parts as ['event'] }).of(conversion)
  }
  const meaning = ([parts, ...values]: [readonly string[], string, string, string]) =>
    parts.map((part, i) => `${part.length}:${part}${values[i]?.length}:${values[i]}`).join()
  fc.assert(
    fc.property(entry, entry, (a, b) => (keyOf(a) === keyOf(b)) === (meaning(a) === meaning(b))),
    { numRuns: 500 },
  )
})

t.test('a trace tells which line of the rule decided', async t => {
  const trace: FieldTrace[] = []
  run(PLAIN, { clickid: 'c-2', sum: '1.50' }, {}, trace)
  t.same(trace, [
    { field: 'click_id', source: 'clickid', path: ['fields', 'click_id', 1], value: 'c-2' },
    { field: 'payout', source: 'sum', path: ['fields', 'payout', 0], value: '1.50' },
    { field: 'status', source: 'default', path: ['status', 'default'], value: 'approved' },
    { field: 'currency', source: 'default', path: ['money', 'currency'], value: 'USD' },
  ])
})

t.test('nothing that can be sent makes it throw', async () => {
  const rule = compiled({ aliases: 'common', money: { symbols: true, decimal_comma: true } })
  const names = fc.oneof(
    fc.constantFrom(
      'cid',
      'tx',
      'txid',
      'sum',
      'status',
      'ts',
      'currency',
      'type',
      'test',
      '__proto__',
    ),
    fc.string(),
  )
  const value = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constant(null),
    fc.constantFrom('{x}', '-1', '9'.repeat(99)),
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(names, value), { maxLength: 40 }), pairs => {
      const normalized = rule(postbackOf(pairs))
      if (normalized.kind !== 'refused') return true
      // A detail names fields and rule lines, never what was sent.
      return !pairs.some(
        ([, sent]) => sent && sent.length > 12 && normalized.refusal.detail.includes(sent),
      )
    }),
    { numRuns: 500 },
  )
})
