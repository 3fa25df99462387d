/** base/: decimals are exact, ids carry owner and partition, what is shown is masked. */
import fc from 'fast-check'
import t from 'tap'
import * as decimal from '../src/base/decimal.ts'
import { createRecordIds, ownerOf, partitionOf, randomText } from '../src/base/id.ts'
import { addressBlock, canonicalAddress } from '../src/base/address.ts'
import { isSecretName, maskSecrets, printable, truncateAddress } from '../src/base/redact.ts'
import { maskPersonal, maskPersonalIn } from '../src/model/personal.ts'

const digits = (min: number, max: number) =>
  fc
    .array(fc.integer({ min: 0, max: 9 }), { minLength: min, maxLength: max })
    .map(list => list.join(''))
const decimals = fc
  .tuple(fc.constantFrom('', '-'), digits(1, 15), fc.option(digits(1, 8)))
  .map(([sign, whole, fraction]) => `${sign}${whole}${fraction === null ? '' : `.${fraction}`}`)

/** The value as an integer of 10^-30, by another way than the code under test. */
function scaled(text: string): bigint {
  const [whole = '0', fraction = ''] = text.replace('-', '').split('.')
  const value = BigInt(whole + fraction.padEnd(30, '0'))
  return text.startsWith('-') ? -value : value
}

t.test('parseDecimal takes plain decimals and nothing else', async t => {
  for (const [text, canonical] of [
    ['1.10', '1.10'],
    ['007', '7'],
    ['0', '0'],
    ['-0', '0'],
    ['-0.00', '0.00'],
    ['-5.5', '-5.5'],
    ['12345678901234567890.123456789012345678', '12345678901234567890.123456789012345678'],
  ] as const) {
    t.equal(decimal.parseDecimal(text), canonical, text)
  }
  for (const text of [
    '',
    '.',
    '1.',
    '.5',
    '1e3',
    '0x10',
    '1,5',
    '1.2.3',
    'Infinity',
    'NaN',
    '１',
    ' 1',
    '+1',
    '9'.repeat(40),
  ]) {
    t.equal(decimal.parseDecimal(text), undefined, JSON.stringify(text))
  }
})

t.test('arithmetic is exact', async t => {
  fc.assert(
    fc.property(decimals, decimals, (left, right) => {
      const a = decimal.parseDecimal(left) ?? t.fail(left)
      const b = decimal.parseDecimal(right) ?? t.fail(right)
      if (typeof a !== 'string' || typeof b !== 'string') return false
      const order = scaled(a) < scaled(b) ? -1 : scaled(a) > scaled(b) ? 1 : 0
      return (
        decimal.compareDecimals(a, b) === order &&
        scaled(decimal.negate(a)) === -scaled(a) &&
        scaled(decimal.shift(a, 2)) * 100n === scaled(a) &&
        scaled(decimal.multiply(a, b)) === (scaled(a) * scaled(b)) / 10n ** 30n
      )
    }),
  )
})

t.test('fixed rounds half away from zero', async t => {
  t.equal(decimal.fixed('1.005', 2), '1.01')
  t.equal(decimal.fixed('-1.005', 2), '-1.01')
  t.equal(decimal.fixed('1', 2), '1.00')
  t.equal(decimal.fixed('0.499', 0), '0')
  t.equal(decimal.fixed('-0.4', 0), '0')
  t.equal(decimal.share('10', '80'), '8.00')
  t.equal(decimal.shift('1234', 2), '12.34')
  t.equal(decimal.shift('1.5', -2), '150')
  t.equal(decimal.absolute('-3.50'), '3.50')
  t.equal(decimal.valueText('1.50'), '1.5')
  t.equal(decimal.valueText('10.00'), '10')
  t.equal(decimal.valueText('100'), '100')
  t.ok(decimal.isZero('0.00'))
  t.notOk(decimal.isZero('0.01'))
  t.ok(decimal.isNegative('-1'))
})

t.test('record ids name their owner and partition', async t => {
  const owner = randomText(10)
  const ids = createRecordIds(owner)
  const first = ids.next(15)
  t.equal(ownerOf(first), owner)
  t.equal(partitionOf(first), 15)
  t.not(ids.next(15), first)
  t.match(randomText(10), /^[0-9a-z]{10}$/)
})

t.test('redaction', async t => {
  for (const name of ['token', 'api_key', 'X-Auth-Token', 'sig', 'secret', 'pw', 'Authorization']) {
    t.ok(isSecretName(name), name)
  }
  for (const name of ['click_id', 'payout', 'keyword', 'signup']) t.notOk(isSecretName(name), name)
  t.equal(maskSecrets('a=s%2F1&b=s/1', ['s/1']), 'a=***&b=***')
  t.equal(maskSecrets('abc', ['']), 'abc')
  t.equal(printable('a\nb\u001b[2J'), 'a\\x0ab\\x1b[2J')
  t.equal(printable('abcdef', 3), 'abc…')
  t.equal(truncateAddress('203.0.113.7'), '203.0.113.0/24')
  t.equal(truncateAddress('2001:db8:1:2::3'), '2001:db8:1::/48')
})

t.test('a truncated address keeps the network part and nothing else', async t => {
  t.equal(truncateAddress('2001::5:6:7'), '2001:0:0::/48', 'the :: may stand anywhere')
  t.equal(truncateAddress('::1'), '0:0:0::/48')
  const group = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }))
  fc.assert(
    fc.property(fc.array(group, { minLength: 8, maxLength: 8 }), groups => {
      const written = groups.map(part => part.toString(16)).join(':')
      const canonical = canonicalAddress(written) ?? ''
      // A mapped IPv4 address is one, and has another test.
      if (!canonical.includes(':')) return true
      const network = groups.slice(0, 3).map(part => part.toString(16))
      return (
        truncateAddress(canonical) === `${network.join(':')}::/48` &&
        addressBlock(canonical) ===
          addressBlock(
            `${groups
              .slice(0, 4)
              .map(part => part.toString(16))
              .join(':')}::9`,
          )
      )
    }),
  )
})

t.test('personal data', async t => {
  const conversion = {
    click_id: 'click-1',
    email: 'a.person@example.com',
    user_agent: 'Mozilla/5.0 "x"',
    ip: '203.0.113.7',
    first_name: 'Al',
    q: { offer: '7', 'User-IP': '203.0.113.8', mail: 'b@example.com' },
  }
  const masked = maskPersonal(conversion)
  t.same(masked, {
    click_id: 'click-1',
    email: '***',
    user_agent: '***',
    ip: '***',
    first_name: '***',
    q: { offer: '7', 'User-IP': '***', mail: '***' },
  })
  const text = maskPersonalIn(
    'GET /x?c=click-1&e=a.person%40example.com&ua=Mozilla%2F5.0+%22x%22&n=Al\n{"ua":"Mozilla/5.0 \\"x\\"","ip":"203.0.113.8"}',
    conversion,
  )
  t.equal(text, 'GET /x?c=click-1&e=***&ua=***&n=Al\n{"ua":"***","ip":"***"}')
})
