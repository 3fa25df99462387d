/** Checks: tokens, addresses, signatures, freshness; signing; lint. */
import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { ok } from '../../src/base/result.ts'
import type { Param, Postback } from '../../src/model/postback.ts'
import { paramKey } from '../../src/model/postback.ts'
import { DEFAULT_LIMITS } from '../../src/receive/limits.ts'
import { readPostback } from '../../src/receive/read.ts'
import type { Check, SignatureCheck } from '../../src/rules/check-schema.ts'
import { compileSource } from '../../src/rules/source.ts'
import type { VerifyOptions } from '../../src/verify/context.ts'
import { decodeSignature } from '../../src/verify/encoding.ts'
import { compileEqualsAny } from '../../src/verify/equal.ts'
import { lintVerify } from '../../src/verify/lint.ts'
import type { DraftRequest } from '../../src/verify/placement.ts'
import { signRequest } from '../../src/verify/sign.ts'
import { compileVerify, type Verifier } from '../../src/verify/verify.ts'

const NOW = Date.parse('2026-01-01T00:00:00Z')
const SECRET = 'postern-test-secret'
const BASE = 'https://pb.example.com'

function read(request: Partial<DraftRequest> & { target: string }, client?: string): Postback {
  const result = readPostback(
    {
      method: request.method ?? 'GET',
      target: request.target,
      headers: request.headers ?? {},
      body: Buffer.from(request.body ?? ''),
    },
    client,
    NOW,
    DEFAULT_LIMITS,
  )
  if (!result.ok) throw new Error(result.error.detail)
  return result.value
}
const query = (text: string) => read({ target: `/in/acme?${text}` })

function verifier(checks: Check[], options: VerifyOptions = {}): Verifier {
  const compiled = compileVerify(checks, { secrets: [SECRET], ...options })
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.error))
  return compiled.value
}

/** `ok`, or the reason. */
function verdict(checks: Verifier, postback: Postback, now = NOW): string {
  const result = checks.check(postback, now)
  return result.ok ? 'ok' : result.error.reason
}

function faults(checks: Check[], options: VerifyOptions = {}): string[] {
  const compiled = compileVerify(checks, options)
  return compiled.ok ? [] : compiled.error.map(({ path }) => path.join('.'))
}

t.test('sources', async t => {
  const source = (text: string, postback: Postback) => {
    const compiled = compileSource(text)
    if (!compiled.ok) throw new Error(compiled.error)
    const { found, value } = compiled.value.read(postback)
    return found === 'one' ? `=${value}` : found
  }
  const body = '{"a":{"b":[{"c":12345678901234567890}]},"top":true,"n":null}'
  const postback = read({
    method: 'POST',
    target: '/in/acme/tok%20en/ftd?Click_ID=a%20b&x=1&x=1&y=1&y=2&z=%zz&e=',
    headers: { 'content-type': 'application/json', 'x-sig': 'S' },
    body,
  })
  const rows: [string, string][] = [
    ['clickid', '=a b'],
    ['click-id', '=a b'],
    ['x', '=1'],
    ['y', 'many'],
    ['z', 'broken'],
    ['e', '='],
    ['nope', 'none'],
    ['top', '=true'],
    ['n', 'none'],
    ['json:a.b[0].c', '=12345678901234567890'],
    ['json:a.b', 'none'],
    ['json:a.b[1].c', 'none'],
    ['header:X-Sig', '=S'],
    ['header:X-None', 'none'],
    ['header:constructor', 'none'],
    ['path:token', '=tok en'],
    ['path:event', '=ftd'],
    ['literal:x:y', '=x:y'],
  ]
  for (const [text, expected] of rows) t.equal(source(text, postback), expected, text)
  for (const text of [
    '',
    '_',
    'path:x',
    'header:',
    'header:a b',
    'json:',
    'json:a..b',
    'foo:bar',
  ]) {
    t.notOk(compileSource(text).ok, text)
  }
})

t.test('tokens', async t => {
  const tokens = ['s3cret', 'second']
  t.test('row 59', async t => {
    const byParam = verifier([{ token: 'key' }], { tokens })
    const rows: [string, string][] = [
      ['key=s3cret', 'ok'],
      ['KEY=second', 'ok'],
      ['key=s3cret&key=s3cret', 'ok'],
      ['', 'secret_missing'],
      ['key=', 'secret_missing'],
      ['key=wrong', 'secret_mismatch'],
      ['key=s3cre', 'secret_mismatch'],
      ['key=s3cret2', 'secret_mismatch'],
      ['key=S3CRET', 'secret_mismatch'],
      ['key=s3cret%20', 'secret_mismatch'],
      ['key=s3cret&key=x', 'secret_mismatch'],
      ['key[]=s3cret', 'secret_missing'],
      ['key=%zz', 'secret_mismatch'],
    ]
    for (const [text, expected] of rows) t.equal(verdict(byParam, query(text)), expected, text)
    t.same([...byParam.secretKeys], ['key'])
  })
  t.test('in the path or a header', async t => {
    const byPath = verifier([{ token: 'path:token' }], { tokens })
    t.equal(verdict(byPath, read({ target: '/in/acme/s3cret' })), 'ok')
    t.equal(verdict(byPath, read({ target: '/in/acme' })), 'secret_missing')
    const byHeader = verifier([{ token: 'header:X-Key' }], { tokens })
    t.equal(verdict(byHeader, read({ target: '/in/acme', headers: { 'x-key': 'second' } })), 'ok')
    t.equal(byHeader.secretKeys.size, 0)
  })
  t.test('no token, or an empty one, does not load', async t => {
    for (const bad of [undefined, [], [''], ['a', '']]) {
      t.same(faults([{ token: 'key' }], { tokens: bad }), ['verify.0.token'])
    }
    t.same(faults([{ token: 'path:nope' }], { tokens }), ['verify.0.token'])
  })
  t.test('any length compares, and only the same text is equal', async () => {
    const text = fc.string({ unit: 'binary', maxLength: 200 })
    fc.assert(
      fc.property(text, text, (a, b) => {
        assert.equal(compileEqualsAny(['x', a])(b), a === b || b === 'x')
        assert.ok(compileEqualsAny([a, 'x'])(a))
      }),
    )
  })
})

t.test('addresses', async t => {
  const list = verifier([{ ip: ['192.0.2.0/24', '2001:db8::/32'] }])
  const from = (client: string | undefined) => verdict(list, read({ target: '/in/acme' }, client))
  t.equal(from('192.0.2.9'), 'ok')
  t.equal(from('192.0.2.9'), 'ok', 'again, from memory')
  t.equal(from('2001:db8::1'), 'ok')
  t.equal(from('203.0.113.1'), 'ip_denied')
  t.equal(from('203.0.113.1'), 'ip_denied')
  t.equal(from(undefined), 'ip_unparseable')
  const own = verifier([{ ip: ['192.0.2.0/24'] }], { ips: ['203.0.113.1'] })
  t.equal(verdict(own, read({ target: '/in/acme' }, '203.0.113.1')), 'ok')
  t.equal(verdict(own, read({ target: '/in/acme' }, '192.0.2.9')), 'ip_denied', 'replaced')
  t.same(faults([{ ip: [] }]), ['verify.0.ip'])
  t.same(faults([{ ip: ['1.2.3.4'] }], { ips: [] }), ['verify.0.ip'])
  t.same(faults([{ ip: ['1.2.3.4', '1.2.3.4/33', '1.2.3'] }]), ['verify.0.ip.1', 'verify.0.ip.2'])
  t.same(faults([{ ip: [] }], { ips: ['x'] }), ['verify.0.ip'])
})

const md5: SignatureCheck = { algorithm: 'md5', over: '{tx}{user}{payout}{secret}', from: 'sig', encoding: 'hex' } // prettier-ignore
const hash = (algorithm: string, text: string) => createHash(algorithm).update(text)
const hmac = (algorithm: string, text: string | Buffer) => createHmac(algorithm, SECRET).update(text) // prettier-ignore

t.test('signatures', async t => {
  t.test('row 61: text of the signature', async t => {
    const good = hash('md5', `1231.50${SECRET}`).digest('hex')
    const check = verifier([{ signature: md5 }])
    const rows: [string, string][] = [
      [good, 'ok'],
      [good.toUpperCase(), 'ok'],
      ['', 'signature_missing'],
      [good.slice(1), 'signature_malformed'],
      [`${good}0`, 'signature_malformed'],
      [`z${good.slice(1)}`, 'signature_malformed'],
      [`${good.slice(0, -2)}zz`, 'signature_malformed'],
      [`${good}%20`, 'signature_malformed'],
      ['0'.repeat(32), 'signature_invalid'],
      ['%zz', 'signature_malformed'],
      [`${good}&sig=${'0'.repeat(32)}`, 'param_duplicate'],
    ]
    for (const [text, expected] of rows) {
      t.equal(verdict(check, query(`tx=1&user=23&payout=1.50&sig=${text}`)), expected, text)
    }
    t.equal(verdict(check, query('tx=1')), 'signature_missing')
    t.same([...check.secretKeys], ['sig'])
  })
  t.test('base64 and base64url are not each other, padding is whole or absent', async t => {
    const bytes = Buffer.from('fbeffffb', 'hex')
    t.same(decodeSignature('++//+w==', 'base64', 4), bytes)
    t.same(decodeSignature('++//+w', 'base64', 4), bytes)
    t.same(decodeSignature('--__-w', 'base64url', 4), bytes)
    t.same(decodeSignature('--__-w==', 'base64url', 4), bytes)
    for (const bad of ['++//+w=', '--__-w==', '++//+x==', '+ +//+w=', '++//+w===', '++//+w==x', '++//', '', '=', '====']) {
      t.equal(decodeSignature(bad, 'base64', 4), undefined, bad)
    } // prettier-ignore
    t.equal(decodeSignature('++//+w', 'base64url', 4), undefined)
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), array => {
        const bytes = Buffer.from(array)
        for (const encoding of ['hex', 'base64', 'base64url'] as const) {
          const text = bytes.toString(encoding)
          assert.deepEqual(decodeSignature(text, encoding, bytes.length), bytes)
          assert.equal(decodeSignature(text, encoding, bytes.length + 1), undefined)
        }
      }),
    )
    const encodings = fc.constantFrom('hex', 'base64', 'base64url' as const)
    fc.assert(
      fc.property(fc.string(), encodings, (text, encoding) => {
        const bytes = decodeSignature(text, encoding, 16)
        if (bytes) assert.equal(bytes.length, 16)
      }),
    )
  })
  t.test('every algorithm, plain and keyed, in every encoding', async t => {
    for (const algorithm of ['md5', 'sha1', 'sha256', 'sha512'] as const) {
      for (const encoding of ['hex', 'base64', 'base64url'] as const) {
        const plain = verifier([{ signature: { ...md5, algorithm, encoding, over: '{a}:{secret}' } }]) // prettier-ignore
        const sig = encodeURIComponent(hash(algorithm, `1:${SECRET}`).digest(encoding))
        t.equal(verdict(plain, query(`a=1&sig=${sig}`)), 'ok')
        const keyed = verifier([{ signature: { ...md5, algorithm, encoding, hmac: true, over: '{a}' } }]) // prettier-ignore
        const mac = encodeURIComponent(hmac(algorithm, '1').digest(encoding))
        t.equal(verdict(keyed, query(`a=1&sig=${mac}`)), 'ok')
        t.equal(verdict(keyed, query(`a=2&sig=${mac}`)), 'signature_invalid')
        t.equal(verdict(plain, query(`a=1&sig=${mac}`)), 'signature_invalid')
      }
    }
  })
  t.test('each secret is tried', async t => {
    const check = verifier([{ signature: md5 }], { secrets: ['new', SECRET] })
    for (const secret of ['new', SECRET]) {
      const sig = hash('md5', `123${secret}`).digest('hex')
      t.equal(verdict(check, query(`tx=1&user=2&payout=3&sig=${sig}`)), 'ok')
    }
    const other = hash('md5', '123other').digest('hex')
    t.equal(verdict(check, query(`tx=1&user=2&payout=3&sig=${other}`)), 'signature_invalid')
  })
  t.test('what is signed: as sent, settings, header, body', async t => {
    const hex = (text: string | Buffer) => hmac('sha256', text).digest('hex')
    const over = (over: string, extra: VerifyOptions = {}) =>
      verifier([{ signature: { algorithm: 'sha256', hmac: true, over, from: 'header:S', encoding: 'hex' } }], extra) // prettier-ignore
    const signed = (target: string, text: string | Buffer, body?: string) =>
      read({
        target,
        headers: { s: hex(text), 'x-id': '7', 'content-type': 'application/json' },
        ...(body === undefined ? {} : { method: 'POST' as const, body }),
      })
    t.equal(verdict(over('{a}|{raw.a}'), signed('/in/acme?a=x+y', 'x y|x+y')), 'ok')
    t.equal(verdict(over('{a}|{raw.a}'), signed('/in/acme?a=x%20y', 'x y|x%20y')), 'ok')
    t.equal(verdict(over('{raw.a}'), signed('/in/acme?a=%zz', '%zz')), 'ok', 'row 32')
    t.equal(verdict(over('{q.body}.{header.X-Id}'), signed('/in/acme?body=b', 'b.7')), 'ok')
    t.equal(verdict(over('{settings.app}-{a}', { settings: { app: 'A' } }), signed('/in/acme?a=1', 'A-1')), 'ok') // prettier-ignore
    t.equal(verdict(over('{body}'), signed('/in/acme', '{"a":"é"}', '{"a":"é"}')), 'ok')
    t.equal(verdict(over('{header.x-id}.{body}'), signed('/in/acme', '7.{"a":"é"}', '{"a":"é"}')), 'ok') // prettier-ignore
    t.equal(verdict(over('{body}'), signed('/in/acme', '{"a":1}', '{"a":2}')), 'signature_invalid')
  })
  t.test(
    'missing counts as empty, twice or broken is refused, nothing at all is no signature',
    async t => {
      const check = verifier([{ signature: { ...md5, hmac: true, algorithm: 'sha256', over: '{a}-{b}' } }]) // prettier-ignore
      const mac = (text: string) => hmac('sha256', text).digest('hex')
      t.equal(verdict(check, query(`a=1&sig=${mac('1-')}`)), 'ok')
      t.equal(verdict(check, query(`a=1&a=2&b=3&sig=${mac('1-3')}`)), 'param_duplicate', 'row 35')
      t.equal(verdict(check, query(`a=%zz&b=3&sig=${mac('-3')}`)), 'encoding_invalid')
      t.equal(verdict(check, query(`sig=${mac('-')}`)), 'signature_invalid')
    },
  )
  t.test('row 63: formats stop digits from moving', async t => {
    const sig = hash('md5', `1231.50${SECRET}`).digest('hex')
    const formats = { tx: '\\d{2}', user: '\\d', payout: '\\d+\\.\\d\\d' }
    const check = verifier([{ signature: { ...md5, formats } }])
    t.equal(verdict(check, query(`tx=12&user=3&payout=1.50&sig=${sig}`)), 'ok')
    t.equal(verdict(check, query(`tx=1&user=23&payout=1.50&sig=${sig}`)), 'param_invalid')
    t.equal(verdict(check, query(`tx=12&user=31&payout=.50&sig=${sig}`)), 'param_invalid')
    const lines = hash('md5', `12\n31.50${SECRET}`).digest('hex')
    t.equal(verdict(check, query(`tx=12%0A&user=3&payout=1.50&sig=${lines}`)), 'param_invalid')
    t.same(faults([{ signature: { ...md5, formats: { tx: '(' } } }], { secrets: ['s'] }), ['verify.0.signature.formats.tx']) // prettier-ignore
  })
  t.test('row 64: a signature of another network, or of a chosen algorithm', async t => {
    const check = verifier([{ signature: md5 }], { secrets: ['other'] })
    const sig = hash('md5', `123${SECRET}`).digest('hex')
    t.equal(verdict(check, query(`tx=1&user=2&payout=3&sig=${sig}&alg=none`)), 'signature_invalid')
  })
  t.test('what cannot refuse does not load', async t => {
    const of = (change: Partial<SignatureCheck>, options: VerifyOptions = { secrets: ['s'] }) =>
      faults([{ signature: { ...md5, ...change } }], options)
    t.same(of({}, {}), ['verify.0.signature'])
    t.same(of({}, { secrets: [''] }), ['verify.0.signature'])
    t.same(of({ over: '{tx}{user}' }), ['verify.0.signature.over'])
    t.same(of({ over: '{secret}' }), ['verify.0.signature.over'])
    t.same(of({ over: '{settings.nope}{secret}' }), ['verify.0.signature.over'])
    t.same(of({ over: '{url}{secret}' }), ['verify.0.signature.over'])
    t.same(of({ key: '{secret}' }), ['verify.0.signature.key'])
    t.same(of({ hmac: true, key: 'constant' }), ['verify.0.signature.key'])
    t.same(of({ from: 'path:x' }), ['verify.0.signature.from'])
    t.same(of({ over: '{tx}{settings.salt}' }, { settings: { salt: 'x' } }), [])
  })
  t.test('no byte of a signed part can change', async () => {
    const check = verifier([
      { signature: { ...md5, algorithm: 'sha256', hmac: true, over: '{tx}&{payout}' } },
    ])
    const word = fc.stringMatching(/^[a-z0-9.]{1,20}$/)
    fc.assert(
      fc.property(
        word,
        word,
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (tx, payout, at, flip) => {
          const sig = hmac('sha256', `${tx}&${payout}`).digest()
          const parts = [Buffer.from(tx), Buffer.from(payout), sig]
          const target = (parts: Buffer[]) => {
            const percent = (part: Uint8Array = Buffer.alloc(0)) => [...part].map(b => `%${b.toString(16).padStart(2, '0')}`).join('') // prettier-ignore
            return `tx=${percent(parts[0])}&payout=${percent(parts[1])}&sig=${parts[2]?.toString('hex')}`
          }
          assert.equal(verdict(check, query(target(parts))), 'ok')
          const changed = parts.map(part => Buffer.from(part))
          const part = changed[at % 3]
          if (part) part[at % part.length] = (part[at % part.length] ?? 0) ^ flip
          assert.notEqual(verdict(check, query(target(changed))), 'ok')
        },
      ),
    )
  })
})

t.test('worked vectors of the networks', async t => {
  interface Vector {
    over: string
    from: string
    algorithm?: SignatureCheck['algorithm']
    hmac?: boolean
    encoding?: SignatureCheck['encoding']
    settings?: Record<string, string>
    target: string
  }
  const vectors: Record<string, Vector> = {
    lootably: { algorithm: 'sha256', over: '{userID}{ip}{revenue}{currencyReward}{secret}', from: 'hash', target: 'userID=user-1042&transactionID=T-90817&ip=203.0.113.7&revenue=1.25&currencyReward=1250&offerID=5561&status=1&hash=f72899dce7a8cbf21f81d26eaff3648abb07ca8c0f084e52cd9eff10712a85f1' },
    cpxresearch: { over: '{trans_id}-{secret}', from: 'hash', target: 'status=1&type=complete&trans_id=T-90817&user_id=user-1042&amount_local=1250&amount_usd=1.25&ip_click=203.0.113.7&hash=22f00754c02690249fe2f014e1a1306d' },
    timewall: { algorithm: 'sha256', over: '{userID}{revenue}{secret}', from: 'hash', target: 'userID=user-1042&transactionID=T-90817&revenue=1.25&currencyAmount=1250&type=credit&hash=b7e4e90df71f7aae1b7a388120f3c1cb8ce7f58b053b31e86716e89ced027221' },
    wannads: { over: '{subId}{transId}{reward}{secret}', from: 'signature', target: 'subId=user-1042&transId=T-90817&reward=1250&payout=1.25&status=1&userIp=203.0.113.7&country=US&signature=8aea7ef431f7e0b1c2b08eea0b667441' },
    kiwiwall: { over: '{sub_id}:{amount}:{secret}', from: 'signature', target: 'status=1&trans_id=T-90817&sub_id=user-1042&gross=1.25&amount=1250&offer_id=5561&ip_address=203.0.113.7&signature=cdc815bfa51abe30d7495e8b2c5b6594' },
    'kiwiwall reversal': { over: '{sub_id}:{amount}:{secret}', from: 'signature', target: 'status=2&trans_id=T-90817&sub_id=user-1042&gross=1.25&amount=-1250&offer_id=5561&ip_address=203.0.113.7&signature=71331c6ae4585bf2af277007455d0f60' },
    torox: { over: '{oid}-{user_id}-{secret}', from: 'sig', target: 'id=T-90817&oid=5561&user_id=user-1042&amount=1250&payout=1.25&o_name=Coin%20Quest&sig=c8fbbe17e606b9cc443a5ec743971e3f' },
    superrewards: { over: '{id}:{new}:{uid}:{secret}', from: 'sig', target: 'id=T-90817&uid=user-1042&oid=5561&new=1250&total=9800&sig=a1bb2df85ca40d5238067943de969d7d' },
    personaly: { over: '{user_id}:{settings.publisher_hash}:{secret}', settings: { publisher_hash: 'pubhash0001' }, from: 'pub_signature', target: 'user_id=user-1042&amount=1250&payout=1.25&offer_id=5561&pub_signature=0aab00aef1cd8a9d59253cf68536c0ac' },
    offerdaddy: { over: '{transaction_id}/{offer_id}/{secret}', from: 'signature', target: 'transaction_id=T-90817&offer_id=5561&userid=user-1042&amount=1250&payout=1.25&signature=81503e9c04e7f10ed72b37cf938a3590' },
    tapjoy: { over: '{id}:{snuid}:{currency}:{secret}', from: 'verifier', target: 'snuid=user-1042&currency=50&id=0a1b2c3d&verifier=e3d41cc97e581f06ed53e70e00d1c1c1' },
    levelplay: { over: '{timestamp}{eventId}{appUserId}{rewards}{secret}', from: 'signature', target: 'appUserId=user-1042&rewards=25&eventId=ev-5512&timestamp=202601151230&signature=fd06cffae7c5650784a7301784d7cffa' },
    'applovin max': { algorithm: 'sha1', over: '{event}{secret}', from: 'token', target: 'user_id=user-1042&event=0123456789abcdef0123456789abcdef01234567&amount=100&currency=coins&token=86128c52ee80a9ca329d493f6cb4c2e2dab8047d' },
    'dt offerwall': { algorithm: 'sha1', over: '{secret}{uid}{amount}{_trans_id_}{pub0}', from: 'sid', target: 'uid=user-1042&amount=1250&currency_name=Coin&currency_id=coin&_trans_id_=6f1c2f0e-0b52-4b8e-9a64-2f1f9c1d7c11&pub0=campaignA&sid=a760119eb7345a28cd98feafeed8fe43fe434bcf' },
    'unity ads': { hmac: true, over: 'oid={oid},productid={productid},sid={sid}', from: 'hmac', target: 'productid=1486550&sid=user-1042&oid=0987654321&hmac=65f917d7da75b6392ae430e8ce8e6143' },
    pollfish: { algorithm: 'sha1', hmac: true, encoding: 'base64', over: '{cpa}:{device_id}:{request_uuid}:{reward_name}:{reward_value}:{status}:{timestamp}:{tx_id}', from: 'signature', target: 'cpa=30&device_id=my-device-id&request_uuid=user-1042&reward_name=Coins&reward_value=60&status=eligible&timestamp=1463152452308&tx_id=08f31d41d800cc7a0beb7eb4897639a8ba7fd7db&signature=JumgGLvjOD0qVqGP1f9Xyi%2FfidA%3D' },
    'pollfish without a reason': { algorithm: 'sha1', hmac: true, encoding: 'base64', over: '{cpa}:{device_id}:{request_uuid}:{reward_name}:{reward_value}:{status}:{term_reason}:{timestamp}:{tx_id}', from: 'signature', target: 'cpa=30&device_id=my-device-id&request_uuid=user-1042&reward_name=Coins&reward_value=60&status=eligible&timestamp=1463152452308&tx_id=08f31d41d800cc7a0beb7eb4897639a8ba7fd7db&signature=F84p%2FA3BFWCq3UGS%2BcE0C26OZKg%3D' },
    adscend: { hmac: true, over: 'rate={raw.rate}&sub1={raw.sub1}&transaction_id={raw.transaction_id}&status={raw.status}&ip={raw.ip}', from: 'hash', target: 'rate=1.25&sub1=user-1042&transaction_id=T-90817&status=1&ip=203.0.113.7&hash=01ae7980f483b4bf57048246cbb3acae' },
    'tapresearch redirect': { algorithm: 'sha256', hmac: true, over: '{status},{revenue},{reward},{tid},{click_id}', from: 'sech', target: 'status=1&revenue=0.45&reward=50&tid=session_123&click_id=abc123&sech=c1f78d54cede9278a9269a2afe645975db9fdef8bea0333478ef031fa673ff2c' },
  } // prettier-ignore
  for (const [id, vector] of Object.entries(vectors)) {
    const { target, settings, ...rest } = vector
    const signature: SignatureCheck = { algorithm: 'md5', encoding: 'hex', ...rest }
    t.equal(verdict(verifier([{ signature }], { settings }), query(target)), 'ok', id)
    const wrong = verifier([{ signature }], { settings, secrets: ['another-secret'] })
    t.equal(verdict(wrong, query(target)), 'signature_invalid', `${id}, another secret`)
  }
  const adgem =
    '{"request_id":"0d9b6c1e-7f3a-4c52-9b1e-2a6f5d8c4e10","timestamp":1760000000,"data":{"conversion_type":"reward","conversion_id":"T-90817","goal_id":"9","player_id":"user-1042","offer_id":5561,"amount":1250,"payout":1.25}}'
  const byBody = verifier([{ signature: { algorithm: 'sha256', hmac: true, over: '{body}', from: 'header:Signature', encoding: 'hex' } }]) // prettier-ignore
  const headers = { 'content-type': 'application/json', signature: '24dd164a9476ffe3f51b4bbb4a3f284c4bf5e1480af435181744c5d6f248f4be' } // prettier-ignore
  t.equal(verdict(byBody, read({ method: 'POST', target: '/in/adgem', headers, body: adgem })), 'ok', 'adgem') // prettier-ignore
})

t.test('freshness', async t => {
  const at = (offset: number) => NOW / 1000 + offset
  const of = (format: 'unix_s' | 'unix_ms' | 'iso' | 'auto') =>
    verifier([{ freshness: { from: 'ts', format, within_seconds: 300 } }])
  const rows: ['unix_s' | 'unix_ms' | 'iso' | 'auto', string, string][] = [
    ['unix_s', `ts=${at(299)}`, 'ok'],
    ['unix_s', `ts=${at(-300)}`, 'ok'],
    ['unix_s', `ts=${at(301)}`, 'timestamp_out_of_window'],
    ['unix_s', `ts=${at(-301)}`, 'timestamp_out_of_window'],
    ['unix_s', `ts=${NOW}`, 'timestamp_out_of_window'],
    ['unix_s', `ts=-${at(0)}`, 'timestamp_out_of_window'],
    ['unix_s', 'ts=1e20', 'timestamp_out_of_window'],
    ['unix_s', 'ts=NaN', 'timestamp_out_of_window'],
    ['unix_s', '', 'timestamp_missing'],
    ['unix_s', 'ts=', 'timestamp_missing'],
    ['unix_s', 'ts=%zz', 'encoding_invalid'],
    ['unix_s', `ts=${at(0)}&ts=${at(1)}`, 'param_duplicate'],
    ['unix_ms', `ts=${NOW - 1}`, 'ok'],
    ['unix_ms', `ts=${at(0)}`, 'timestamp_out_of_window'],
    ['iso', 'ts=2026-01-01T00:00:00Z', 'ok'],
    ['iso', 'ts=2026-01-01T01:00:00%2B01:00', 'ok'],
    ['iso', 'ts=2026-01-01T00:00:00', 'timestamp_out_of_window'],
    ['iso', 'ts=2026-13-01T00:00:00Z', 'timestamp_out_of_window'],
    ['auto', `ts=${at(0)}`, 'ok'],
    ['auto', `ts=${NOW}`, 'ok'],
    ['auto', 'ts=2026-01-01T00:00:00.123Z', 'ok'],
    ['auto', 'ts=1', 'timestamp_out_of_window'],
  ]
  for (const [format, text, expected] of rows) {
    t.equal(verdict(of(format), query(text)), expected, `${format} ${text}`)
  }
  t.same(faults([{ freshness: { from: 'path:x', format: 'auto', within_seconds: 1 } }]), ['verify.0.freshness.from']) // prettier-ignore
})

t.test('all checks must pass, in their order', async t => {
  const check = verifier([{ token: 'key' }, { ip: ['192.0.2.1'] }], { tokens: ['k'] })
  t.equal(verdict(check, read({ target: '/in/acme?key=k' }, '192.0.2.1')), 'ok')
  t.equal(verdict(check, read({ target: '/in/acme?key=k' }, '192.0.2.2')), 'ip_denied')
  t.equal(verdict(check, read({ target: '/in/acme' }, '192.0.2.2')), 'secret_missing')
  t.equal(verdict(verifier([]), query('')), 'ok', 'no check at all is lint’s business')
  t.same(faults([{ token: 'a' }, { ip: [] }, {}]), ['verify.0.token', 'verify.1.ip', 'verify.2'])
})

t.test('what is signed passes', async t => {
  const options: VerifyOptions = { tokens: ['to/k en'], secrets: [SECRET], settings: { app: '7' }, publicBaseUrl: BASE } // prettier-ignore
  const signs = (checks: Check[], request: DraftRequest) => {
    const check = verifier(checks, options)
    const signed = signRequest(check, request, { now: NOW, read: draft => ok(read(draft)) })
    if (!signed.ok) return signed.error
    return verdict(check, read(signed.value))
  }
  const get = (target: string): DraftRequest => ({ method: 'GET', target, headers: {}, body: '' })
  const post = (type: string, body: string): DraftRequest => ({
    method: 'POST',
    target: '/in/acme?x=1',
    headers: { 'content-type': type },
    body,
  })
  const FORM = 'application/x-www-form-urlencoded'
  const b64 = { ...md5, encoding: 'base64' } as const
  const sha = { algorithm: 'sha256', hmac: true, encoding: 'hex' } as const
  t.test('wherever it is carried', async t => {
    const rows: [string, Check[], DraftRequest][] = [
      ['added to the query', [{ signature: md5 }], get('/in/acme?tx=1')],
      ['replaced in the query', [{ signature: b64 }], get('/in/acme?SIG=old&tx=1&sig=x')],
      ['to a bare path', [{ token: 'key' }], get('/in/acme')],
      ['path token', [{ token: 'path:token' }], get('/in/acme?tx=1')],
      ['path token replaced', [{ token: 'path:token' }], get('/in/acme/old/ftd')],
      ['header', [{ token: 'header:X-Key' }], get('/in/acme')],
      ['form', [{ signature: b64 }], post(FORM, 'tx=1&sig=')],
      ['form, added', [{ signature: b64 }], post(FORM, 'tx=1')],
      ['JSON', [{ signature: md5 }], post('application/json', '{"tx":1, "Sig" : "x"}')],
      ['JSON, added', [{ signature: md5 }], post('application/json', '{"tx":1}')],
      ['JSON, empty', [{ token: 'key' }], post('application/json', ' { } ')],
      ['url with a token', [{ url_signature: { ...sha, covers: 'url', from: 'header:S' } }, { token: 'key' }], get('/in/acme?a=1')],
      ['query', [{ url_signature: { ...sha, covers: 'query', from: 'sig' } }], get('/in/acme?a=1&sig=old&b=%20+')],
      ['body', [{ body_signature: { algorithm: 'sha1', encoding: 'base64', from: 'header:S', prefix: 'sha1=' } }], post(FORM, 'a=1')],
      ['pairs', [{ pairs_signature: { algorithm: 'sha1', source: 'form', order: 'name', pair: '{value}|', append: '{secret}', from: 'sig', encoding: 'hex', truncate: 8 } }], post(FORM, 'b=1&a=2&sig=x')],
      ['a header with its time', [{ timestamped_signature: { from: 'header:S', within_seconds: 5 } }], post('application/json', '{"ts":1}')],
      ['JSON, deep', [{ token: 'json:a.b' }], post('application/json', '{"a":{"b":"x"}}')],
      ['one of two names', [{ signature: { ...md5, from: 'join:s1,s2' } }], get('/in/acme?tx=1')],
      ['the other of them', [{ signature: { ...md5, from: 'join:s1,s2' } }], get('/in/acme?tx=1&s2=old')],
      ['a value', [{ token: 'key' }, { equals: { from: 'app', value: 'A-{settings.app}' } }], get('/in/acme?tx=1')],
      ['body with a time', [{ signature: { ...sha, over: '{body}', from: 'header:S' } }, { freshness: { from: 'ts', format: 'unix_s', within_seconds: 5 } }], post('application/json', '{"ts":1}')],
    ] // prettier-ignore
    for (const [title, checks, request] of rows) t.equal(signs(checks, request), 'ok', title)
    for (const format of ['unix_s', 'unix_ms', 'iso', 'auto'] as const) {
      const freshness = { from: 'ts', format, within_seconds: 5 }
      t.equal(signs([{ freshness }, { signature: { ...md5, over: '{ts}{secret}' } }], get('/in/acme?ts=1')), 'ok') // prettier-ignore
    }
  })
  t.test('or it is said why not', async t => {
    t.match(signs([{ token: 'json:a.b' }], get('/in/acme')), /has no "b"/)
    t.match(signs([{ token: 'json:a[0]' }], get('/in/acme')), /cannot be put/)
    t.match(signs([{ token: 'literal:x' }], get('/in/acme')), /cannot be put/)
    t.match(signs([{ token: 'k|trim' }], get('/in/acme')), /cannot be undone/)
    t.match(signs([{ token: 'path:event' }], get('/in/acme')), /path like/)
    t.match(signs([{ token: 'k' }], post('application/json', '{"a":{"k":"1"},"k":"2"}')), /more than once/) // prettier-ignore
    t.match(signs([{ signature: md5 }], get('/in/acme?tx=1&tx=2')), /param_duplicate/)
  })
  t.test('whatever the values are', async () => {
    const value = fc.string({ unit: 'grapheme', maxLength: 20 })
    fc.assert(
      fc.property(value, value, fc.boolean(), (tx, user, isForm) => {
        const pairs = new URLSearchParams({ tx, user }).toString()
        const request = isForm ? post(FORM, pairs) : get(`/in/acme?${pairs}`)
        assert.equal(signs([{ token: 'key' }, { signature: b64 }], request), 'ok')
      }),
    )
  })
})

t.test('lint', async t => {
  const paths = (rule: Parameters<typeof lintVerify>[0]) =>
    lintVerify(rule).map(({ path }) => path.join('.'))
  const signed = (change: Partial<SignatureCheck>): Check[] => [
    { signature: { ...md5, ...change } },
  ]
  t.same(paths({ verify: [] }), ['verify'])
  t.same(paths({ verify: [{ token: 'k' }] }), ['verify'])
  t.same(paths({ verify: [{ token: 'k' }, { ip: ['1.2.3.4'] }] }), [])
  t.same(paths({ verify: [{ ip: ['1.2.3.4', '0.0.0.0/0', '::/0'] }] }), ['verify.0.ip.1', 'verify.0.ip.2']) // prettier-ignore
  t.equal(lintVerify({ verify: signed({}) }).length, 2, 'tx|user and user|payout')
  const formats = { TX: '\\d+', user: '\\d+' }
  t.equal(lintVerify({ verify: signed({ formats }) }).length, 1)
  t.same(paths({ verify: signed({ over: '{tx}:{user}{secret}' }) }), [])
  t.same(paths({ verify: signed({ over: '{secret}:{tx}' }) }), ['verify.0.signature.over'])
  t.same(paths({ verify: signed({ over: '{secret}:{tx}', hmac: true }) }), [])
  t.same(paths({ verify: signed({ over: '{secret}:{tx}{secret}' }) }), [])
  const over = '{tx}-{Pay_out}-{secret}'
  t.same(paths({ verify: signed({ over }), fields: { payout: ['payout'] } }), [])
  t.same(paths({ verify: signed({ over }), fields: { payout: ['payout', 'sum'] } }), [
    'fields.payout',
  ])
  t.same(paths({ verify: signed({ over }), fields: { payout: ['literal:1'] } }), [])
  t.same(paths({ verify: signed({ over: '{body}', hmac: true }), fields: { payout: ['json:a'] } }), []) // prettier-ignore
  t.same(paths({ verify: signed({ over: '{body}', hmac: true }), fields: { payout: ['a'] } }), ['fields.payout']) // prettier-ignore
})

t.test('nothing throws whatever comes', async () => {
  const check = verifier(
    [{ token: 'a' }, { ip: ['::/0'] }, { freshness: { from: 'c', format: 'auto', within_seconds: 1 } }, { signature: md5 }], // prettier-ignore
    { tokens: ['t'] },
  )
  const name = fc.constantFrom('a', 'c', 'sig', 'tx', 'user')
  const value = fc.oneof(fc.constant('t'), fc.constant(null), fc.string({ unit: 'binary' }))
  const param = fc.tuple(name, value).map(
    ([name, value]): Param => ({ name, key: paramKey(name), value, raw: value ?? '%', source: 'query' }), // prettier-ignore
  )
  fc.assert(
    fc.property(fc.array(param), params => {
      assert.notEqual(verdict(check, { ...query(''), params, client: '::1' }), 'ok')
    }),
  )
})
