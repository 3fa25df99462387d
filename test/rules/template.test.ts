/** Macros, filters, encodings and the matching language. */
import fc from 'fast-check'
import t from 'tap'
import type { Conversion } from '../../src/model/conversion.ts'
import { conversionFields, MACRO_ALIASES } from '../../src/rules/fields.ts'
import { compileFilter, FILTERS } from '../../src/rules/filters.ts'
import { parseJsonPath, jsonAt, jsonText } from '../../src/rules/json-path.ts'
import { compileMatcher, compilePattern } from '../../src/rules/match.ts'
import type { Matcher } from '../../src/rules/schema.ts'
import { nearest } from '../../src/rules/similar.ts'
import { JsonNumber } from '../../src/model/postback.ts'
import { compileTemplate, encodeForm, encodeJson, encodeUrl } from '../../src/rules/template.ts'

const conversion: Conversion = {
  id: '0'.repeat(32),
  network: 'demo',
  status: 'approved',
  received_at: 1_767_225_600_000,
  click_id: 'cidA_cid B',
  payout: '12.345',
  occurred_at: 1_767_225_600_250,
  country: 'US',
  q: { extra: 'x/y' },
}

function render(text: string, encode?: (value: string) => string): string | undefined {
  const template = compileTemplate(text, conversionFields, encode)
  if (!template.ok) throw new Error(template.error.message)
  return template.value.render(conversion)
}

t.test('macros and filters', async t => {
  for (const [text, expected] of [
    ['plain', 'plain'],
    ['{click_id}', 'cidA_cid B'],
    ['{cid}', 'cidA_cid B'],
    ['id={clickid}!', 'id=cidA_cid B!'],
    ['{click_id|split:_:1}', 'cid B'],
    ['{click_id|split:_:9}', undefined],
    ['{payout|fixed:2}', '12.35'],
    ['{payout|int}', '12'],
    ['{payout|trunc}', '12'],
    ['{payout|negate|trunc}', '-12'],
    ['{click_id|strip_prefix:cidA_}', 'cid B'],
    ['{click_id|strip_prefix:x}', 'cidA_cid B'],
    ['{click_id|before:_}', 'cidA'],
    ['{click_id|after:_}', 'cid B'],
    ['{payout|cents}', '1235'],
    ['{payout|negate}', '-12.345'],
    ['{status|map:approved=1,pending=2,*=9}', '1'],
    ['{status|map:pending=2,*=9}', '9'],
    ['{status|map:pending=2}', undefined],
    ['{status:lead=0 approved=1}', '1'],
    ['{sub1|default:none}', 'none'],
    ['{sub1}', undefined],
    ['{sub1}{sub2}', undefined],
    ['{sub1}-{country}', '-US'],
    ['{occurred_at|iso}', '2026-01-01T00:00:00.250Z'],
    ['{occurred_at|unix_s}', '1767225600'],
    ['{country|lower}', 'us'],
    ['{click_id|truncate:4|upper}', 'CIDA'],
    ['{country|sha256}', '9b202ecbc6d45c6d8901d989a918878397a3eb9d00e8f48022fc051b19d21a1d'],
    ['{q.extra}', 'x/y'],
    ['{q.constructor}', undefined],
    ['{click_id|int}', undefined],
    ['{"json":{}}', '{"json":{}}'],
  ] as const) {
    t.equal(render(text), expected, text)
  }
})

t.test('what a value contains is never read as a macro', async t => {
  const template = compileTemplate('{click_id}', conversionFields)
  t.ok(template.ok)
  if (template.ok) {
    t.equal(template.value.render({ ...conversion, click_id: '{payout}${x}' }), '{payout}${x}')
  }
})

t.test('faults name the place and the fix', async t => {
  for (const [text, offset, message] of [
    ['a={clikid}', 2, /unknown macro \{clikid\}, did you mean \{click_id\}/],
    ['{payout|fxed:2}', 0, /unknown filter "fxed", did you mean "fixed"/],
    ['{payout|fixed}', 0, /written fixed:2/],
    ['{payout|fixed:99}', 0, /written fixed:2/],
    ['{click_id|split}', 0, /written split/],
    ['{status|map:x}', 0, /written map/],
    ['{status:lead}', 0, /inline map/],
  ] as const) {
    const template = compileTemplate(text, conversionFields)
    t.notOk(template.ok, text)
    if (!template.ok) {
      t.equal(template.error.offset, offset)
      t.match(template.error.message, message)
    }
  }
  t.notOk(compileFilter('constructor').ok)
  t.ok(Object.keys(FILTERS).length > 10)
})

t.test('a lone number macro is a number, anything else is text', async t => {
  for (const [text, kind] of [
    ['{payout}', 'number'],
    ['{payout|fixed:2}', 'number'],
    ['{payout|string}', 'text'],
    ['{payout|default:0}', 'number'],
    [' {payout}', 'text'],
    ['{click_id}', 'text'],
    ['{click_time}', 'number'],
  ] as const) {
    const template = compileTemplate(text, conversionFields)
    t.equal(template.ok && template.value.kind, kind, text)
  }
})

t.test('any text is a template or a fault', async t => {
  const good =
    '{payout|fixed:2}&{status|map:approved=1,reversed=2}&{sub1|split:_:1|default:x}&{q.a}{{'
  const edit = fc.record({
    at: fc.nat(good.length),
    remove: fc.nat(4),
    put: fc.oneof(
      fc.constantFrom(...'{}|:=,_.'.split(''), '{{', '}}', '|map:', '{q.__proto__}', '\0'),
      fc.string({ maxLength: 4 }),
    ),
  })
  const damaged = fc
    .array(edit, { minLength: 1, maxLength: 4 })
    .map(edits =>
      edits.reduce((text, { at, remove, put }) => text.slice(0, at) + put + text.slice(at + remove), good),
    ) // prettier-ignore
  let compiled = 0
  fc.assert(
    fc.property(fc.oneof(damaged, fc.string()), fc.string(), (text, value) => {
      const template = compileTemplate(text, conversionFields, encodeUrl)
      if (!template.ok) return template.error.message !== ''
      compiled++
      const rendered = template.value.render({ ...conversion, sub1: value, q: { a: value } })
      return rendered === undefined || typeof rendered === 'string'
    }),
    { numRuns: 1000 },
  )
  t.ok(compiled > 50, `${compiled} compiled`)
})

t.test('encoding keeps every value in its place', async t => {
  t.equal(render('{click_id}', encodeUrl), 'cidA_cid%20B')
  t.equal(render('{_click_id}', encodeUrl), 'cidA_cid B')
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), value => {
      const url = new URL(`http://h/p/${encodeUrl(value)}?a=${encodeUrl(value)}&z=1`)
      const form = new URLSearchParams(`a=${encodeForm(value)}&z=1`)
      return (
        url.searchParams.get('a') === value &&
        url.searchParams.get('z') === '1' &&
        form.get('a') === value &&
        JSON.parse(`"${encodeJson(value)}"`) === value &&
        /^[\w.~%-]*$/.test(encodeUrl(value))
      )
    }),
  )
  t.equal(encodeUrl('\ud800'), '%EF%BF%BD')
})

t.test('every macro alias leads to a field', async t => {
  for (const [alias, field] of Object.entries(MACRO_ALIASES)) {
    t.equal(conversionFields.resolve(alias), conversionFields.resolve(field), alias)
    t.ok(conversionFields.resolve(field), field)
  }
})

t.test('matching', async t => {
  const cases: readonly [Matcher, boolean][] = [
    [{ status: { equals: 'approved' } }, true],
    [{ status: { in: ['pending'] } }, false],
    [{ payout: { gte: '12.345', lt: '12.3451' } }, true],
    [{ payout: { gt: '12.345' } }, false],
    [{ payout: { lte: '12' } }, false],
    [{ sub1: { exists: true } }, false],
    [{ sub1: { exists: false } }, true],
    [{ sub1: { equals: '' } }, false],
    [{ sub1: { gte: '0' } }, false],
    [{ click_id: { starts_with: 'cidA' } }, true],
    [{ click_id: { matches: '^cid[A-Z]_' } }, true],
    [{ 'q.extra': { equals: 'x/y' } }, true],
    [{ network: { equals: 'demo' }, country: { in: ['US', 'CA'] } }, true],
    [{ any: [{ country: { equals: 'CA' } }, { country: { equals: 'US' } }] }, true],
    [{ all: [{ country: { equals: 'US' } }, { not: { status: { equals: 'approved' } } }] }, false],
    [{ not: { country: { equals: 'CA' } } }, true],
  ]
  for (const [matcher, expected] of cases) {
    const match = compileMatcher(matcher, conversionFields)
    t.equal(match.ok && match.value(conversion), expected, JSON.stringify(matcher))
  }
})

t.test('matcher faults carry their path', async t => {
  const faulty = compileMatcher(
    { any: [{ payuot: { gte: '1' } }, { country: {} }, { sub1: { matches: '(a' } }] },
    conversionFields,
    ['routes', 0, 'when'],
  )
  t.notOk(faulty.ok)
  if (!faulty.ok) {
    t.strictSame(
      faulty.error.map(({ path }) => path.join('.')),
      [
        'routes.0.when.any.0.payuot',
        'routes.0.when.any.1.country',
        'routes.0.when.any.2.sub1.matches',
      ],
    )
    t.match(faulty.error[0]?.message, /did you mean "payout"/)
  }
  let deep: Matcher = { status: { equals: 'approved' } }
  for (let i = 0; i < 30; i++) deep = { not: deep }
  t.notOk(compileMatcher(deep, conversionFields).ok)
})

t.test('patterns run in linear time', async t => {
  const pattern = compilePattern('^(a+)+$')
  t.ok(pattern.ok)
  if (!pattern.ok) return
  const cost = (n: number) => {
    const start = performance.now()
    for (let i = 0; i < 20; i++) pattern.value(`${'a'.repeat(n)}!`)
    return performance.now() - start
  }
  cost(100)
  // Exponential backtracking would take longer than the universe at this length.
  t.ok(cost(5000) / cost(100) < 5000)
})

t.test('JSON paths', async t => {
  const json = new Map([['a', [new Map([['b', new JsonNumber('12345678901234567890')]])]]])
  const path = parseJsonPath('a[0].b')
  t.ok(path.ok && jsonText(jsonAt(json, path.value)) === '12345678901234567890')
  t.equal(jsonAt(json, ['a', 'b']), undefined)
  for (const text of ['', 'a..b', 'a[x]', 'a[0']) t.notOk(parseJsonPath(text).ok, text)
  t.equal(jsonText(null), undefined)
  t.equal(jsonText(true), 'true')
})

t.test('did you mean', async t => {
  t.equal(nearest('stauts', ['status', 'event']), 'status')
  t.equal(nearest('zzz', ['status', 'event']), undefined)
})
