/** The pure readers: pairs, JSON, addresses, embedded bodies, replies. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { canonicalAddress, compileCidrs, forwardedAddress } from '../../src/base/address.ts'
import { JsonNumber, type Json, type Param, type Postback } from '../../src/model/postback.ts'
import { REASON_CODES, REASONS } from '../../src/reasons.ts'
import { compileReadAddress } from '../../src/receive/address.ts'
import { cidrProblem } from '../../src/rules/address.ts'
import { expandBody } from '../../src/receive/expand.ts'
import { parseJson } from '../../src/receive/json.ts'
import { DEFAULT_LIMITS } from '../../src/receive/limits.ts'
import { readPairs } from '../../src/receive/pairs.ts'
import { readPostback } from '../../src/receive/read.ts'
import { compileReply } from '../../src/receive/reply.ts'

const FORM = 'application/x-www-form-urlencoded'
const LIMITS = { ...DEFAULT_LIMITS, params: 1000 }

function pairs(text: string): Param[] {
  const params: Param[] = []
  assert.equal(readPairs(text, 'query', LIMITS, params), undefined)
  return params
}

function form(body: string): Postback {
  const headers = { 'content-type': FORM }
  const request = { method: 'POST', target: '/in/acme', headers, body: Buffer.from(body) } as const
  const read = readPostback(request, undefined, 0, LIMITS)
  if (!read.ok) throw new Error(read.error.detail)
  return read.value
}

t.test('pairs', async t => {
  t.test('agree with URLSearchParams on everything it encodes', async () => {
    const name = fc
      .string({ unit: 'grapheme', maxLength: 20 })
      .filter(n => !/^(__proto__|constructor|prototype)$/.test(n))
    const value = fc.string({ unit: 'grapheme', maxLength: 20 })
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 20 }), list => {
        const text = new URLSearchParams(list).toString()
        assert.deepEqual(
          pairs(text).map(param => [param.name, param.value]),
          [...new URLSearchParams(text)],
        )
      }),
      { numRuns: 300 },
    )
  })
  t.test('agree with URLSearchParams on any text that is not broken', async () => {
    const text = fc.string({ unit: fc.constantFrom(...'ab=&+;%4161~#?[]é'.split('')) })
    fc.assert(
      fc.property(text, text => {
        // URLSearchParams takes a leading `?` off and mends what is broken.
        const read = pairs(text)
        const mended = [...new URLSearchParams(`&${text}`)]
        assert.equal(read.length, mended.length)
        for (const [i, { name, value }] of read.entries()) {
          const [mendedName = '', mendedValue = ''] = mended[i] ?? []
          if (!/\ufffd|%/.test(mendedName + name)) assert.equal(name, mendedName)
          if (value !== null) assert.equal(value, mendedValue)
          else assert.match(mendedValue, /\ufffd|%/)
        }
      }),
      { numRuns: 1000 },
    )
  })
  t.test('a broken value is null, its raw text stays, a broken name is kept as sent', async t => {
    t.same(pairs('a=%zz&%zz=1&b=%F0%9F%98%80'), [
      { name: 'a', key: 'a', value: null, raw: '%zz', source: 'query' },
      { name: '%zz', key: '%zz', value: '1', raw: '1', source: 'query' },
      { name: 'b', key: 'b', value: '😀', raw: '%F0%9F%98%80', source: 'query' },
    ])
  })
  t.test(
    'keys fold case and separators, and memory of names stays right when it overflows',
    async t => {
      t.equal(pairs('Click_ID=1')[0]?.key, 'clickid')
      for (let i = 0; i < 5000; i++) t.equal(pairs(`N_${i}=1`)[0]?.key, `n${i}`)
      t.equal(pairs('Click_ID=1')[0]?.key, 'clickid')
    },
  )
})

t.test('JSON', async t => {
  /** What JSON.parse gives, from ours. */
  const plain = (value: Json): unknown => {
    if (value instanceof JsonNumber) return Number(value.text)
    if (Array.isArray(value)) return value.map(plain)
    if (value instanceof Map) return Object.fromEntries([...value].map(([k, v]) => [k, plain(v)]))
    return value
  }
  t.test('agrees with JSON.parse on what JSON.stringify writes', async () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 10 }), fc.constantFrom(0, 2), (text, indent) => {
        const sent = JSON.stringify(JSON.parse(text), null, indent)
        const read = parseJson(sent, 50)
        if (!read.ok) assert.match(sent, /__proto__|constructor|prototype/)
        else assert.deepEqual(plain(read.value), JSON.parse(sent))
      }),
      { numRuns: 500 },
    )
  })
  t.test('never throws, and accepts nothing that JSON.parse refuses', async () => {
    const text = fc.string({
      unit: fc.constantFrom(...'{}[]",:\\ue019-+.truefalsn \n\u0001'.split('')),
    })
    const mutated = fc
      .tuple(fc.json(), fc.nat(), fc.constantFrom(...'{}[]",:\\0-. x'.split('')))
      .map(([json, at, c]) => {
        const i = at % (json.length + 1)
        return json.slice(0, i) + c + json.slice(i + 1)
      })
    fc.assert(
      fc.property(fc.oneof(text, mutated, fc.string()), text => {
        const read = parseJson(text, 50)
        let isJson = true
        try {
          JSON.parse(text)
        } catch {
          isJson = false
        }
        if (read.ok) assert.ok(isJson)
        else if (isJson && read.error.reason === 'body_invalid') {
          assert.match(text, /proto|constructor|\\u/)
        }
      }),
      { numRuns: 2000 },
    )
  })
  t.test('numbers are the text sent; lone surrogates stay', async t => {
    t.same(parseJson('[1.10,1e999,-0,12345678901234567890]', 5), {
      ok: true,
      value: ['1.10', '1e999', '-0', '12345678901234567890'].map(text => new JsonNumber(text)),
    })
    t.same(parseJson('"\\ud800"', 5), { ok: true, value: '\ud800' })
    for (const text of ['01', '1.', '.5', '+1', '0x1', 'NaN', '1e', '"\\x"', '"\t"', 'tru', '[1,]', '{"a":1,}', '{a:1}', '']) {
      t.match(parseJson(text, 5), { ok: false, error: { reason: 'body_invalid' } }, text)
    } // prettier-ignore
  })
  t.test('depth counts lists and objects', async t => {
    t.ok(parseJson('[{"a":[]}]', 3).ok)
    t.match(parseJson('[{"a":[[]]}]', 3), { error: { reason: 'body_too_deep' } })
    t.ok(parseJson('[[],[],[],{}]', 2).ok, 'side by side is not deep')
  })
})

t.test('readPostback never throws', async () => {
  const type = fc.constantFrom(FORM, 'application/json', 'text/plain', undefined)
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      fc.uint8Array(),
      type,
      fc.boolean(),
      (path, bytes, contentType, isPost) => {
        const read = readPostback(
          {
            method: isPost ? 'POST' : 'GET',
            target: `/in/${path}`,
            headers: { 'content-type': contentType, 'content-length': String(bytes.length) },
            body: Buffer.from(bytes),
          },
          undefined,
          0,
          DEFAULT_LIMITS,
        )
        assert.equal(typeof read.ok, 'boolean')
      },
    ),
    { numRuns: 1000 },
  )
})

t.test('embedded bodies', async t => {
  const embedded = encodeURIComponent('{"id":12345678901234567890,"deep":{"x":[1]}}')
  t.test('a JSON document in a form field', async t => {
    const expanded = expandBody(form(`data=${embedded}`), { json_field: 'Data' }, LIMITS)
    if (!expanded.ok) return t.fail(expanded.error.detail)
    t.same(expanded.value.params.at(-1), { name: 'id', key: 'id', value: '12345678901234567890', raw: '12345678901234567890', source: 'json' }) // prettier-ignore
    t.ok(expanded.value.json instanceof Map)
  })
  t.test('a query string in a parameter', async t => {
    const postback = form(`other=${encodeURIComponent('a=x%20y&b=2')}&c=3`)
    const expanded = expandBody(postback, { query_field: 'other' }, LIMITS)
    if (!expanded.ok) return t.fail(expanded.error.detail)
    t.same(expanded.value.params.map(p => [p.name, p.value]).slice(1), [['c', '3'], ['a', 'x y'], ['b', '2']]) // prettier-ignore
  })
  t.test('absent or unnamed, nothing changes', async t => {
    const postback = form('a=1&data=')
    t.same(expandBody(postback, {}, LIMITS), { ok: true, value: postback })
    t.same(expandBody(postback, { json_field: 'data' }, LIMITS), { ok: true, value: postback })
    t.same(expandBody(postback, { json_field: 'b' }, LIMITS), { ok: true, value: postback })
  })
  t.test('refusals', async t => {
    const reason = (body: string) => {
      const expanded = expandBody(form(body), { json_field: 'd', query_field: 'q' }, LIMITS)
      return expanded.ok ? 'none' : expanded.error.reason
    }
    t.equal(reason('d={'), 'body_invalid')
    t.equal(reason('d=7'), 'body_invalid')
    t.equal(reason('d=[1'), 'body_invalid')
    t.equal(reason('d=[1]'), 'none', 'a list, for json: to read')
    t.equal(reason('d={}&d={"a":1}'), 'param_duplicate')
    t.equal(reason('d=%zz'), 'encoding_invalid')
    t.equal(reason(`q=${encodeURIComponent('a=1&'.repeat(1000))}`), 'param_too_many')
  })
})

t.test('addresses', async t => {
  t.test('every spelling of one address is one address', async () => {
    const spellings = (v4: string, [a, b, c, d]: number[]) => {
      const hex = (x = 0, y = 0) => ((x << 8) | y).toString(16)
      const short = `::ffff:${hex(a, b)}:${hex(c, d)}`
      return [v4, `::ffff:${v4}`, `::FFFF:${v4}`, short, `0:0:0:0:0:ffff:${v4}`, ` ${v4} `, `${v4}:8080`, `[::ffff:${v4}]`, `[::ffff:${v4}]:1`] // prettier-ignore
    }
    fc.assert(
      fc.property(fc.array(fc.nat(255), { minLength: 4, maxLength: 4 }), octets => {
        const v4 = octets.join('.')
        for (const text of spellings(v4, octets)) assert.equal(forwardedAddress(text), v4, text)
      }),
    )
    fc.assert(
      fc.property(fc.ipV6(), text => {
        const canonical = canonicalAddress(text)
        assert.ok(canonical)
        assert.equal(canonicalAddress(canonical), canonical)
        assert.equal(forwardedAddress(`[${text.toUpperCase()}]:443`), canonical)
      }),
    )
  })
  t.test('what is not plainly an address is none', async t => {
    for (const text of ['', 'x', '127.1', '0x7f.0.0.1', '010.0.0.1', '1.2.3', '1.2.3.4.5', '256.1.1.1', '2130706433', 'fe80::1%eth0', '[1.2.3.4', '::1]', '1.2.3.4:', '1.2.3.4:123456', '::1:80:x', '1.2.3.4 5', 'localhost', '①.2.3.4']) {
      t.equal(forwardedAddress(text), undefined, text)
    } // prettier-ignore
    fc.assert(fc.property(fc.string(), text => void forwardedAddress(text)))
  })
  t.test('any list and any header are read or refused', async () => {
    const part = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.constantFrom('/0', '/8', '/33', '/128', '/129', '/-1', '/', '%eth0', '::ffff:', ',', ' '),
      fc.string({ maxLength: 3 }),
    )
    const text = fc.array(part, { maxLength: 4 }).map(parts => parts.join(''))
    fc.assert(
      fc.property(text, text, (cidr, header) => {
        const problem = cidrProblem(cidr)
        const list = compileCidrs([cidr])
        if (problem === undefined || problem === 'everyone') assert.ok(list.ok, cidr)
        if (list.ok) list.value(header)
        const read = compileReadAddress(['10.0.0.0/8'])
        const client = read.ok ? read.value('10.0.0.1', header) : ''
        if (client !== undefined) assert.equal(canonicalAddress(client), client)
      }),
      { numRuns: 1000 },
    )
  })
  t.test('CIDRs', async t => {
    const list = compileCidrs(['192.0.2.0/24', '2001:db8::/32', '::ffff:198.51.100.0/120', '203.0.113.7']) // prettier-ignore
    if (!list.ok) return t.fail('list')
    const rows: [string, boolean][] = [
      ['192.0.2.255', true],
      ['192.0.3.0', false],
      ['2001:db8:ffff::1', true],
      ['2001:db9::', false],
      ['198.51.100.9', true],
      ['203.0.113.7', true],
      ['203.0.113.8', false],
      ['::ffff:192.0.2.1', true],
      ['junk', false],
    ]
    for (const [address, isIn] of rows) t.equal(list.value(address), isIn, address)
    for (const bad of ['1.2.3.4/33', '1.2.3', '::/129', '1.2.3.4/', '1.2.3.4/-1', '1.2.3.4/01', '', 'x/8', '1.2.3.4/8/8', '::ffff:1.2.3.4/95']) {
      t.match(compileCidrs(['::1', bad]), { ok: false, error: [{ index: 1 }] }, bad)
    } // prettier-ignore
  })
  t.test('a trusted proxy that is itself unparseable is trusted by nobody', async t => {
    const read = compileReadAddress(['0.0.0.0/0'])
    if (!read.ok) return t.fail('list')
    t.equal(read.value(undefined, '1.2.3.4'), undefined)
    t.equal(read.value('fe80::1%eth0', '1.2.3.4'), undefined)
    t.equal(read.value('::ffff:9.9.9.9', ['8.8.8.8', '7.7.7.7']), '8.8.8.8')
    t.notOk(compileReadAddress(['10.0.0.0/33']).ok)
  })
})

t.test('replies', async t => {
  const conversion = {
    network: 'acme',
    status: 'approved',
    received_at: 0,
    transaction_id: `<T-1>"&'é\n`,
    q: {},
  } as const
  t.test('defaults answer every reason by its outcome', async t => {
    const reply = compileReply(undefined)
    if (!reply.ok) return t.fail('compile')
    for (const reason of REASON_CODES) {
      const { outcome, http } = REASONS[reason]
      const isGood = outcome !== 'rejected' && outcome !== 'deferred'
      const body = isGood ? 'OK' : JSON.stringify({ ok: false, reason })
      t.match(reply.value(reason, undefined), { status: http, body })
    }
    t.equal(reply.value('new', undefined), reply.value('new', undefined), 'made once')
  })
  t.test('a rule’s answers, by reason before outcome', async t => {
    const reply = compileReply({
      accepted: { body: '{transaction_id}:OK' },
      duplicate: { status: 202, body: 'DUP' },
      rejected: { status: 200, body: '0' },
      reasons: { signature_invalid: { status: 418 }, test: { body: 'T' } },
    })
    if (!reply.ok) return t.fail('compile')
    t.match(reply.value('new', conversion), { status: 200, contentType: /^text\/plain/, body: 'T-1:OK' }) // prettier-ignore
    t.match(reply.value('new', undefined), { status: 200, body: 'OK' })
    t.match(reply.value('duplicate', conversion), { status: 202, body: 'DUP' })
    t.match(reply.value('ip_denied', undefined), { status: 200, body: '0' })
    t.match(reply.value('signature_invalid', undefined), { status: 418, body: '0' })
    t.match(reply.value('test', undefined), { status: 200, body: 'T' })
    t.match(reply.value('store_full', undefined), { status: 503 })
  })
  t.test('JSON is escaped as JSON', async t => {
    const reply = compileReply({
      content_type: 'application/json',
      accepted: { body: '{"id":"{transaction_id}"}' },
    })
    if (!reply.ok) return t.fail('compile')
    t.same(JSON.parse(reply.value('new', conversion).body), { id: conversion.transaction_id })
  })
  t.test('the operator’s settings in an answer', async t => {
    const rule = { accepted: { body: '{settings.answer}-{transaction_id}' } }
    const reply = compileReply(rule, { settings: { answer: 'o<k' } })
    if (!reply.ok) return t.fail('compile')
    t.equal(reply.value('new', conversion).body, 'ok-T-1', 'without what could be markup')
    t.notOk(compileReply(rule).ok, 'a setting that is not there')
    t.notOk(compileReply(rule, { settings: { other: 'x' } }).ok)
  })
  t.test('the operator’s status for rejections wins', async t => {
    const reply = compileReply({ rejected: { status: 403 } }, { answerRejectedWith: 200 })
    if (!reply.ok) return t.fail('compile')
    t.equal(reply.value('ip_denied', undefined).status, 200)
    t.equal(reply.value('store_full', undefined).status, 503)
  })
  t.test('faults', async t => {
    const paths = (rule: Parameters<typeof compileReply>[0]) => {
      const reply = compileReply(rule)
      return reply.ok ? [] : reply.error.map(({ path }) => path.join('.'))
    }
    t.same(paths({ accepted: { body: '{nope}' } }), ['reply.accepted.body'])
    t.same(paths({ accepted: { body: '{_click_id}' } }), ['reply.accepted.body'])
    t.same(paths({ accepted: { status: 400 } }), ['reply.accepted.status'])
    t.same(paths({ reasons: { store_full: { status: 200 } } }), ['reply.reasons.store_full.status'])
  })
})
