/** The pure parts of the proxy, and the faults of its configuration. */
import fc from 'fast-check'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createBacklog } from '../../src/proxy/backlog.ts'
import { compileCompare } from '../../src/proxy/compare.ts'
import { createCopies } from '../../src/proxy/copies.ts'
import { requestHeaders, responseHeaders } from '../../src/proxy/headers.ts'
import { toOriginal, toRequest } from '../../src/proxy/original.ts'
import { segmentsOf } from '../../src/proxy/path.ts'
import { choose, compilePlaces, type PlaceSpec } from '../../src/proxy/places.ts'
import { paramKey } from '../../src/model/postback.ts'
import { formatFault } from '../../src/rules/faults.ts'
import { loadRuleSet } from '../../src/ruleset.ts'
import { temporaryFolder } from '../support/gateway.ts'

t.test('a path is read as the most lenient tracker would', async t => {
  const same = ['/a/b', '//a///b/', '/a/./b', '/x/../a/b', '/%61/b', '/a%2fb', '/a;x=1/b', '\\a\\b', '/a/b?c=/d', '/a/b#e']
  for (const path of same) t.same(segmentsOf(path), ['a', 'b'], path)
  t.same(segmentsOf('/../../a'), ['a'])
  t.same(segmentsOf('/%zz/%C3%A9'), ['%zz', 'é'])
  const segment = fc.stringMatching(/^[a-z0-9_-]{1,8}$/)
  const noise = fc.constantFrom('/', '//', '/./', '/x/../', '/;p=1/')
  fc.assert(
    fc.property(fc.array(fc.tuple(noise, segment), { minLength: 1, maxLength: 6 }), parts => {
      const path = parts.map(([between, name]) => between + name).join('')
      const wanted = parts.map(([, name]) => name)
      return JSON.stringify(segmentsOf(path)) === JSON.stringify(wanted)
    }),
  )
}) // prettier-ignore

t.test('places choose network, token and event', async t => {
  const places = (...specs: PlaceSpec[]) =>
    compilePlaces(specs, network => (network === 'gated' ? 'gate' : 'tap'), ['net', 'gated'])
  const param = (name: string, value: string) =>
    ({ name, key: paramKey(name), value, raw: value, source: 'query' }) as const
  const isKnown = (network: string) => network === 'net' || network === 'gated'
  const chosen = (specs: PlaceSpec[], target: string, ...params: ReturnType<typeof param>[]) => {
    const found = places(...specs).at(target)
    if (!found) return undefined
    const choice = choose(found, params, true, isKnown)
    return choice.kind === 'postback' ? choice.network : choice.kind
  }
  const fixed = { path: '/Pb.php', network: 'net' }
  t.equal(chosen([fixed], '/pb.php'), 'net')
  t.equal(chosen([fixed], '/pb.php/more/info'), 'net')
  t.equal(chosen([fixed], '/pb'), undefined)
  t.equal(chosen([{ path: '/pb', network: 'net' }], '/pb/panel'), undefined)
  const named = { path: '/x/{network}/{token}/{event}' }
  t.equal(chosen([named], '/X/net/SeCret/Sale'), 'net')
  t.match(places(named).at('/X/net/SeCret/Sale')?.[0], { token: 'SeCret', event: 'Sale' })
  t.equal(chosen([named], '/x/nobody/a/b'), 'unknown')
  const mapped = { path: '/p', network_param: 'src', network_map: { '7': 'gated' } }
  t.equal(chosen([mapped], '/p', param('SRC', '7')), 'gated')
  t.equal(chosen([mapped], '/p', param('src', '8')), 'unknown')
  t.equal(chosen([mapped], '/p', param('src', '7'), param('src', '8')), 'unknown')
  t.ok(places(mapped).at('/p')?.[0]?.place.isGuarded)
  t.notOk(places(fixed).at('/pb.php')?.[0]?.place.isGuarded)
  const has = { path: '/c', network: 'net', has: ['cnv_id'] }
  t.equal(chosen([has], '/c', param('a', '1')), 'other')
  t.equal(chosen([has, { path: '/c', network: 'gated' }], '/c', param('a', '1')), 'gated')
  t.equal(chosen([has], '/c', param('cnv.id[]', '1')), 'net', 'as PHP reads names')
})

t.test('headers: end to end ones stay, whoever names what', async t => {
  const forwarded = { client: '192.0.2.1', proto: 'http', host: 'h', port: undefined, hop: 1 } as const
  const name = fc.stringMatching(/^[A-Za-z][A-Za-z-]{0,12}$/)
  fc.assert(
    fc.property(
      fc.array(fc.tuple(name, fc.stringMatching(/^[ -~]{0,20}$/)), { maxLength: 12 }),
      fc.array(name, { maxLength: 4 }),
      (pairs, connection) => {
        const sent = requestHeaders(pairs.flat(), connection.join(', '), 'h', forwarded)
        const dropped = new Set(connection.map(one => one.toLowerCase()))
        const kept = sent.filter((_, i) => i % 2 === 0).map(one => one.toLowerCase())
        return (
          kept.filter(one => one === 'host').length === 1 &&
          kept.filter(one => one === 'x-forwarded-for').length === 1 &&
          kept.every(one => !dropped.has(one) || one === 'host' || one.startsWith('x-forwarded-') || one === 'postern-hop' || one === 'content-length')
        )
      },
    ),
  )
  t.same(
    requestHeaders(['A', '1', 'b', '2', 'A', '3', 'Upgrade', 'x'], undefined, 'h', forwarded).slice(0, 8),
    ['host', 'h', 'A', '1', 'b', '2', 'A', '3'],
    'names, order and repeats as sent',
  )
  t.same(
    responseHeaders({ connection: 'close, x-a', 'x-a': '1', 'keep-alive': '5', 'set-cookie': ['a', 'b'] }),
    { 'set-cookie': ['a', 'b'] },
  )
}) // prettier-ignore

t.test('an original request is rebuilt byte for byte', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.webUrl(), (bytes, path) => {
      const body = Buffer.from(bytes)
      const headers = ['host', 'h:1', 'X-A', '1', 'x-a', '2', 'content-length', '9']
      const original = toOriginal('POST', `/p?u=${path}`, headers, body)
      const stored = JSON.parse(JSON.stringify(original)) as typeof original
      const request = toRequest(stored, 'http://u')
      const sent = Buffer.from(request.bytes ?? request.body ?? '')
      return (
        sent.equals(body) &&
        request.url === `http://u/p?u=${path}` &&
        request.host === 'h:1' &&
        JSON.stringify(request.headers) === '{"x-a":"1, 2"}'
      )
    }),
  )
})

t.test('trackers agree by rule', async t => {
  const loose = compileCompare({ status: 'class', body: 'ignore', body_without: [] })
  t.equal(loose({ status: 200, body: 'a' }, { status: 204, body: '' }), undefined)
  t.equal(loose({ status: 200, body: 'a' }, { status: 302, body: 'a' }), 'status')
  const strict = compileCompare({ status: 'exact', body: 'same', body_without: ['[0-9]+'] })
  t.equal(strict({ status: 200, body: 'id 1' }, { status: 204, body: 'id 1' }), 'status')
  t.equal(strict({ status: 200, body: 'id 1\n' }, { status: 200, body: 'id 22' }), undefined)
  t.equal(strict({ status: 200, body: 'id 1' }, { status: 200, body: 'no 1' }), 'body')
})

t.test('the backlog is over only by a reading that began after the last was stored', async t => {
  let now = 0
  const backlog = createBacklog({ now: () => 0, monotonic: () => now })
  t.equal(backlog.isBehind(), false)
  now = 10
  const stored = backlog.storing()
  t.equal(backlog.isBehind(), true)
  backlog.read(0, 12)
  t.equal(backlog.isBehind(), true, 'it is not in the store yet')
  now = 15
  stored()
  backlog.read(0, 12)
  t.equal(backlog.isBehind(), true, 'the reading cannot have seen it')
  backlog.read(3, 20)
  t.equal(backlog.isBehind(), true)
  backlog.read(0, 30)
  t.equal(backlog.isBehind(), false)
  backlog.read(1, 40)
  t.equal(backlog.isBehind(), true, 'stored by another gateway')
})

t.test('copies are tried again, and given up at the end', async t => {
  const dropped: string[] = []
  let answers = [false, true]
  const copies = createCopies({
    clock: { now: () => 0, monotonic: () => 0 },
    dropped: network => void dropped.push(network),
    failed: () => undefined,
  })
  const isDone = new Promise<void>(resolve => {
    copies.add('net', async () => {
      const isIn = answers.shift() ?? true
      if (isIn) resolve()
      return isIn
    })
  })
  await isDone
  t.same(dropped, [])
  answers = []
  copies.add('lost', async () => false)
  copies.add('broken', async () => Promise.reject(new Error('a defect')))
  await copies.close()
  t.same(dropped.sort(), ['broken', 'lost'])
})

t.test('faults of the proxy section, each with its place', async t => {
  const folder = temporaryFolder(t)
  const catalogue = join(import.meta.dirname, '..', '..', 'rules')
  const load = async (proxy: string) => {
    const file = join(folder, 'postern.yaml')
    writeFileSync(
      file,
      `networks:\n  generic: { tokens: ['\${TOKEN}'] }\ndestinations: {}\nroutes: []\nproxy:\n${proxy}`,
    )
    const loaded = await loadRuleSet(file, { catalogue, env: { TOKEN: 'let-me-in-please' } })
    return loaded.ok ? [] : loaded.error.map(formatFault)
  }
  const sound = `  upstream: http://10.0.0.5:8080\n  postbacks: [{ path: /pb, network: generic }]\n`
  t.same(await load(sound), [])
  for (const [proxy, wanted] of [
    ['  upstream: ftp://x\n', /upstream/],
    ['  upstream: http://10.0.0.5/base\n', /upstream/],
    ['  upstream: https://10.0.0.5\n', /needs a name/],
    ['  upstream: http://169.254.169.254\n', /metadata|refused/],
    [`${sound}  networks: { nobody: { mode: gate } }\n`, /no such network/],
    [`${sound}  mode: taps\n`, /mode/],
    ['  upstream: http://t\n  postbacks: [{ path: /pb, network: genric }]\n', /did you mean `generic`/],
    ['  upstream: http://t\n  postbacks: [{ path: /pb }]\n', /exactly one of/],
    ['  upstream: http://t\n  postbacks: [{ path: /pb, network: generic, network_param: a }]\n', /exactly one of/],
    ["  upstream: http://t\n  postbacks: [{ path: '/{networks}', network: generic }]\n", /no placeholder/],
    ["  upstream: http://t\n  postbacks: [{ path: '/x{token}', network: generic }]\n", /whole segment/],
    ['  upstream: http://t\n  postbacks: [{ path: /in/x, network: generic }]\n', /under \/in\//],
    [`${sound}  shadow: { upstream: http://s, body: same, body_without: ['('] }\n`, /RE2/],
    [`${sound}  shadow: { upstream: http://s, body_without: ['x'] }\n`, /not compared/],
  ] as const) {
    t.match((await load(proxy)).join('\n'), wanted, proxy)
  } // prettier-ignore
})
