/** URL, body, pairs, timestamped and ECDSA signatures, envelopes, configured values; their lint. */
import assert from 'node:assert/strict'
import { createCipheriv, createHash, createHmac, generateKeyPairSync, sign } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import type { Postback } from '../../src/model/postback.ts'
import { JsonNumber } from '../../src/model/postback.ts'
import { expandBody, replaceBody } from '../../src/receive/expand.ts'
import { DEFAULT_LIMITS } from '../../src/receive/limits.ts'
import { readPostback } from '../../src/receive/read.ts'
import type {
  Check,
  EcdsaSignatureCheck,
  PairsSignatureCheck,
  UrlSignatureCheck,
} from '../../src/rules/check-schema.ts'
import { compileSource } from '../../src/rules/source.ts'
import type { VerifyOptions } from '../../src/verify/context.ts'
import { createFixedKeys, parsePublicKey } from '../../src/verify/key-ring.ts'
import { lintVerify } from '../../src/verify/lint.ts'
import { compileVerify } from '../../src/verify/verify.ts'

const NOW = Date.parse('2026-01-01T00:00:00Z')
const SECRET = 'postern-test-secret'
const BASE = 'https://pb.example.com'
const JSON_TYPE = { 'content-type': 'application/json' }
const FORM_TYPE = { 'content-type': 'application/x-www-form-urlencoded' }
const hmac = (algorithm: string, text: string | Buffer, secret = SECRET) =>
  createHmac(algorithm, secret).update(text)

interface Sent {
  readonly target?: string
  readonly headers?: Record<string, string>
  readonly body?: string | Buffer
}
function read({ target = '/in/acme', headers = {}, body }: Sent): Postback {
  const method = body === undefined ? 'GET' : 'POST'
  const raw = { method, target, headers, body: Buffer.from(body ?? '') } as const
  const result = readPostback(raw, undefined, NOW, DEFAULT_LIMITS)
  if (!result.ok) throw new Error(result.error.detail)
  return result.value
}

function compile(checks: Check[], options: VerifyOptions = {}) {
  return compileVerify(checks, {
    secrets: ['old', SECRET],
    publicBaseUrl: BASE,
    readJson: (postback, text) => replaceBody(postback, text, DEFAULT_LIMITS),
    ...options,
  })
}
/** `ok`, or the reason. */
function verdict(check: Check, postback: Postback, options: VerifyOptions = {}, now = NOW): string {
  const compiled = compile([check], options)
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.error))
  const result = compiled.value.check(postback, now)
  return result.ok ? 'ok' : result.error.reason
}
function faults(check: Check, options: VerifyOptions = {}): string[] {
  const compiled = compile([check], options)
  return compiled.ok ? [] : compiled.error.map(({ path }) => path.slice(3).join('.'))
}

t.test('url_signature', async t => {
  const url: UrlSignatureCheck = { algorithm: 'sha256', hmac: true, covers: 'url', from: 'hash', encoding: 'hex' } // prettier-ignore
  const mac = (path: string) => hmac('sha256', `${BASE}${path}`).digest('hex')
  const of = (target: string, spec: Partial<UrlSignatureCheck> = {}) =>
    verdict({ url_signature: { ...url, ...spec } }, read({ target }))
  t.test('byte for byte as sent, wherever the signature stands', async t => {
    for (const pair of ['a=x+y', 'a=x%20y', 'a=x%2by', 'a=x%2By', 'a=%zz', 'a', 'a=', 'a=&&b']) {
      t.equal(of(`/in/acme?${pair}&hash=${mac(`/in/acme?${pair}`)}`), 'ok', pair)
    }
    const signed = mac('/in/acme?a=1&b=2')
    t.equal(of(`/in/acme?hash=${signed}&a=1&b=2`), 'ok', 'first')
    t.equal(of(`/in/acme?a=1&hash=${signed}&b=2`), 'ok', 'in the middle')
    t.equal(of(`/in/acme?a=1&b=2&h%61sh=${signed}`), 'ok', 'its name encoded')
    t.equal(of(`/in/acme?b=2&a=1&hash=${signed}`), 'signature_invalid', 'another order')
    t.equal(of(`/in/acme?a=1&b=2&hash=${signed}&c=3`), 'signature_invalid', 'one more behind it')
    t.equal(of(`/in/acme?a=1&b=2&hash=${signed}&`), 'signature_invalid')
    t.equal(of(`/in/other?a=1&b=2&hash=${signed}`), 'signature_invalid', 'another path')
    t.equal(of(`/in/acme?a=1&b=2&hash=${signed}&hash=${signed}`), 'param_duplicate')
    t.equal(of('/in/acme?a=1&b=2'), 'signature_missing')
  })
  t.test('a body is not covered, and nothing is nothing', async t => {
    const target = `/in/acme?a=1&hash=${mac('/in/acme?a=1')}`
    const check = { url_signature: url }
    t.equal(verdict(check, read({ target, headers: FORM_TYPE, body: '' })), 'ok')
    const body = 'payout=999'
    t.equal(verdict(check, read({ target, headers: FORM_TYPE, body })), 'signature_invalid')
    t.equal(of(`/in/acme?hash=${mac('/in/acme')}`), 'signature_invalid')
    const hex = hmac('sha256', `${BASE}/in/acme?`).digest('hex')
    t.equal(verdict({ url_signature: { ...url, from: 'header:H' } }, read({ headers: { h: hex } })), 'signature_invalid') // prettier-ignore
  })
  t.test('the query alone, a header, a plain hash', async t => {
    const query = hmac('sha256', 'a=1').digest('hex')
    t.equal(of(`/in/any?a=1&hash=${query}`, { covers: 'query' }), 'ok')
    const postback = read({ target: '/in/acme?a=1', headers: { h: mac('/in/acme?a=1') } })
    t.equal(verdict({ url_signature: { ...url, from: 'header:H' } }, postback), 'ok')
    const plain = createHash('md5').update(`a=1-S-${SECRET}`).digest('hex')
    const check = { url_signature: { algorithm: 'md5', covers: 'query', append: '-{settings.s}-{secret}', from: 'hash', encoding: 'hex' } } as const // prettier-ignore
    const options = { settings: { s: 'S' } }
    t.equal(verdict(check, read({ target: `/in/acme?a=1&hash=${plain}` }), options), 'ok')
  })
  t.test('what cannot refuse does not load', async t => {
    const fault = (spec: Partial<UrlSignatureCheck>, options: VerifyOptions = {}) =>
      faults({ url_signature: { ...url, ...spec } }, options)
    t.same(fault({}), [])
    t.same(fault({}, { publicBaseUrl: undefined }), [''])
    t.same(fault({ covers: 'query' }, { publicBaseUrl: undefined }), [])
    t.same(fault({}, { secrets: [] }), [''])
    t.same(fault({ hmac: false }), ['append'])
    t.same(fault({ hmac: false, append: 'salt' }), ['append'])
    t.same(fault({ hmac: false, append: '{a}{secret}' }), ['append'])
    t.same(fault({ append: '{secret}' }), ['append'])
    t.same(fault({ from: 'path:x' }), ['from'])
    t.same(fault({ hmac: false, append: '{settings.s}' }, { settings: { s: 'x' }, secrets: [] }), []) // prettier-ignore
  })
})

t.test('body_signature', async t => {
  const bytes = Buffer.from('{"a":"é", "a ":1}')
  const plain = { body_signature: { algorithm: 'sha256', from: 'header:S', encoding: 'base64' } } as const // prettier-ignore
  const s = hmac('sha256', bytes).digest('base64')
  const post = (headers: Record<string, string>, body: string | Buffer = bytes) =>
    read({ headers: { ...JSON_TYPE, ...headers }, body })
  t.equal(verdict(plain, post({ s })), 'ok')
  t.equal(verdict(plain, post({ s }, '{"a":"é","a ":1}')), 'signature_invalid', 'a blank less')
  t.equal(verdict(plain, post({})), 'signature_missing')
  t.equal(verdict(plain, read({ headers: { s: hmac('sha256', '').digest('base64') } })), 'signature_invalid') // prettier-ignore
  const prefixed = { body_signature: { algorithm: 'sha1', from: 'header:S', encoding: 'hex', prefix: 'sha1=' } } as const // prettier-ignore
  const hex = hmac('sha1', bytes).digest('hex')
  t.equal(verdict(prefixed, post({ s: `sha1=${hex}` })), 'ok')
  t.equal(verdict(prefixed, post({ s: hex })), 'signature_malformed')
  t.equal(verdict(prefixed, post({ s: `SHA1=${hex}` })), 'signature_malformed')
  t.equal(verdict(prefixed, post({ s: `sha1=sha1=${hex}` })), 'signature_malformed')
  t.same(faults(plain, { secrets: [''] }), [''])
  t.same(faults({ body_signature: { ...plain.body_signature, from: 'json:s' } }), ['from'])
})

t.test('pairs_signature', async t => {
  const pairs: PairsSignatureCheck = { algorithm: 'sha256', hmac: true, source: 'form', order: 'name', pair: '{key}={value}', join: '&', from: 'header:S', encoding: 'hex' } // prettier-ignore
  const of = (spec: Partial<PairsSignatureCheck>, body: string, signed: string, target?: string) =>
    verdict(
      { pairs_signature: { ...pairs, ...spec } },
      read({
        headers: { ...FORM_TYPE, s: hmac('sha256', signed).digest('hex') },
        body,
        ...(target === undefined ? {} : { target }),
      }),
    )
  t.test('which take part', async t => {
    t.equal(of({}, 'b=2&a=1&B=3', 'B=3&a=1&b=2'), 'ok', 'byte order: capitals first')
    t.equal(of({}, 'a=1&a=1', 'a=1'), 'ok', 'the same twice is once')
    t.equal(of({}, 'a=1&a=2', 'a=2'), 'param_duplicate')
    t.equal(of({}, 'a=%zz', 'a='), 'encoding_invalid')
    t.equal(of({}, 'a=1', 'a=1', '/in/acme?b=2'), 'ok', 'the query is not signed')
    t.equal(of({ source: 'query' }, 'a=1', 'b=2', '/in/acme?b=2'), 'ok', 'nor the form')
    t.equal(of({}, '', ''), 'signature_invalid', 'nothing')
    t.equal(of({ exclude: ['b'] }, 'a=1&b=2', 'a=1'), 'ok')
    t.equal(of({}, 'a=&b=0', 'a=&b=0'), 'ok')
    t.equal(of({ skip: 'empty' }, 'a=&b=0', 'b=0'), 'ok')
    t.equal(of({ skip: 'falsy' }, 'a=&b=0&c=0.0&d=00', 'c=0.0&d=00'), 'ok')
    t.equal(of({ skip_empty: ['a'] }, 'a=&b=', 'b='), 'ok')
    t.equal(of({ skip_lists: true }, 'a%5B%5D=1&b[x]=2&c=3', 'c=3'), 'ok')
    const names: Partial<PairsSignatureCheck> = { order: 'listed', names: ['c', 'a', 'x'] }
    t.equal(of(names, 'a=1&b=2&c=3', 'c=3&a=1'), 'ok', 'listed, without what was not sent')
  })
  t.test('a query string inside a parameter takes no part', async t => {
    const headers = { ...FORM_TYPE, s: hmac('sha256', 'a=1&q=x=2').digest('hex') }
    const expanded = expandBody(
      read({ headers, body: 'a=1&q=x%3D2' }),
      { query_field: 'q' },
      DEFAULT_LIMITS,
    )
    if (!expanded.ok) throw new Error(expanded.error.detail)
    t.equal(verdict({ pairs_signature: pairs }, expanded.value), 'ok')
  })
  t.test('in which order', async t => {
    t.equal(of({}, '%F0%9F%98%80=1&%EF%BC%A1=2&z=3', 'z=3&Ａ=2&😀=1'), 'ok', 'bytes of UTF-8')
    const values = Array.from({ length: 12 }, (_, i) => `v${i}`)
    const body = values.map((value, i) => `p${i}=${value}`).join('&')
    const spec = { order: 'position_text', pair: '{value}', join: '|' } as const
    const signed = [0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9].map(i => values[i]).join('|')
    t.equal(of(spec, body, signed), 'ok')
    t.equal(of({ ...spec, skip: 'empty' }, `p=&${body}`, signed), 'ok', 'places after skipping')
    t.equal(of(spec, `p=&${body}`, signed), 'signature_invalid')
  })
  t.test('how they are written', async t => {
    const all = encodeURIComponent(" !'()*~-_./ä+&=%")
    t.equal(of({ encode: 'php' }, `k~=${all}`, 'k%7E=+%21%27%28%29%2A%7E-_.%2F%C3%A4%2B%26%3D%25'), 'ok') // prettier-ignore
    t.equal(of({ encode: 'rfc3986' }, `k~=${all}`, 'k~=%20%21%27%28%29%2A~-_.%2F%C3%A4%2B%26%3D%25'), 'ok') // prettier-ignore
    t.equal(of({}, `k~=${all}`, "k~= !'()*~-_./ä+&=%"), 'ok')
    t.equal(of({ pair: '{value}|', join: '' }, 'a=&b=', '||'), 'ok', 'empty values are written')
    t.equal(of({ pair: '{key}{value}{secret}', join: '', append: '!{secret}' }, 'a=1', `a1${SECRET}!${SECRET}`), 'ok') // prettier-ignore
    const cut = { ...pairs, hmac: false, append: '{secret}', truncate: 8 }
    const headers = { ...FORM_TYPE, s: createHash('sha256').update(`a=1${SECRET}`).digest('hex') }
    const short = { ...headers, s: headers.s.slice(0, 8).toUpperCase() }
    t.equal(verdict({ pairs_signature: cut }, read({ headers: short, body: 'a=1' })), 'ok')
    t.equal(verdict({ pairs_signature: cut }, read({ headers, body: 'a=1' })), 'signature_malformed') // prettier-ignore
  })
  t.test('sorted by name, the order sent does not matter; any other change does', async () => {
    const word = fc.stringMatching(/^[a-zA-Z0-9]{1,6}$/)
    const map = fc.dictionary(word, word, { minKeys: 2, maxKeys: 8, noNullPrototype: true })
    fc.assert(
      fc.property(map, fc.nat(), (values, at) => {
        const entries = Object.entries(values)
        const write = (list: string[][]) => list.map(([k, v]) => `${k}=${v}`).join('&')
        const signed = write(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)))
        const turned = [...entries.slice(at % entries.length), ...entries.slice(0, at % entries.length)] // prettier-ignore
        assert.equal(of({}, write(turned), signed), 'ok')
        const [key = '', value = ''] = turned[0] ?? []
        assert.equal(of({}, write([[key, `${value}0`], ...turned.slice(1)]), signed), 'signature_invalid') // prettier-ignore
        assert.equal(of({}, write([[`${key}0x0x0`, value], ...turned.slice(1)]), signed), 'signature_invalid') // prettier-ignore
      }),
      { numRuns: 50 },
    )
  })
  t.test('what cannot refuse does not load', async t => {
    const fault = (spec: Partial<PairsSignatureCheck>, options: VerifyOptions = {}) =>
      faults({ pairs_signature: { ...pairs, ...spec } }, options)
    t.same(fault({}), [])
    t.same(fault({ hmac: false }), ['append'])
    t.same(fault({ hmac: false, pair: '{value}{secret}' }), [])
    t.same(fault({}, { secrets: [] }), [''])
    t.same(fault({ pair: '{key}' }), ['pair'])
    t.same(fault({ pair: '{vale}' }), ['pair'])
    t.same(fault({ order: 'listed' }), ['order'])
    t.same(fault({ names: ['a'] }), ['names'])
    for (const truncate of [9, 64, 66]) t.same(fault({ truncate }), ['truncate'])
    t.same(fault({ truncate: 8, encoding: 'base64' }), ['truncate'])
  })
})

t.test('signature: rounds, trunc, truncate, one of two names', async t => {
  const twice = createHash('sha256').update(createHash('sha256').update(`${SECRET}:1`).digest())
  const hex = twice.digest('hex')
  const base = { algorithm: 'sha256', from: 'join:s,sig', encoding: 'hex' } as const
  const rounds: Check = { signature: { ...base, rounds: 2, over: '{secret}:{tx}' } }
  t.equal(verdict(rounds, read({ target: `/in/acme?tx=1&sig=${hex}` })), 'ok')
  t.equal(verdict(rounds, read({ target: `/in/acme?tx=1&s=${hex}` })), 'ok')
  t.equal(verdict(rounds, read({ target: `/in/acme?tx=1&s=${hex}&sig=${hex}` })), 'signature_malformed') // prettier-ignore
  t.equal(verdict(rounds, read({ target: '/in/acme?tx=1' })), 'signature_missing')
  t.equal(verdict({ signature: { ...base, rounds: 3, over: '{secret}:{tx}' } }, read({ target: `/in/acme?tx=1&s=${hex}` })), 'signature_invalid') // prettier-ignore
  const compiled = compile([rounds])
  t.same(compiled.ok && [...compiled.value.secretKeys], ['s', 'sig'])
  t.same(faults({ signature: { ...base, rounds: 2, hmac: true, over: '{tx}' } }), ['rounds'])

  const trunc: Check = { signature: { ...base, from: 's', over: '{v|trunc}{secret}' } }
  const rows: [string, string][] = [['1250.99', '1250'], ['-7.9', '-7'], ['-0.5', '0'], ['12', '12'], ['0.5', '0'], ['x', '']] // prettier-ignore
  for (const [value, cut] of rows) {
    const s = createHash('sha256').update(`${cut}${SECRET}`).digest('hex')
    t.equal(verdict(trunc, read({ target: `/in/acme?v=${value}&s=${s}` })), 'ok', value)
  }
  t.same(faults({ signature: { ...base, over: '{url}{secret}' } }), ['over'])
  t.same(faults({ signature: { ...base, over: '{q.url}{secret}' } }), [])
  const empty = hmac('sha256', '').digest('hex')
  const body: Check = { signature: { ...base, hmac: true, from: 's', over: '{body}' } }
  t.equal(verdict(body, read({ target: `/in/acme?s=${empty}` })), 'signature_invalid', 'no body')
})

t.test('timestamped_signature', async t => {
  const check: Check = { timestamped_signature: { from: 'header:S', within_seconds: 300 } }
  const body = '{"a":1}'
  const at = NOW / 1000
  const mac = (time: number | string, secret = SECRET) => hmac('sha256', `${time}.${body}`, secret).digest('hex') // prettier-ignore
  const of = (s: string, now = NOW, text = body) =>
    verdict(check, read({ headers: { ...JSON_TYPE, s }, body: text }), {}, now)
  const rows: [string, string][] = [
    [`t=${at},v1=${mac(at)}`, 'ok'],
    [`t=${at}, v1=${mac(at)}`, 'ok'],
    [`v1=${mac(at)},t=${at}`, 'ok'],
    [`t=${at},v1=${mac(at, 'old')}`, 'ok'],
    [`t=${at},v1=${'0'.repeat(64)},v1=${mac(at)},v0=x`, 'ok'],
    [`t=${at},v1=short,v1=${mac(at)}`, 'ok'],
    [`t=${at - 300},v1=${mac(at - 300)}`, 'ok'],
    [`t=${at - 301},v1=${mac(at - 301)}`, 'timestamp_out_of_window'],
    [`t=${at + 301},v1=${mac(at + 301)}`, 'timestamp_out_of_window'],
    [`t=${at - 301},v1=${mac(at)}`, 'signature_invalid'],
    [`t=${at},v1=${mac(at, 'other')}`, 'signature_invalid'],
    [`t=${at},v0=${mac(at)}`, 'signature_malformed'],
    [`t=${at},t=${at},v1=${mac(at)}`, 'signature_malformed'],
    [`v1=${mac('')}`, 'signature_malformed'],
    [`t=1e9,v1=${mac('1e9')}`, 'signature_malformed'],
    ['x', 'signature_malformed'],
    ['', 'signature_missing'],
  ]
  for (const [text, expected] of rows) t.equal(of(text), expected, text)
  t.equal(of(`t=${at},v1=${mac(at)}`, NOW, '{"a":2}'), 'signature_invalid')
  t.equal(verdict(check, read({})), 'signature_missing')
  const nothing = hmac('sha256', `${at}.`).digest('hex')
  t.equal(verdict(check, read({ headers: { s: `t=${at},v1=${nothing}` } })), 'signature_invalid')
  t.same(faults(check, { secrets: [] }), [''])
  const other: Check = { timestamped_signature: { from: 'header:S', within_seconds: 300, scheme: 'sha' } } // prettier-ignore
  t.equal(verdict(other, read({ headers: { ...JSON_TYPE, s: `t=${at},sha=${mac(at)}` }, body })), 'ok') // prettier-ignore
})

t.test('ecdsa_signature', async t => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const keys = createFixedKeys({ '7': pem, '8': 'no key' })
  const spec: EcdsaSignatureCheck = { keys_url: 'https://k.example/keys', from: 'signature', key_id: 'key_id', encoding: 'base64url' } // prettier-ignore
  const check: Check = { ecdsa_signature: spec }
  const mac = (text: string) => sign('sha256', Buffer.from(text), privateKey).toString('base64url')
  const of = (query: string, options: VerifyOptions = { keys }) =>
    verdict(check, read({ target: `/in/acme?${query}` }), options)
  const good = `a=1&b=x%20y&signature=${mac('a=1&b=x%20y')}&key_id=7`
  t.equal(of(good), 'ok')
  t.equal(of(good, {}), 'keys_unavailable')
  t.equal(of(good, { keys: { lookup: () => ({ found: 'unavailable' }) } }), 'keys_unavailable')
  t.equal(of(good.replace('key_id=7', 'key_id=8')), 'signature_invalid')
  t.equal(of(good.replace('a=1', 'a=2')), 'signature_invalid')
  t.equal(of(good.replace('%20', '+')), 'signature_invalid')
  t.equal(of(`${good}&payout=9`), 'signature_malformed', 'behind it nothing is signed')
  t.equal(of(`key_id=7&${good.replace('&key_id=7', '')}`), 'signature_malformed')
  t.equal(of(`a=1&key_id=7&signature=${mac('a=1')}`), 'signature_malformed')
  t.equal(of(`signature=${mac('')}&key_id=7`), 'signature_malformed', 'nothing is signed')
  t.equal(of(`a=1&signature=${mac('a=1')}&x=1&key_id=7`), 'signature_malformed')
  t.equal(of(`${good}&key_id=8`), 'param_duplicate')
  t.equal(of('a=1&key_id=7'), 'signature_missing')
  t.equal(of(`a=1&signature=${mac('a=1')}&key_id=`), 'signature_missing')
  t.equal(of('a=1&signature=AAAA&key_id=7'), 'signature_invalid')
  t.equal(of('a=1&signature=A*&key_id=7'), 'signature_malformed')
  t.equal(of(`a=1&signature=${'A'.repeat(400)}&key_id=7`), 'signature_malformed')
  const body = { target: `/in/acme?${good}`, headers: FORM_TYPE, body: 'payout=9' }
  t.equal(verdict(check, read(body), { keys }), 'signature_invalid', 'a body is not signed')
  const compiled = compile([check], { keys })
  t.same(compiled.ok && [...compiled.value.secretKeys], ['signature', 'keyid'])
  t.same(faults({ ecdsa_signature: { ...spec, from: 'header:S' } }), ['from'])
  t.same(faults({ ecdsa_signature: { ...spec, key_id: 'k|trim' } }), ['key_id'])

  t.ok(parsePublicKey(pem))
  const secret = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  t.notOk(parsePublicKey(secret), 'a private key is none to hand out')
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey
  t.notOk(parsePublicKey(p384.export({ type: 'spki', format: 'pem' }).toString()))
  const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey
  t.notOk(parsePublicKey(rsa.export({ type: 'spki', format: 'pem' }).toString()))
  t.notOk(parsePublicKey('-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----'))
})

t.test('envelope', async t => {
  const spec = { cipher: 'aes_256_cbc', key: 'sha1_hex_32', data: 'notification', iv: 'iv' } as const // prettier-ignore
  const check: Check = { envelope: spec }
  const iv = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex')
  const seal = (text: string | Buffer, secret = SECRET) => {
    const key = createHash('sha1').update(secret).digest('hex').slice(0, 32)
    const cipher = createCipheriv('aes-256-cbc', key, iv)
    return Buffer.concat([cipher.update(text), cipher.final()])
  }
  const body = (data: Buffer, vector = iv) =>
    JSON.stringify({ notification: data.toString('base64'), iv: vector.toString('base64') })
  const of = (text: string, headers: Record<string, string> = JSON_TYPE) =>
    verdict(check, read({ headers, body: text }))
  const json = '{"vendor":"acme","receipt":"R-1","items":[{"n":"é"}],"total":12345678901234567890}'
  t.test('opens to all that is believed', async t => {
    t.equal(of(body(seal(json))), 'ok')
    t.equal(of(body(seal(json, 'old'))), 'ok', 'any of several secrets')
    t.equal(of(body(seal(`${json}\n\0\0 \x08`))), 'ok', 'padded once more')
    const pairs = `notification=${encodeURIComponent(seal(json).toString('base64'))}&iv=${encodeURIComponent(iv.toString('base64'))}` // prettier-ignore
    t.equal(of(pairs, FORM_TYPE), 'ok', 'as a form')
    const compiled = compile([check, { equals: { from: 'json:vendor', value: 'acme' } }])
    if (!compiled.ok) throw new Error('does not compile')
    const target = '/in/acme/token/event?payout=9&vendor=evil'
    const opened = compiled.value.check(read({ target, headers: JSON_TYPE, body: body(seal(json)) }), NOW) // prettier-ignore
    if (!opened.ok) throw new Error(opened.error.detail)
    const { params, pathToken, json: inside } = opened.value
    t.same(params.map(({ name, value }) => `${name}=${value}`), ['vendor=acme', 'receipt=R-1', 'total=12345678901234567890']) // prettier-ignore
    t.equal(pathToken, 'token')
    t.same(inside instanceof Map && inside.get('total'), new JsonNumber('12345678901234567890'))
  })
  t.test('or not at all', async t => {
    const rows: [string, string][] = [
      [body(seal(json, 'other')), 'signature_invalid'],
      [body(seal('not json')), 'signature_invalid'],
      [body(seal('[1]')), 'signature_invalid'],
      [body(seal('')), 'signature_invalid'],
      [body(seal(Buffer.from([0x7b, 0xff, 0x7d]))), 'signature_invalid'],
      [body(seal(`{"a":1,"a":2}`)), 'param_duplicate'],
      [body(seal(`{"a":${'['.repeat(30)}${']'.repeat(30)}}`)), 'body_too_deep'],
      [body(seal(json).subarray(1)), 'signature_malformed'],
      [body(Buffer.alloc(0)), 'signature_missing'],
      [body(seal(json), iv.subarray(1)), 'signature_malformed'],
      ['{"notification":"A A=","iv":"AAAA"}', 'signature_malformed'],
      ['{"iv":"AAAA"}', 'signature_missing'],
    ]
    for (const [text, expected] of rows) t.equal(of(text), expected, text.slice(0, 60))
    const twice = { target: '/in/acme?iv=x', headers: JSON_TYPE, body: body(seal(json)) }
    t.equal(verdict(check, read(twice)), 'param_duplicate')
    const cut = seal(json)
    cut[cut.length - 1] = (cut.at(-1) ?? 0) ^ 1
    t.equal(of(body(cut)), 'signature_invalid', 'broken padding is no other answer')
    t.same(faults(check, { secrets: [] }), [''])
    t.same(faults(check, { readJson: undefined }), [''])
  })
})

t.test('equals', async t => {
  const check: Check = { equals: { from: 'app', value: '{settings.app}-x' } }
  const settings = { app: '7', empty: '' }
  t.equal(verdict(check, read({ target: '/in/acme?app=7-x' }), { settings }), 'ok')
  for (const query of ['app=7', 'app=', '', 'app=7-x&app=8', 'app=%zz', 'app=7-X']) {
    t.equal(verdict(check, read({ target: `/in/acme?${query}` }), { settings }), 'param_invalid', query) // prettier-ignore
  }
  t.same(faults(check), ['value'], 'no such setting')
  t.same(faults({ equals: { from: 'a', value: '{settings.empty}' } }, { settings }), ['value'])
  t.same(faults({ equals: { from: 'a', value: '{secret}' } }), ['value'])
  t.same(faults({ equals: { from: 'path:x', value: 'x' } }), ['from'])
  const compiled = compile([check], { settings })
  t.same(compiled.ok && [...compiled.value.secretKeys], [], 'no secret: fields may read it')
})

t.test('sources: filters, joins, entries of lists', async t => {
  const body = '{"list":[{"k":"A","v":1},{"k":"B","v":2.50,"in":{"x":"y"}},{"k":"C"},{"k":"C"},{"n":7,"v":"seven"},5]}' // prettier-ignore
  const postback = read({
    target: '/in/acme?id=r-42&r=r-&s2=ab&s3=cd&e=&x=1&x=2&mail=%20A%40b.c%20',
    headers: { ...JSON_TYPE, 'x-id': 'r-7' },
    body,
  })
  const rows: [string, string][] = [
    ['id|strip_prefix:r-', '=42'],
    ['s2|strip_prefix:r-', '=ab'],
    ['r|strip_prefix:r-', '='],
    ['id|before:-', '=r'],
    ['id|after:-', '=42'],
    ['s2|before:-', '=ab'],
    ['s2|after:-', '=ab'],
    ['id|split:-:1', '=42'],
    ['id|split:-:2', 'none'],
    ['mail|trim|lower', '=a@b.c'],
    ['id|upper|after:R-', '=42'],
    ['header:x-id|strip_prefix:r-', '=7'],
    ['json:list[k=A].k|lower', '=a'],
    ['literal:a|upper', '=a|upper'],
    ['x|trim', 'many'],
    ['nope|trim', 'none'],
    ['join:s2,s3', '=abcd'],
    ['join:s3,S_2', '=cdab'],
    ['join:s2,nope', '=ab'],
    ['join:e,nope', '='],
    ['join:nope,nada', 'none'],
    ['join:s2,x', 'many'],
    ['join:s2,s3|upper', '=ABCD'],
    ['json:list[k=B].v', '=2.50'],
    ['json:list[k=B].in.x', '=y'],
    ['json:list[n=7].v', '=seven'],
    ['json:list[k=C].k', 'many'],
    ['json:list[k=D].v', 'none'],
    ['json:list[k=].v', 'none'],
    ['json:list[1].k', '=B'],
  ]
  for (const [text, expected] of rows) {
    const compiled = compileSource(text)
    if (!compiled.ok) throw new Error(`${text}: ${compiled.error}`)
    const { found, value } = compiled.value.read(postback)
    t.equal(found === 'one' ? `=${value}` : found, expected, text)
  }
  for (const text of ['id|md5', 'id|default:x', 'id|', 'id|strip_prefix', 'id|strip_prefix:', 'join:a', 'join:a,', 'join:a,A', 'join:a,b|fixed:2', 'json:a[k=v', 'json:a[=v]', 'json:a.[0]', 'json:.a', 'json:a.', 'json:[k]']) {
    t.notOk(compileSource(text).ok, text)
  } // prettier-ignore
})

t.test('lint says what a check leaves open', async t => {
  type Rule = Parameters<typeof lintVerify>[0]
  const places = (verify: Check[], fields: NonNullable<Rule['fields']>) =>
    lintVerify({ verify, fields }).map(({ path }) => path.join('.'))
  const money = { payout: ['amount'], reward: ['json:data.points'], sale_amount: ['literal:1'] }
  const url = { algorithm: 'sha1', hmac: true, from: 'hash', encoding: 'hex' } as const
  const pairs = { ...url, source: 'form', order: 'name', pair: '{key}={value}' } as const
  const ecdsa = { keys_url: 'https://k.example/', from: 's', key_id: 'k', encoding: 'base64url' } as const // prettier-ignore
  const rows: [string, Check, string[]][] = [
    ['a URL covers parameters', { url_signature: { ...url, covers: 'url' } }, ['fields.reward']],
    ['so does a query', { url_signature: { ...url, covers: 'query' } }, ['fields.reward']],
    ['and what stands before an ECDSA signature', { ecdsa_signature: ecdsa }, ['fields.reward']],
    ['a body covers JSON', { body_signature: url }, ['fields.payout']],
    ['with a time, too', { timestamped_signature: { from: 'header:S', within_seconds: 1 } }, ['fields.payout']], // prettier-ignore
    ['pairs cover parameters', { pairs_signature: pairs }, ['fields.reward']],
    ['but not those excluded', { pairs_signature: { ...pairs, exclude: ['Amount'] } }, ['fields.payout', 'fields.reward']], // prettier-ignore
    ['nor those not listed', { pairs_signature: { ...pairs, order: 'listed', names: ['x'] } }, ['fields.payout', 'fields.reward']], // prettier-ignore
    ['an envelope covers all', { envelope: { cipher: 'aes_256_cbc', key: 'sha1_hex_32', data: 'd', iv: 'i' } }, []], // prettier-ignore
    ['a text its own names', { signature: { ...url, over: '{amount}|{x}' } }, ['fields.reward']],
    ['or the body', { signature: { ...url, over: '{body}' } }, ['fields.payout']],
  ]
  for (const [title, check, expected] of rows) t.same(places([check], money), expected, title)
  t.same(places([{ url_signature: { ...url, covers: 'url' } }], { payout: ['path:event'] }), [])
  t.same(places([{ url_signature: { ...url, covers: 'query' } }], { payout: ['path:event'] }), ['fields.payout']) // prettier-ignore
  t.same(places([{ url_signature: { ...url, covers: 'url' } }], { payout: ['header:X'] }), ['fields.payout']) // prettier-ignore
  t.same(places([{ signature: { ...url, over: '{a}|{b}' } }], { payout: ['join:a,b'] }), [])
  t.same(places([{ signature: { ...url, over: '{a}' } }], { payout: ['join:a,b'] }), ['fields.payout']) // prettier-ignore
  const two: Check[] = [{ signature: { ...url, over: '{amount}' } }, { body_signature: url }]
  t.same(places(two, money), [], 'what one of several covers is covered')
  t.same(places([{ pairs_signature: { ...pairs, truncate: 8 } }], {}), ['verify.0.pairs_signature.truncate']) // prettier-ignore
  t.same(places([{ pairs_signature: { ...pairs, truncate: 32 } }], {}), [])
  t.same(places([{ signature: { ...url, over: '{a}', truncate: 16 } }], {}), ['verify.0.signature.truncate']) // prettier-ignore
  t.same(places([{ pairs_signature: { ...pairs, pair: '{value}' } }], {}), ['verify.0.pairs_signature.pair']) // prettier-ignore
  t.same(places([{ pairs_signature: { ...pairs, pair: '{value}', join: '|' } }], {}), [])
  const equals = { from: 'a', value: '{settings.a}' }
  t.same(places([{ equals }], {}), ['verify'], 'nothing is checked')
  t.same(places([{ token: 'a' }, { equals }], {}), ['verify'], 'a token alone')
})
