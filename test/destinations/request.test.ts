/** Requests from templates: what stands where, and that nothing a postback holds can change the rest. */
import fc from 'fast-check'
import t from 'tap'
import type { Conversion } from '../../src/model/conversion.ts'
import { attempt, CONVERSION, create, faultsOf, send, type RulePart } from './support.ts'

const url = (part: RulePart, conversion: Partial<Conversion> = {}) =>
  send(create(part), { conversion }).url

t.test('url and query', t => {
  t.test('pairs stand in order, an empty macro drops its pair', t => {
    const part = {
      request: {
        url: 'https://t.example/p?a={click_id}&fixed=1&b={sub1}&c',
        query: { d: '{event}', 'e e': 'x y', f: '{sub1}-{sub2}', g: '' },
      },
    }
    t.equal(url(part), 'https://t.example/p?a=click-1&fixed=1&c=&e%20e=x%20y&g=')
    t.equal(
      url(part, { click_id: '', sub1: 'one', event: 'é' }),
      'https://t.example/p?fixed=1&b=one&c=&d=%C3%A9&e%20e=x%20y&f=one-&g=',
    )
    t.end()
  })
  t.test('nothing left leaves no question mark', t => {
    t.equal(url({ request: { query: { a: '{sub1}' } } }), 'https://t.example/p')
    t.end()
  })
  t.test('path values are one segment each', t => {
    const part = { request: { url: 'https://t.example/a/{click_id}/{sub1}-x/z' } }
    t.equal(url(part, { sub1: '../?#' }), 'https://t.example/a/click-1/..%2F%3F%23-x/z')
    for (const click_id of ['', '.', '..']) {
      t.same(
        attempt(create(part), { conversion: { click_id, sub1: 's' } }),
        {
          reason: 'template_error',
          detail: '{click_id} in the path of the URL is empty or a dot segment',
        },
        `path value "${click_id}"`,
      )
    }
    const joined = create({ request: { url: 'https://t.example/{sub1}{sub2}/x' } })
    t.match(attempt(joined, { conversion: { sub1: '.', sub2: '.' } }), { reason: 'template_error' })
    const half = create({ request: { url: 'https://t.example/%2e{sub1}/x' } })
    t.match(attempt(half, { conversion: { sub1: '.' } }), { reason: 'template_error' })
    t.equal(send(half, { conversion: { sub1: '%2e' } }).url, 'https://t.example/%2e%252e/x')
    t.end()
  })
  t.test('host, port and whole URL may come from settings', t => {
    const settings = { host: { title: 'Host' } }
    const byHost = (host: string) =>
      faultsOf({ settings, request: { url: 'https://{settings.host}/p' } }, { settings: { host } })
    t.same(byHost('track.example:8443'), [])
    t.same(byHost('[2001:db8::1]:8080'), [])
    for (const host of [
      'u:p@h',
      'evil.com\\@127.0.0.1',
      'a/b',
      'h?x',
      'h#x',
      '.com',
      'a..b',
      'h:0',
      'h:65536',
      'bücher.example',
      '256.1.1.1',
      '[::zz]',
      ' h',
    ]) {
      t.match(byHost(host), [/^config settings\.host: .*the URL/], `host ${host}`)
    }
    const whole = {
      settings: { url: { title: 'URL' } },
      request: { url: '{settings.url}/x?a={sub1}' },
    }
    const at = (value: string) => create(whole, { settings: { url: value } })
    const given = { conversion: { sub1: 's' } }
    t.equal(send(at('http://h.example:81/base'), given).url, 'http://h.example:81/base/x?a=s')
    t.equal(send(at('http://h.example'), given).url, 'http://h.example/x?a=s')
    t.same(at('HTTP://H.example:80').origins, ['http://h.example'])
    const plain = { settings: { url: { title: 'URL' } }, request: { url: '{settings.url}' } }
    const kept = create(plain, { settings: { url: 'https://h.example/p?k=%7E1' } })
    t.equal(send(kept).url, 'https://h.example/p?k=%7E1')
    t.match(faultsOf(whole, { settings: { url: 'https://h/p?k=1' } }), [/must end before its "\?"/])
    for (const bad of [
      'h.example/p',
      'ftp://h/',
      'https://u:p@h/',
      'https://h/#f',
      'https://h/a/../b',
    ]) {
      t.match(faultsOf(plain, { settings: { url: bad } }), [/^config settings\.url/], bad)
    }
    t.match(faultsOf({ request: { url: '{settings.no}/x' } }), [/unknown setting "no"/])
    t.end()
  })
  t.test('an encoded host is canonical', t => {
    t.same(create({ request: { url: 'https://T.Example:443/' } }).origins, ['https://t.example'])
    t.equal(url({ request: { url: 'https://t.example' } }), 'https://t.example/')
    t.equal(url({ request: { url: 'https://t.example?a=1' } }), 'https://t.example/?a=1')
    t.end()
  })
  t.end()
})

t.test('security: what a rule cannot say', t => {
  const bad = (target: string) => faultsOf({ request: { url: target } })
  t.test('row 79: schemes', t => {
    for (const target of [
      'file:///etc/passwd',
      'gopher://h/',
      'javascript:alert(1)',
      'ftp://h/',
      'data:text/plain,x',
      'http:127.0.0.1',
      '//h/p',
      'h/p',
    ]) {
      t.match(bad(target), [/^rule request\.url: a URL starts with https/], target)
    }
    t.end()
  })
  t.test('row 80: user info and broken hosts', t => {
    for (const target of [
      'http://u:p@h/',
      'http://evil.com\\@127.0.0.1/',
      'http://h#@x/',
      'http://.com/',
      'http://a..b/',
      'http://h:0/',
      'http://h:99999/',
      'http:///p',
      'http://[::1/',
      'http://h /',
    ]) {
      t.match(bad(target), [/^rule request\.url: the URL/], target)
    }
    t.end()
  })
  t.test('row 81: a postback in scheme, host, port or user info', t => {
    for (const target of [
      'https://{{sub1}}/',
      'https://{sub1}/',
      'https://{sub1}.com/',
      'https://t.example:{sub1}/',
      'https://{sub1}@t.example/',
      '{sub1}://t.example/',
      'http{sub1}://t.example/',
      '{click_id}',
    ]) {
      t.match(bad(target), [/never come from a postback|a URL starts with https/], target)
    }
    t.end()
  })
  t.test('what is no URL text, a fragment, dot segments', t => {
    t.match(bad('https://h/a b'), [/percent-encode it/])
    t.match(bad('https://h/a\\b'), [/percent-encode it/])
    t.match(bad('https://h/ü'), [/percent-encode it/])
    t.match(bad('https://h/%zz'), [/percent-encode it/])
    t.match(bad('https://h/p?a=1#f'), [/#fragment/])
    t.match(bad('https://h/a/../b'), [/dot|\. or \.\./])
    t.match(bad('https://h/%2E%2e/b'), [/\. or \.\./])
    t.end()
  })
  t.test('raw macros and templated names could reshape a request', t => {
    t.match(faultsOf({ request: { query: { a: '{_sub1}' } } }), [/raw macro/])
    t.match(bad('https://h/{_sub1}'), [/raw macro/])
    t.match(faultsOf({ request: { query: { '{sub1}': 'x' } } }), [/a name is fixed/])
    t.match(bad('https://h/?{sub1}=x'), [/a name is fixed/])
    t.match(faultsOf({ request: { method: 'POST', form: { a: '{_sub1}' } } }), [/raw macro/])
    t.match(faultsOf({ request: { method: 'POST', json: { a: '{_sub1}' } } }), [/raw macro/])
    t.match(faultsOf({ request: { method: 'POST', json: { '{sub1}': 'a' } } }), [/a key is fixed/])
    t.end()
  })
  t.test('placeholders that nobody filled in', t => {
    for (const value of [
      '[CLICK_ID]',
      '##SUB_ID##',
      '${SUBID}',
      'REPLACE',
      'OPTIONAL',
      'XXXX',
      'YOUR_ID',
      'a-XXXXX',
    ]) {
      t.match(
        faultsOf({ request: { query: { a: value } } }),
        [/placeholder|of another system/],
        value,
      )
      const settings = { key: { title: 'The key' } }
      const part = { settings, request: { query: { a: '{settings.key}' } } }
      const [fault = ''] = faultsOf(part, { settings: { key: value } })
      t.match(fault, /^config settings\.key: .*placeholder/, `setting ${value}`)
      t.notOk(fault.includes(value), 'and the value is not repeated')
    }
    t.match(bad('https://h/p?a={{click_id}}'), [/brace that belongs to no macro/])
    t.match(bad('https://h/p?a={nonsense}'), [/unknown macro \{nonsense\}/])
    t.match(bad('https://h/p?a={clikc_id}'), [/did you mean \{click_id\}/])
    t.same(faultsOf({ request: { query: { 'data[id]': '{click_id}', replaced: 'aXXXXb' } } }), [])
    t.end()
  })
  t.test('prose may hold brackets, but not be a placeholder', t => {
    const post = (text: string) => faultsOf({ request: { method: 'POST', json: { text } } })
    t.same(post('[Postern] new sale: {payout}'), [])
    t.match(post('[CLICK_ID]'), [/placeholder/])
    t.match(post('id ##SUB_ID##'), [/placeholder/])
    t.match(post('id YOUR_ID'), [/placeholder/])
    const body = (text: string) =>
      faultsOf({ request: { method: 'POST', body: text, content_type: 'text/plain' } })
    t.same(body('[Postern] {payout}'), [])
    t.match(body('id {{click_id}}'), [/of another system/])
    t.match(faultsOf({ request: { headers: { 'x-key': 'YOUR_KEY' } } }), [/placeholder/])
    t.end()
  })
  t.test('bodies and headers that do not fit', t => {
    const post = (request: RulePart['request']) =>
      faultsOf({ request: { method: 'POST', ...request } })
    t.match(faultsOf({ request: { form: { a: '1' } } }), [/a GET request has no body/])
    t.match(post({ form: { a: '1' }, json: { a: 1 } }), [/one body: form or json/])
    t.match(post({ body: 'x' }), [/needs a content_type/])
    t.match(post({ form: { a: '1' }, content_type: 'text/plain' }), [
      /content_type belongs to body/,
    ])
    for (const name of ['Host', 'content-length', 'Connection', 'transfer-encoding']) {
      t.match(post({ headers: { [name]: 'x' } }), [/is set by the gateway/], name)
    }
    t.match(post({ headers: { 'bad name': 'x' } }), [/not a header name/])
    t.match(post({ headers: { 'x-a': 'a\r\nb: c' } }), [/what HTTP cannot carry/])
    t.match(faultsOf({ request: { headers: { 'content-type': 'a/b' } } }), [/needs a body/])
    t.match(faultsOf({ required: ['clickid', 'nope'] }), [
      /^rule required\.1: unknown field "nope"/,
    ])
    t.end()
  })
  t.end()
})

t.test('security: what a postback cannot do', t => {
  t.test('row 34: CR and LF', t => {
    const sub1 = 'a\r\nX-Evil: 1'
    t.equal(
      url({ request: { query: { a: '{sub1}' } } }, { sub1 }),
      'https://t.example/p?a=a%0D%0AX-Evil%3A%201',
    )
    const header = create({ request: { headers: { 'X-Sub': '{sub1}' } } })
    for (const value of [sub1, '\u0000', 'a\tb', '\u007f', '\u0085', 'ł', '😀', '\ud800']) {
      t.match(attempt(header, { conversion: { sub1: value } }), {
        reason: 'template_error',
        detail: /^the header x-sub would hold a control character/,
      })
    }
    t.same(send(header, { conversion: { sub1: 'é' } }).headers, { 'x-sub': 'é' })
    t.same(send(header).headers, {}, 'an empty macro leaves the header out')
    t.end()
  })
  t.test('row 82: path, query and form keep their shape', t => {
    const part: RulePart = {
      request: {
        method: 'POST',
        url: 'https://t.example/a/{sub1}/b',
        query: { q: '{sub1}', fixed: '1' },
        form: { f: '{sub1}' },
      },
    }
    for (const sub1 of [
      '../../admin?x=',
      '#',
      '&payout=999',
      '%2f',
      '//evil',
      '\\',
      ';a=b',
      ' +%20',
    ]) {
      const request = send(create(part), { conversion: { sub1 } })
      const seen = new URL(request.url)
      t.equal(seen.host, 't.example')
      t.equal(seen.pathname, `/a/${encodeURIComponent(sub1)}/b`)
      t.same(
        [...seen.searchParams],
        [
          ['q', sub1],
          ['fixed', '1'],
        ],
      )
      t.same([...new URLSearchParams(request.body)], [['f', sub1]])
    }
    t.end()
  })
  t.test('row 83: values are never read as templates', t => {
    const destination = create(
      {
        settings: { token: { title: 'Token', secret: true } },
        request: { method: 'POST', query: { a: '{sub1}' }, json: { a: '{sub1}' } },
      },
      { settings: { token: 'canary' } },
    )
    for (const sub1 of [
      'x{{settings.token}}',
      'x{settings.token}',
      'x{{constructor.constructor("return 1")()}}',
      'x${settings.token}',
      '<%= settings.token %>',
      'x{click_id}',
    ]) {
      const request = send(destination, { conversion: { sub1 } })
      t.equal(new URL(request.url).searchParams.get('a'), sub1)
      t.same(JSON.parse(request.body ?? ''), { a: sub1 })
      t.notOk(`${request.url}${request.body}`.includes('canary'))
    }
    t.end()
  })
  t.test('a macro that the network left is not sent', t => {
    const destination = create({ request: { query: { a: '{click_id}', b: '{sub1}', c: '{q.x}' } } })
    const unreplaced = (conversion: Partial<Conversion>, field: string) =>
      t.same(
        attempt(destination, { conversion }),
        {
          reason: 'macro_unreplaced',
          detail: `${field} holds a macro that nobody replaced`,
        },
        JSON.stringify(conversion),
      )
    for (const value of [
      '{clickid}',
      '{{click_id}}',
      '${SUBID}',
      '[CLICK_ID]',
      '##SUB_ID_SHORT(action)##',
      '#s2#',
      '%TXID%',
      '__CLICK__',
      '{!x!}',
      'REPLACE',
      'OPTIONAL',
      'XXXX',
      'YOUR_ID',
      ' {x} ',
      '{payout|fixed:2}',
    ]) {
      unreplaced({ click_id: value }, 'click_id')
      unreplaced({ sub1: value }, 'sub1')
      unreplaced({ q: { x: value } }, 'q.x')
    }
    for (const value of ['abc_{sub2}', 'abc-[SUB]', 'a##b##'])
      unreplaced({ click_id: value }, 'click_id')
    for (const value of [
      'Game [US] {tier1}',
      '{3F2504E0-4F89-11D3-9A0C-0305E82C3301}',
      '100%',
      'aXXXXb',
      '__',
      '{}',
      'a_b_c',
      '[1]',
    ]) {
      t.equal(
        new URL(send(destination, { conversion: { sub1: value } }).url).searchParams.get('b'),
        value,
      )
    }
    t.equal(
      send(create({}), { conversion: { click_id: '{clickid}' } }).url,
      'https://t.example/p',
      'what the request does not use does not matter',
    )
    t.match(
      attempt(create({ request: { query: { e: '{email|sha256}' } } }), {
        conversion: { email: '{email}' },
      }),
      { reason: 'macro_unreplaced' },
      'a hash does not hide it',
    )
    t.end()
  })
  t.end()
})

const VALUE = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.string({
    unit: fc.constantFrom(
      '.',
      '/',
      '?',
      '#',
      '&',
      '=',
      '%',
      '2',
      'e',
      '"',
      '\\',
      '\r',
      '\n',
      '{',
      '}',
      ' ',
      '+',
      ',',
      ':',
      '@',
    ),
    maxLength: 12,
  }),
)
/** What a strict receiver reads: text without lone surrogates. */
const wellFormed = (text: string) => Buffer.from(text, 'utf8').toString('utf8')

t.test('properties', t => {
  t.test('host, path shape, names and headers never change; receivers read what was sent', t => {
    const destination = create({
      request: {
        method: 'POST',
        url: 'https://t.example:8443/a/{sub1}/b-{sub2}/c?u={sub3}&k=1',
        query: { q: 'v {sub4}', 'n&=': '{sub5}' },
        headers: { 'x-a': 'h {sub6}', 'x-b': '1' },
        form: { 'f 1': '{sub7}', g: 'lit&eral={sub8}' },
      },
    })
    const source = fc.record({
      sub1: VALUE,
      sub2: VALUE,
      sub3: VALUE,
      sub4: VALUE,
      sub5: VALUE,
      sub6: VALUE,
      sub7: VALUE,
      sub8: VALUE,
    })
    let sent = 0
    fc.assert(
      fc.property(source, conversion => {
        const request = attempt(destination, { conversion })
        if ('reason' in request) return
        sent++
        const seen = new URL(request.url)
        t.equal(seen.origin, 'https://t.example:8443')
        const [, a, first, second, c, ...more] = seen.pathname.split('/')
        t.same([a, c, more], ['a', 'c', []])
        t.equal(decodeURIComponent(first ?? ''), wellFormed(conversion.sub1))
        t.equal(decodeURIComponent(second ?? ''), `b-${wellFormed(conversion.sub2)}`)
        const query = new Map<string, string | undefined>([
          ['u', conversion.sub3],
          ['k', '1'],
          ['q', conversion.sub4 && `v ${conversion.sub4}`],
          ['n&=', conversion.sub5],
        ])
        const kept = [...query].filter(([, value]) => value)
        t.same(
          [...seen.searchParams],
          kept.map(([name, value]) => [name, wellFormed(value ?? '')]),
        )
        const form = [
          ['f 1', conversion.sub7],
          ['g', conversion.sub8 && `lit&eral=${conversion.sub8}`],
        ].filter(([, value]) => value)
        t.same(
          [...new URLSearchParams(request.body)],
          form.map(([name, value]) => [name, wellFormed(value ?? '')]),
        )
        const header = conversion.sub6 ? { 'x-a': `h ${conversion.sub6}` } : {}
        t.same(request.headers, {
          'content-type': 'application/x-www-form-urlencoded',
          'x-b': '1',
          ...header,
        })
      }),
      { numRuns: 300 },
    )
    t.ok(sent > 20, 'and most of it was sent')
    t.end()
  })
  t.test('JSON bodies parse back to the same', t => {
    const destination = create({
      request: {
        method: 'POST',
        json: {
          'k"1': '{sub1}',
          list: ['{sub2}', 'a "{sub3}"', 7, true, null],
          deep: { er: { x: '{sub4}' } },
        },
      },
    })
    fc.assert(
      fc.property(VALUE, VALUE, VALUE, VALUE, (sub1, sub2, sub3, sub4) => {
        const request = attempt(destination, { conversion: { sub1, sub2, sub3, sub4 } })
        if ('reason' in request) return
        t.same(JSON.parse(request.body ?? ''), {
          ...(sub1 ? { 'k"1': sub1 } : {}),
          list: [...(sub2 ? [sub2] : []), ...(sub3 ? [`a "${sub3}"`] : []), 7, true, null],
          ...(sub4 ? { deep: { er: { x: sub4 } } } : {}),
        })
      }),
      { numRuns: 300 },
    )
    t.end()
  })
  t.test('no number loses digits', t => {
    const destination = create({
      request: {
        method: 'POST',
        query: { p: '{payout}' },
        json: { p: '{payout}', s: '{payout|string}', r: '{reward}' },
      },
    })
    const digits = fc.stringMatching(/^-?(0|[1-9]\d{0,24})(\.\d{1,12})?$/)
    fc.assert(
      fc.property(digits, digits, (payout, reward) => {
        const request = send(destination, { conversion: { payout, reward } })
        t.equal(request.body, `{"p":${payout},"s":"${payout}","r":${reward}}`)
        t.equal(new URL(request.url).searchParams.get('p'), payout)
      }),
    )
    t.end()
  })
  t.end()
})

t.test('bodies', t => {
  const body = (request: RulePart['request'], conversion: Partial<Conversion> = {}) => {
    const sent = send(create({ request: { method: 'POST', ...request } }), { conversion })
    return [sent.headers['content-type'], sent.body]
  }
  t.test('form', t => {
    t.same(body({ form: { 'a b': '{sub1}', c: '{sub2}', d: 'x y' } }, { sub1: 'ä &' }), [
      'application/x-www-form-urlencoded',
      'a+b=%C3%A4+%26&d=x+y',
    ])
    t.end()
  })
  t.test('JSON keeps types and drops what is empty, to the root', t => {
    const json = {
      id: '{click_id}',
      amount: '{payout}',
      text: 'paid {payout}',
      fixed: '{payout|fixed:1}',
      word: '{sub1|default:none}',
      odd: '{sub2|number}',
      guessed: '{payout|default:none}',
      times: [{ at: '{occurred_at}' }, '{occurred_at|unix_s}'],
      gone: { all: '{sub3}', of: ['{sub4}'] },
      empty: {},
      flag: false,
    }
    t.same(body({ json }, { sub2: '007', occurred_at: 1_700_000_000_999 }), [
      'application/json',
      '{"id":"click-1","amount":10.00,"text":"paid 10.00","fixed":10.0,"word":"none","odd":7,' +
        '"guessed":10.00,"times":[{"at":1700000000999},1700000000],"empty":{},"flag":false}',
    ])
    t.same(body({ json: { a: '{sub1}' } }), ['application/json', '{}'])
    t.same(body({ json: { g: '{reward|default:none}' } }), ['application/json', '{"g":"none"}'])
    t.same(
      body({ json: { a: 1 }, headers: { 'Content-Type': 'application/vnd.x+json' } })[0],
      'application/vnd.x+json',
    )
    t.end()
  })
  t.test('text, encoded for its content type', t => {
    const sub1 = `a"<&'>b`
    const text = (content_type: string, template = 'v={sub1}') =>
      body({ body: template, content_type }, { sub1 })[1]
    t.equal(text('text/plain'), `v=${sub1}`)
    t.equal(text('application/xml; charset=utf-8'), 'v=a&quot;&lt;&amp;&apos;&gt;b')
    t.equal(text('application/json', '{"v":"{sub1}"}'), `{"v":"a\\"<&'>b"}`)
    t.equal(text('application/x-www-form-urlencoded'), 'v=a%22%3C%26%27%3Eb')
    t.equal(text('text/plain', 'v={_sub1}'), `v=${sub1}`)
    t.equal(text('text/plain', '{sub9}'), '')
    t.end()
  })
  t.end()
})

t.test('macros', t => {
  t.test('of the delivery and the attempt', t => {
    const destination = create({
      request: {
        query: {
          d: '{delivery_id}',
          e: '{event_id}',
          c: '{conversion_id}',
          n: '{attempt}',
          s: '{timestamp}',
          m: '{timestamp_ms}',
          i: '{iso_time}',
          t: '{tid}',
          k: '{clickid}',
          x: '{q.Some-Name}',
        },
      },
    })
    t.same(
      Object.fromEntries(
        new URL(send(destination, { attempt: 3, conversion: { q: { 'Some-Name': 'v' } } }).url)
          .searchParams,
      ),
      {
        d: 'rec-1-0_dest',
        e: 'rec-1-0',
        c: CONVERSION.id,
        n: '3',
        s: '1767225600',
        m: '1767225600750',
        i: '2026-01-01T00:00:00.750Z',
        t: 'tx-1',
        k: 'click-1',
        x: 'v',
      },
    )
    t.end()
  })
  t.test('random is a number, new for every attempt and the same for one', t => {
    const destination = create({ request: { query: { cb: '{random}' } } })
    const at = (attempt: number) => send(destination, { attempt }).url
    t.match(at(1), /\?cb=\d{1,15}$/)
    t.equal(at(1), at(1))
    t.not(at(1), at(2))
    t.end()
  })
  t.test('settings are rendered at load, by position', t => {
    const part = {
      settings: { key: { title: 'Key' }, opt: { title: 'Optional', default: '' } },
      request: {
        url: 'https://t.example/{settings.key}/p',
        query: { k: '{settings.key}', o: '{settings.opt}', both: '{settings.key}{sub1}' },
        headers: { 'x-key': '{settings.key}', 'x-opt': '{settings.opt}' },
      },
    }
    const request = send(create(part, { settings: { key: 'a/b c' } }), {
      conversion: { sub1: '!' },
    })
    t.equal(request.url, 'https://t.example/a%2Fb%20c/p?k=a%2Fb%20c&both=a%2Fb%20c%21')
    t.same(request.headers, { 'x-key': 'a/b c' })
    t.match(faultsOf(part, { settings: { key: '..' } }), [/a path segment is empty, \. or \.\./])
    t.match(faultsOf(part, { settings: { key: 'ł' } }), [/what HTTP cannot carry/])
    t.end()
  })
  t.test('click_id_from replaces the click id everywhere', t => {
    const part = {
      required: ['click_id'],
      request: { query: { c: '{cid}', l: '{click_id|upper}' } },
    }
    const from = (click_id_from: string, conversion: Partial<Conversion>) =>
      attempt(create(part, { click_id_from }), { conversion })
    t.match(from('sub2', { sub2: 'b' }), { url: 'https://t.example/p?c=b&l=B' })
    t.match(from('{sub1|split:_:1}', { sub1: 'a_b' }), { url: 'https://t.example/p?c=b&l=B' })
    t.match(from('q.k', { q: { k: 'b' } }), { url: 'https://t.example/p?c=b&l=B' })
    t.match(
      from('{click_id|split:_:0}', { click_id: 'b_{x}' }),
      { url: /c=b&/ },
      'only what is used is checked',
    )
    t.match(from('{sub1|split:_:1}', { sub1: 'a_{x}' }), { reason: 'macro_unreplaced' })
    t.same(from('sub2', {}), { reason: 'template_error', detail: 'click_id is empty and required' })
    t.match(faultsOf(part, { click_id_from: 'sub_2' }), [
      /^config click_id_from: unknown field "sub_2"/,
    ])
    t.match(faultsOf(part, { click_id_from: '{sub1|splt:_:1}' }), [
      /^config click_id_from: unknown filter/,
    ])
    t.end()
  })
  t.end()
})

t.test('money', t => {
  const query = { p: '{payout}', c: '{payout_cents}' }
  const sent = (
    part: RulePart,
    conversion: Partial<Conversion>,
    shares?: Record<string, string>,
  ) => {
    const request = attempt(create({ ...part, request: { query } }), {
      conversion,
      ...(shares ? { shares } : {}),
    })
    return 'reason' in request ? request.reason : new URL(request.url).search
  }
  t.equal(sent({}, { payout: '10.5' }), '?p=10.5&c=1050', 'as it is by default')
  t.equal(sent({}, { payout: '10.005' }, { dest: '80' }), '?p=8.00400&c=800', 'a share is exact')
  t.equal(sent({ money: { digits: 2 } }, { payout: '10.005' }, { dest: '33.3' }), '?p=3.33&c=333')
  t.equal(
    sent({ money: { digits: 0 } }, { payout: '1.5' }),
    '?p=2&c=150',
    'an integer, cents unrounded',
  )
  t.equal(
    sent({}, { payout: '10' }, { other: '50' }),
    '?p=10&c=1000',
    'a share of another destination',
  )
  t.equal(
    sent({}, { payout: '-12345678901234567890.10' }),
    '?p=-12345678901234567890.10&c=-1234567890123456789010',
  )
  t.equal(sent({}, { payout: '' }), '', 'no payout')
  t.equal(sent({ money: { currency: 'USD' } }, { payout: '1' }), '?p=1&c=100')
  t.equal(sent({ money: { currency: 'USD' } }, { payout: '1', currency: 'EUR' }), 'template_error')
  t.equal(sent({ money: { currency: 'USD' } }, { payout: '1', currency: '' }), 'template_error')
  t.equal(
    sent({ money: { currency: 'USD', on_other: 'drop' } }, { payout: '1', currency: 'EUR' }),
    '',
  )
  t.equal(
    send(create({ money: { currency: 'USD' } }), { conversion: { currency: 'EUR' } }).url,
    'https://t.example/p',
    'a request without an amount takes any currency',
  )
  t.end()
})
