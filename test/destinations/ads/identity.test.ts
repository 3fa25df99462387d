/** Identity: the vectors of vendors and of public code, and what holds for every spelling. */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import * as email from '../../../src/destinations/ads/email.ts'
import { hashed, plain, type Identify, type Spelling } from '../../../src/destinations/ads/hash.ts'
import { IDENTITY } from '../../../src/destinations/ads/identity.ts'
import * as name from '../../../src/destinations/ads/name.ts'
import * as phone from '../../../src/destinations/ads/phone.ts'
import * as place from '../../../src/destinations/ads/place.ts'

const { amazon, google, linkedin, meta, microsoft, nextdoor, pinterest, reddit, snapchat, spotify, tiktok, x } = IDENTITY // prettier-ignore

t.test('hashes that others published', async t => {
  const rows: [string, string | undefined, string][] = [
    ['Snap email', snapchat.email('Person@Example.com'), '542d240129883c019e106e3b1b2d3f3cb3537c43c425364de8e951d5a3083345'],
    ['Snap phone', snapchat.phone('+44 844 412 4653'), 'dc008fda46e2e64002cf2f82a4906236282d431c4f75e5b60bfe79fc48546383'],
    ['Snap first name', snapchat.first_name('John'), '96d9632f363564cc3032521409cf22a852f2032eec099ed5967c0d000cec607a'],
    ['Snap accented name', snapchat.first_name('Raphaël'), 'e74bb89e718fe1e19c422a48382870399f8bf7ca8dfa008739e75b0be76627b7'],
    ['Google email', google.email('alexz@example.com'), '509e933019bb285a134a9334b8bb679dff79d0ce023d529af4bd744d47b4fd8a'],
    ['Google phone', google.phone('+18005550100'), 'fb4f73a6ec5fdb7077d564cdd22c3554b43ce49168550c3b12c547b78c517b30'],
    ['Data Manager email', google.email('buyer@example.com'), '6a6c26195c3682faa816966af789717c3bfa834eee6c599d667d2b3429c27cfd'],
    ['Microsoft email', microsoft.email('john@contoso.com'), 'ec81f3ac7b2b19675bab9d54cf416f9f18cff87c97da5cca82c0f0891bc40602'],
    ['Microsoft phone', microsoft.phone('+1 (425) 555-1234'), 'c59475d96e9f01d7d18d06cfad84dd02333207f02c0c2c5663ef2782cda0390e'],
    ['Reddit email', reddit.email('alice@example.com'), 'ff8d9819fc0e12bf0d24892e45987e249a28dce836a85cad60e28eaaa8c6d976'],
    ['Reddit email, written oddly', reddit.email('Al.ice$+Apple@Example.Com'), 'ff8d9819fc0e12bf0d24892e45987e249a28dce836a85cad60e28eaaa8c6d976'],
    ['Reddit external id', reddit.external_id('testuserId1'), '7b023241a3132b792a5a33915a5afb3133cbb1e13d72879689bf6504de3b036d'],
    ['LinkedIn email', linkedin.email('testing@testing.com'), '584c4423c421df49955759498a71495aba49b8780eb9387dff333b6f0982c777'],
    ['LinkedIn email in capitals', linkedin.email('WHYAREYOUYELLING@EMAIL.com'), '691f95429e014a31230a8963ea28daff1da1c2e4d95f9723a4ea36c548ed2e58'],
    ['TikTok email', tiktok.email('bugsbunny@warnerbros.com'), '67e28cdcc3e845d3a4da05ca9fe5ddb7320a83b4cc2167f0555a3b04f63511e3'],
    ['TikTok phone without plus', tiktok.phone('12345678901234'), '00a63bd0437d6ca0fa7b95c00ab2e7c020faa71440e5246750d6b517689e6777'],
    ['TikTok phone', tiktok.phone('+1555-555-5555'), '910a625c4ba147b544e6bd2f267e130ae14c591b6ba9c25cb8573322dedbebd0'],
    ['Meta email', meta.email('nicholas.aguilar@segment.com'), 'eeaf810ee0e3cef3307089f22c3804f54c79eed19ef29bf70df864b43862c380'],
    ['Amazon email', amazon.email('test@example.com'), '973dfe463ec85785f5f95af5ba3906eedb2d931c24e69824a89ea65dba4e813b'],
    ['Spotify email', spotify.email('test@example.com'), '973dfe463ec85785f5f95af5ba3906eedb2d931c24e69824a89ea65dba4e813b'],
    ['Nextdoor phone', nextdoor.phone('+1 (415) 555-2671'), 'e732f608bbbff0e451359dd805daf3a9540eb9b42cffe06120b784af9e8a6ac6'],
    ['Meta date of birth', meta.birth_date('1990-01-31'), '267b39628557f31a6766b3d7f8823978c276759be4a5c9c52bf868d802ba5a0d'],
    ['Meta gender', meta.gender('female'), '252f10c83610ebca1a059c0bae8255eba2f95be4d1d7bcfa89d7248a82d9f111'],
    ['Meta city', meta.city('San José'), '198b8f84621d272c3923d3c8bfcf48f0fa33b89dd5999aa72881414b6a551223'],
  ] // prettier-ignore
  for (const [what, hash, expected] of rows) t.equal(hash, expected, what)
})

t.test('one person, four e-mail hashes', async t => {
  const address = 'Jane.Doe+cpa@example.org'
  const kept = 'a64dd088e2faab6091553e6c3e156fce87958deb6638c29cabe7e9921d2e0c99'
  const cut = 'ebc4e4fa571d149a9f15b4a0dcaaaa91085ed91311072c967ba2cc18ee7798bd'
  for (const one of [meta, tiktok, snapchat, pinterest, x, linkedin, google]) {
    t.equal(one.email(address), kept)
  }
  for (const one of [microsoft, reddit]) t.equal(one.email(address), cut)
  const gmail = 'd6117306485ed0e50afab3ac871e98f81699151f30281527d63ff5f233656c69'
  const plainGmail = '02960d4f6f59c0b7bf1d6c0a1b6afa936a0da99cb394240b55871db47b490c78'
  for (const one of [google, microsoft, reddit]) {
    t.equal(one.email(' Jane.Doe+cpa@Gmail.com '), gmail)
  }
  for (const one of [meta, tiktok, pinterest, amazon]) {
    t.equal(one.email(' Jane.Doe+cpa@Gmail.com '), plainGmail)
  }
  t.equal(
    meta.first_name('Mary Ann'),
    '16b3f07f0ec2f9dd127b71dc2e6c791b7d93116a1c3bc99d057eaa7a8a077e73',
  )
  t.equal(
    google.first_name('Mary Ann'),
    '343b97011010c3549fe7fcd6c226ed9431ea37b0b77ed78f6300a0098925faf1',
  )
  t.equal(
    meta.last_name("O'Neil"),
    '67a42a846e98e3c1a96cd6ba14883a5ea05990cd93964ce8b832aa9497ca785c',
  )
  t.equal(
    google.last_name("O'Neil"),
    'eb1aed4f494ca276a88d3161252e48e0fe703f32666fe44fe4652f660b82cda4',
  )
})

t.test('spellings', async t => {
  const rows: [Spelling, readonly (readonly [string, string | undefined])[]][] = [
    [email.emailGoogle, [
      ['user.name+NYC@Example.com', 'user.name+nyc@example.com'],
      ['j.e.f..ferson.Loves.hiking@gmail.com', 'jeffersonloveshiking@gmail.com'],
      ['Cloudy.SanFrancisco+shopping@gmail.com', 'cloudysanfrancisco@gmail.com'],
      ['A.B+c@GoogleMail.com', 'ab@googlemail.com'],
    ]],
    [email.emailAsWritten, [
      ['user.name+tag@domain.co.uk', 'user.name+tag@domain.co.uk'],
      [' John_Smith@gmail.com ', 'john_smith@gmail.com'],
      ['no-at-sign', undefined], ['@example.com', undefined], ['a@', undefined], ['a@b@c', undefined],
    ]],
    [email.emailMailbox, [[' John.Doe+promo@Contoso.com ', 'johndoe@contoso.com'], ['+@a.com', undefined]]],
    [email.emailLetters, [['Al.ice$+Apple@Example.Com', 'alice@example.com'], ['$$@a.com', undefined]]],
    [email.emailAmazon, [['J(ane)!@Example.com', 'jane@example.com']]],
    [email.emailWithoutSpaces, [['jane\t@ example.com', 'jane@example.com']]],
    [phone.phoneDigits, [
      ['+1 (616) 954-78 88', '16169547888'], ['+001 (616) 954-78 88', '16169547888'],
      ['01(650)123-4567', '16501234567'], ['+44 20 7946 0958', '442079460958'],
      ['(555) 123-4567', '5551234567'], ['0000', undefined], ['', undefined],
    ]],
    [phone.phoneE164, [
      ['+1 (425) 555-1234', '+14255551234'], ['0044 20 7946 0958', '+442079460958'],
      ['14155552671', '+14155552671'], ['4155552671', undefined], ['020 7946 0958', undefined],
      ['+0123456789', undefined], ['+1234567890123456', undefined], ['tel:+49 151 12345678', '+4915112345678'],
    ]],
    [phone.phoneTenDigits, [['+1 415 555 2671', '4155552671'], ['4155552671', '4155552671'], ['+44 20 7946 0958', undefined]]],
    [name.nameLetters, [["O'Connor", 'oconnor'], ['Van Der Berg', 'vanderberg'], ['John Smith', 'johnsmith'], ['--', '']]],
    [name.givenNameGoogle, [[' Mr. Alex ', 'alex'], [' Alex Dr.', 'alex dr.'], ['Quinn-Alex', 'quinn-alex'], [' Mr. ', '']]],
    [name.familyNameGoogle, [
      [' Quinn, Jr. ', 'quinn'], ['quinn, jr., dds', 'quinn'], ['Boardds', 'boardds'], [', Jr. ', ''],
    ]],
    [name.birthDate, [
      ['2/16/1997 (mm/dd/yyyy)', '19970216'], ['31-12-1990', '19901231'], ['05-03-1995', '19950503'],
      ['1990-01-31', '19900131'], ['1990-01-31T00:00:00Z', '19900131'], ['1/2/90', undefined],
      ['1990-13-01', undefined], ['32/12/1990', undefined],
    ]],
    [name.gender, [['Female', 'f'], ['M', 'm'], ['x', undefined]]],
    [place.cityLatin, [
      [' Menlo-Park ', 'menlopark'], ['St. Louis', 'stlouis'], ["O'Fallon", 'ofallon'], ['Montréal', 'montral'],
      ['Москва', ''],
    ]],
    [place.regionCode, [[' California. ', 'ca'], ['New-York', 'ny'], ['Ontario', 'on'], ['MO', 'mo'], ['Bayern', 'bayern']]],
    [place.zipFirstPart, [['37221-3312', '37221'], ['SW1A 1AA', 'sw1a1aa'], ['1', undefined], ['-12345', undefined]]],
    [place.zipDigits, [['63103', '63103'], ['SW1A 1AA', undefined]]],
    [place.zipAsWritten, [['  1229-076  ', '1229-076']]],
    [place.countryLower, [
      [' United States ', 'us'], ['USA', 'us'], ['South-Korea', 'kr'], ['DE', 'de'], ['UK', 'gb'], ['Atlantis', undefined],
    ]],
    [place.countryStrict, [[' us ', 'US'], ['usa', undefined]]],
    [place.placeWords, [['St. Louis', 'st louis'], ['MO', 'mo']]],
  ] // prettier-ignore
  for (const [spelling, cases] of rows) {
    for (const [text, expected] of cases) t.equal(spelling(text), expected, text)
  }
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
  t.equal(meta.external_id('USER-ID-456'), sha256('user-id-456'))
  t.equal(meta.external_id('external 123'), sha256('external123'))
})

t.test(
  'what is hashed already passes through, and is nothing where plain text is read',
  async t => {
    const hex = fc.stringMatching(/^[0-9a-fA-F]{64}$/)
    for (const [platform, fields] of Object.entries(IDENTITY)) {
      for (const [field, identify] of Object.entries(fields)) {
        fc.assert(
          fc.property(hex, hash => {
            const result = identify(` ${hash} `)
            return result === undefined || result === hash.toLowerCase()
          }),
        )
        t.equal(identify(undefined), undefined, `${platform}.${field}`)
        t.equal(identify('   '), undefined)
      }
    }
    t.equal(meta.email('A'.repeat(64)), 'a'.repeat(64))
    t.equal(tiktok.city('a'.repeat(64)), undefined)
  },
)

const SPELLINGS: readonly Spelling[] = [
  ...Object.values(email),
  ...Object.values(phone),
  ...Object.values(name),
  ...Object.values(place),
]

t.test('a spelling of a spelling is the same', async t => {
  const text = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.emailAddress(),
    fc.stringMatching(/^[+0-9 ()-]{5,20}$/),
    fc.constantFrom('Mr. Dr. Ann', 'X, Jr., PhD', 'mr', 'jr.', 'Côte d’Ivoire', '1990-1-2'),
    fc.tuple(fc.constantFrom('mr. ', 'dr ', ''), fc.string(), fc.constantFrom(' jr', ', md', '')).map(parts => parts.join('')), // prettier-ignore
  )
  t.doesNotThrow(() => {
    for (const spelling of SPELLINGS) {
      fc.assert(
        fc.property(text, raw => {
          const once = spelling(raw.trim()) ?? ''
          return once === '' || (spelling(once) ?? '') === once
        }),
      )
    }
  })
})

t.test('the same person, however written', async t => {
  const letter = fc.constantFrom('a', 'b', 'z', 'é', 'Ж')
  const word = fc.array(letter, { minLength: 2, maxLength: 8 }).map(letters => letters.join(''))
  const space = fc.constantFrom('', ' ', '\t', '\n')
  const upper = (text: string, flags: readonly boolean[]) =>
    [...text].map((c, i) => (flags[i % flags.length] ? c.toUpperCase() : c)).join('') // eslint-disable-line
  const flags = fc.array(fc.boolean(), { minLength: 1, maxLength: 9 })
  type Field = 'email' | 'phone' | 'first_name' | 'last_name' | 'zip' | 'country'
  /** Every platform that wants the field, without those named. */
  const all = (field: Field, ...without: (keyof typeof IDENTITY)[]): readonly Identify[] =>
    Object.entries(IDENTITY).flatMap(([platform, fields]) => {
      const identify = (fields as Readonly<Record<string, Identify>>)[field]
      return identify && !without.some(name => name === platform) ? [identify] : []
    })
  t.equal(all('email').length, Object.keys(IDENTITY).length)

  t.doesNotThrow(() => {
    fc.assert(
      fc.property(fc.emailAddress(), flags, space, space, (address, how, before, after) => {
        const other = before + upper(address, how) + after
        return all('email').every(of => of(address) === of(other))
      }),
    )
    const digits = fc.stringMatching(/^[1-9][0-9]{9,13}$/)
    const between = fc.array(fc.constantFrom('', ' ', '-', '(', ')', '.'), { minLength: 1, maxLength: 6 }) // prettier-ignore
    fc.assert(
      fc.property(digits, between, (number, marks) => {
        const written = `+${[...number].map((c, i) => c + marks[i % marks.length]).join('')}` // eslint-disable-line
        // Ten digits are those of one country only.
        return all('phone', 'nextdoor').every(
          of => of(`+${number}`) === of(written) && of(written) !== undefined,
        )
      }),
    )
    fc.assert(
      fc.property(word, flags, space, (first, how, around) => {
        const other = around + upper(first, how).normalize('NFD') + around
        // LinkedIn reads names as they are written.
        return [...all('first_name', 'linkedin'), ...all('last_name', 'linkedin')].every(
          of => of(first) === of(other),
        )
      }),
    )
    const code = fc.constantFrom('us', 'de', 'gb', 'kr', 'br')
    const zip = fc.stringMatching(/^[0-9]{5}$/)
    fc.assert(
      fc.property(code, zip, flags, space, space, (country, postal, how, before, after) => {
        const around = (text: string) => before + upper(text, how) + after
        return (
          all('country').every(of => of(country) === of(around(country)) && of(country)) &&
          all('zip').every(of => of(postal) === of(around(postal)) && of(postal))
        )
      }),
    )
    fc.assert(
      fc.property(word, word, flags, (a, b, how) => {
        const marks = ['-', ' ', '. ', "'"]
        return [meta, snapchat, pinterest].every(({ city: of }) =>
          marks.every(mark => of(a + b) === of(upper(a, how) + mark + upper(b, how))),
        )
      }),
    )
  })
})

t.test('hashed and plain', async t => {
  const shout: Spelling = text => (text === 'none' ? undefined : text.toUpperCase())
  t.equal(hashed(shout)('a'), createHash('sha256').update('A').digest('hex'))
  t.equal(hashed(shout)('none'), undefined)
  t.equal(hashed(() => '')('a'), undefined, 'nothing is not hashed')
  t.equal(plain(shout)(' a '), 'A')
})
