/**
 * What is not ours passes through unchanged: a real nginx in front, a real HTTP tracker behind.
 * POSTERN_PROXY_REQUESTS sets how many mixed requests are compared (default 2000).
 */
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { connect, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import t from 'tap'
import { Agent, request } from 'undici'
import { open } from '../support/raw-client.ts'
import { startGateway, temporaryFolder, type Gateway, type Teardown } from '../support/gateway.ts'
import { install, TOKEN } from '../support/installation.ts'
import { series } from '../support/ledger.ts'
import { startNginx } from '../support/nginx.ts'
import { say, startOrigin, type Origin, type Seen } from '../support/origin.ts'
import { until } from '../support/until.ts'

const REQUESTS = Number(process.env['POSTERN_PROXY_REQUESTS'] ?? 2000)
t.setTimeout(600_000)

async function setUp(
  t: Teardown,
  proxy: Record<string, unknown> = {},
  server: Record<string, unknown> = {},
): Promise<{ origin: Origin; gateway: Gateway; port: number }> {
  const origin = await startOrigin(t)
  const config = install(temporaryFolder(t), {
    store: { type: 'memory' },
    tracker: 'http://127.0.0.1:9',
    more: {
      server: { listen: '127.0.0.1:0', trusted_proxies: ['127.0.0.0/8'], ...server },
      proxy: { upstream: origin.url, ...proxy },
    },
  })
  const gateway = await startGateway(t, config, { TEST_TOKEN: TOKEN })
  return { origin, gateway, port: Number(new URL(gateway.url).port) }
}

/** A deterministic stream of numbers in [0, 1), so that a failure can be run again. */
function dice(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}

const sha = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex')
const headersNamed = (raw: readonly string[], prefix: string): string[] =>
  raw.flatMap((name, i) =>
    i % 2 === 0 && name.toLowerCase().startsWith(prefix) ? [`${name}: ${raw[i + 1]}`] : [],
  )

const METHODS = ['GET', 'GET', 'GET', 'POST', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS']
const PATHS = [
  '/', '/click', '/click.php', '/a//b///c', '/x/./y', '/caf%C3%A9/%e4', '/a;v=1/b', '/p%2Fq', '/%5Cz',
  '/~tilde/!$&\'()*+,;=:@', '/index.html', '/assets/app.js', '/..;/x', '/a/..;/b', '/trailing/', '/|pipe',
  '/br{ace}', '/q"uote', '/back\\slash', '/postback', '/inbound', '/IN/net',
] // prettier-ignore
const QUERIES = [
  '', '?', '?a=1', '?a=1&a=2&b', '?x=%zz&y=%', '?u=http://h/?q=1', '?plus=a+b%20c', '??', '?k=[1]&k[]=2',
  '?e=%C3%A9&raw=|"<>^`', '?a=b=c&&d', '?z=%00%0A',
] // prettier-ignore

interface Planned {
  readonly method: string
  readonly target: string
  readonly body: Buffer
  readonly isChunked: boolean
  readonly headers: string[]
  readonly status: number
  readonly answer: Buffer
  readonly isAnswerChunked: boolean
}

function plan(id: number): Planned {
  const roll = dice(id * 2654435761)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(roll() * list.length)] as T
  const method = pick(METHODS)
  const hasBody = method === 'POST' || method === 'PUT' || method === 'PATCH' || roll() < 0.05
  const sizes = [0, 1, 17, 300, 4096, 70_000, roll() < 0.1 ? 600_000 : 900]
  const noise = (size: number) => {
    const bytes = Buffer.alloc(size)
    for (let i = 0; i < size; i++) bytes[i] = (Math.imul(i + id, 2654435761) >>> 13) & 255
    return bytes
  }
  const isBodiless = method === 'GET' || method === 'HEAD' || method === 'OPTIONS'
  return {
    method,
    target: pick(PATHS) + pick(QUERIES),
    body: hasBody && !isBodiless ? noise(pick(sizes)) : Buffer.alloc(0),
    isChunked: hasBody && !isBodiless && roll() < 0.4,
    headers: [
      'X-Case-Kept', `v${id}`,
      'x-test-utf8', Buffer.from(`é-${id}`, 'utf8').toString('latin1'),
      'X-Test-Empty', '',
      'x-test-twice', 'one',
      'x-test-twice', 'two',
      'Cookie', `s=${id}; t=u`,
      'Authorization', `Bearer ${id}`,
      'Content-Type', pick(['application/json', 'text/plain', 'application/x-www-form-urlencoded', 'image/png']),
      'Content-Encoding', pick(['identity', 'gzip']),
    ], // prettier-ignore
    status: pick([200, 200, 201, 204, 301, 302, 304, 400, 404, 410, 500, 503]),
    answer: noise(pick(sizes)),
    isAnswerChunked: roll() < 0.4,
  }
}

/** Sends exactly these bytes of head, and reads the answer with Node's own parser. */
function exchange(
  url: string,
  id: number,
  { method, target, body, isChunked, headers }: Planned,
  agent: HttpAgent,
): Promise<{ status: number; raw: string[]; body: Buffer }> {
  const { hostname, port } = new URL(url)
  const framing = isChunked
    ? ['transfer-encoding', 'chunked']
    : body.length > 0 || method === 'POST'
      ? ['content-length', String(body.length)]
      : []
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      {
        host: hostname,
        port,
        method,
        path: target,
        agent,
        headers: ['Host', 'track.example.com', 'X-Plan', String(id), ...headers, ...framing],
      },
      (answer: IncomingMessage) => {
        const chunks: Buffer[] = []
        answer.on('data', (chunk: Buffer) => chunks.push(chunk))
        answer.on('error', reject)
        answer.on('end', () =>
          resolve({
            status: answer.statusCode ?? 0,
            raw: answer.rawHeaders,
            body: Buffer.concat(chunks),
          }),
        )
      },
    )
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

t.test(`${REQUESTS} mixed requests through nginx are the same on both sides`, async t => {
  const { origin, port } = await setUp(t)
  const nginx = await startNginx(t, () => port)
  const arrived = new Map<number, Seen>()
  origin.script = (seen, response) => {
    const id = Number(seen.headers['x-plan'])
    if (Number.isNaN(id)) return say(200)(seen, response, response.req)
    if (arrived.has(id)) arrived.set(-id, seen)
    arrived.set(id, seen)
    const planned = plan(id)
    const hasAnswer = planned.status !== 204 && planned.status !== 304
    const own = [
      'X-Answer',
      `a${id}`,
      'X-Answer',
      'again',
      'Set-Cookie',
      'a=1',
      'Set-Cookie',
      'b=2',
    ]
    const utf8 = ['x-answer-utf8', Buffer.from(`ü-${id}`, 'utf8').toString('latin1')]
    const more = ['Location', '/else/./where?x=%zz', 'Date', 'Thu, 01 Jan 1970 00:00:00 GMT']
    const length = ['content-length', String(planned.answer.length)]
    const framing = hasAnswer && !planned.isAnswerChunked ? length : []
    response.writeHead(planned.status, [...own, ...utf8, ...more, ...framing])
    response.end(hasAnswer ? planned.answer : undefined)
  }
  const agent = new HttpAgent({ keepAlive: true, maxSockets: 16 })
  t.teardown(() => agent.destroy())
  const differences: string[] = []
  const check = (id: number, what: string, found: unknown, wanted: unknown) => {
    if (JSON.stringify(found) !== JSON.stringify(wanted)) {
      differences.push(`${id} ${what}: ${JSON.stringify(found)} for ${JSON.stringify(wanted)}`)
    }
  }
  let next = 1
  const work = async (): Promise<void> => {
    for (let id = next++; id <= REQUESTS; id = next++) {
      const planned = plan(id)
      const answer = await exchange(nginx, id, planned, agent)
      const seen = arrived.get(id)
      check(id, 'method', seen?.method, planned.method)
      check(id, 'target', seen?.target, planned.target)
      check(id, 'body', sha(seen?.body ?? Buffer.alloc(0)), sha(planned.body))
      const raw = seen?.rawHeaders ?? []
      check(id, 'host', seen?.headers.host, 'track.example.com')
      for (let i = 0; i < planned.headers.length; i += 2) {
        const name = (planned.headers[i] as string).toLowerCase()
        const values = (list: readonly string[]) =>
          list.flatMap((one, j) =>
            j % 2 === 0 && one.toLowerCase() === name ? [list[j + 1] ?? ''] : [],
          )
        // nginx drops headers without a value on the way.
        const wanted = values(planned.headers).filter(value => value !== '')
        check(
          id,
          name,
          values(raw).filter(value => value !== ''),
          wanted,
        )
      }
      check(id, 'client', seen?.headers['x-forwarded-for'], '127.0.0.1')
      check(id, 'proto', seen?.headers['x-forwarded-proto'], 'https')
      const hasAnswer =
        planned.method !== 'HEAD' && planned.status !== 204 && planned.status !== 304
      check(id, 'status', answer.status, planned.status)
      check(id, 'answer', sha(answer.body), sha(hasAnswer ? planned.answer : Buffer.alloc(0)))
      const lower = headersNamed(answer.raw, 'x-answer')
        .map(line => line.replace(/^[^:]*/, name => name.toLowerCase()))
        .sort()
      check(id, 'answer headers', lower, [
        `x-answer-utf8: ${Buffer.from(`ü-${id}`).toString('latin1')}`,
        `x-answer: a${id}`,
        'x-answer: again',
      ])
      check(id, 'cookies', headersNamed(answer.raw, 'set-cookie').length, 2)
      const location = headersNamed(answer.raw, 'location')
      check(id, 'location', location, location.length ? [location[0]] : [])
      check(id, 'location value', location[0]?.slice(10), '/else/./where?x=%zz')
    }
  }
  await Promise.all(Array.from({ length: 16 }, work))
  t.same(differences.slice(0, 20), [], `${differences.length} differences`)
  t.equal(arrived.size, REQUESTS, 'each came once')
})

t.test('row 94: what a proxy must not pass on, and what it must not change', async t => {
  const { origin, gateway, port } = await setUp(t, {}, { trusted_proxies: [] })
  const raw = async (text: string) => {
    const connection = open(port)
    connection.send(Buffer.from(text, 'latin1'))
    const answer = await connection.next()
    connection.end()
    return answer
  }
  const get = (target: string, headers = '') =>
    raw(`GET ${target} HTTP/1.1\r\nHost: h.example\r\n${headers}\r\n`)
  const last = () => origin.seen.at(-1)

  await get('/c', 'Connection: keep-alive, X-Secret\r\nX-Secret: s\r\nX-Open: o\r\nKeep-Alive: 5\r\nTE: trailers\r\nProxy-Authorization: p\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n') // prettier-ignore
  t.equal(last()?.headers['x-open'], 'o')
  for (const name of ['x-secret', 'keep-alive', 'te', 'proxy-authorization', 'upgrade', 'http2-settings']) {
    t.equal(last()?.headers[name], undefined, `${name} is dropped`)
  } // prettier-ignore

  await get('/f', 'X-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.example\r\nX-Real-IP: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\nPostern-Delivery-Id: x\r\n') // prettier-ignore
  const { headers = {} } = last() ?? {}
  t.match(headers, {
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-proto': 'http',
    'x-forwarded-host': 'h.example',
    'x-real-ip': '127.0.0.1',
    host: 'h.example',
  })
  t.equal(headers['forwarded'], undefined)
  t.equal(headers['postern-delivery-id'], undefined)

  await get('/d', 'Connection: host, x-forwarded-for, content-length\r\n')
  t.equal(last()?.headers.host, 'h.example', 'Connection cannot take the Host away')
  t.equal(last()?.headers['x-forwarded-for'], '127.0.0.1')

  for (const target of ['/..;/x', '/../x', '/a/%2e%2e/b', '/%zz', '/x?a=1#frag', '//h/x', '/\\']) {
    await get(target)
    t.equal(last()?.target, target, `${target} goes out as it came`)
  } // prettier-ignore
  for (const method of ['PROPFIND', 'REPORT', 'TRACE', 'PURGE', 'M-SEARCH']) {
    await raw(`${method} /m HTTP/1.1\r\nHost: h\r\n\r\n`)
    t.equal(last()?.method, method)
  }
  await raw('GET /gb HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody')
  t.equal(last()?.body.toString(), 'body', 'a GET keeps its body')

  const count = origin.seen.length
  const refused = [
    ['absolute form', 'GET http://127.0.0.1:1/x HTTP/1.1\r\nHost: h\r\n\r\n'],
    ['asterisk', 'OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n'],
    ['no host', 'GET /x HTTP/1.1\r\n\r\n'],
    ['bytes that a target cannot hold (RFC 3986)', 'GET /caf\xc3\xa9 HTTP/1.1\r\nHost: h\r\n\r\n'],
    ['two hosts', 'GET /x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
    ['CL and TE', 'POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['other coding', 'POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'],
    ['spaced TE', 'POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n'],
  ] as const // prettier-ignore
  for (const [name, text] of refused) {
    t.equal((await raw(text))?.status, 400, name)
  }
  t.equal((await get('/loop', 'Postern-Hop: 5\r\n'))?.status, 508, 'a loop is noticed')
  t.equal(origin.seen.length, count, 'none of these reached the tracker')

  await t.test('503 is answered once and asked once', async t => {
    origin.script = say(503, 'busy', { 'retry-after': '1' })
    const before = origin.seen.length
    t.equal((await request(`${gateway.url}/busy`)).statusCode, 503)
    t.equal(origin.seen.length, before + 1)
  })
  await t.test('row 95: the upstream is fixed', async t => {
    origin.script = say(200)
    const other = await startOrigin(t)
    const host = `127.0.0.1:${other.port}`
    for (const target of ['/x', `//${host}/x`, `/http://${host}/`, `/@${host}/`]) {
      await raw(`GET ${target} HTTP/1.1\r\nHost: ${host}\r\nX-Forwarded-Host: ${host}\r\n\r\n`)
    }
    t.equal(other.begun(), 0)
    t.equal(last()?.target, `/@${host}/`)
  })
})

t.test('large, slow and broken', async t => {
  const { origin, gateway, port } = await setUp(t, {
    timeout_ms: 400,
    body_bytes: 150 * 1024 * 1024,
  })
  const small = await setUp(t)

  await t.test('100 MB stream through in bounded memory; over the limit 413', async t => {
    const part = randomBytes(1024 * 1024)
    const upload = async function* () {
      for (let i = 0; i < 100; i++) yield part
    }
    let largest = 0
    const rss = async () => {
      const [bytes] = (await series(gateway, 'process_resident_memory_bytes')).values()
      return bytes ?? 0
    }
    const before = await rss()
    const watch = setInterval(() => void rss().then(now => (largest = Math.max(largest, now))), 100)
    const { statusCode, body } = await request(`${gateway.url}/upload`, {
      method: 'PUT',
      body: Readable.from(upload()),
    })
    clearInterval(watch)
    await body.dump()
    t.equal(statusCode, 200)
    t.equal(origin.seen.at(-1)?.body.length, 100 * part.length)
    t.ok(largest - before < 80e6, `memory grew by ${Math.round((largest - before) / 1e6)} MB`)

    const length = 100 * part.length
    const declared = open(small.port)
    declared.send(`POST /u HTTP/1.1\r\nHost: h\r\nContent-Length: ${length}\r\n\r\n`)
    t.equal((await declared.next())?.status, 413, 'by its length alone, unread')
    await declared.closed
    const chunked = await request(`${small.gateway.url}/u`, {
      method: 'POST',
      body: Readable.from(upload()),
    }).then(
      answer => answer.statusCode,
      () => 'closed',
    )
    t.ok(chunked === 413 || chunked === 'closed', `chunked: ${chunked}`)
    await until('the tracker is let go', () => small.origin.connections() === 0)
    t.equal(small.origin.seen.length, 0, 'the tracker never got a whole request')
  })

  await t.test('a client that closes early: the tracker’s request is ended, too', async t => {
    let closed = 0
    origin.script = (_seen, response) => void response.once('close', () => (closed += 1))
    const client = open(port)
    const begun = origin.begun()
    client.send('GET /hang HTTP/1.1\r\nHost: h\r\n\r\n')
    await until('it came', () => origin.begun() > begun)
    client.end()
    await until('it is over there', () => closed === 1)
    const half: Socket = connect(port, '127.0.0.1')
    const before = origin.begun()
    half.write('POST /half HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nhalf')
    await until('it came', () => origin.begun() > before)
    t.equal(origin.broken(), 0)
    half.destroy()
    await until('that is over there, too', () => origin.broken() === 1)
  })

  await t.test('an upstream that resets in mid-body never looks complete', async t => {
    for (const framing of [{ 'content-length': '1000' }, {}]) {
      origin.script = (_seen, response) => {
        response.writeHead(200, framing)
        response.write('first part', () => {
          setTimeout(() => (response.socket as Socket | null)?.resetAndDestroy(), 20)
        })
      }
      const answer = await request(`${gateway.url}/reset`)
      t.equal(answer.statusCode, 200)
      await t.rejects(answer.body.text(), 'the client sees a broken answer')
    }
    origin.script = (_seen, response) => (response.socket as Socket | null)?.resetAndDestroy()
    const answer = await request(`${gateway.url}/reset`)
    t.equal(answer.statusCode, 502, 'before the head: 502')
    await answer.body.dump()
    origin.script = say(200)
    t.equal((await request(`${gateway.url}/after`)).statusCode, 200)
  })

  await t.test('a slow upstream: 504 after the timeout, others are not held up', async t => {
    origin.script = (seen, response, req) => {
      if (seen.target !== '/slow') say(200)(seen, response, req)
    }
    const slow = request(`${gateway.url}/slow`)
    t.equal((await request(`${gateway.url}/quick`)).statusCode, 200)
    t.equal((await slow).statusCode, 504)
  })

  await t.test('an upstream that is away: 502, and back again', async t => {
    await origin.stop()
    t.equal((await request(`${gateway.url}/away`)).statusCode, 502)
    for (const framing of ['Content-Length: 5', 'Transfer-Encoding: chunked']) {
      const client = open(port)
      client.send(`POST /away HTTP/1.1\r\nHost: h\r\n${framing}\r\n\r\n`)
      t.equal((await client.next())?.status, 502, `an upload with ${framing}`)
      client.end()
    }
    await origin.start()
    t.equal((await request(`${gateway.url}/back`)).statusCode, 200)
  })
})

t.test('WebSocket upgrades pass; nothing else is upgraded', async t => {
  const { origin, gateway, port } = await setUp(t, {
    postbacks: [{ path: '/postback', network: 'net' }],
    mode: 'gate',
  })
  const head = (target: string, more = '') =>
    `GET ${target} HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n${more}\r\n`
  const talk = async (text: string | Buffer) => {
    const socket = connect(port, '127.0.0.1')
    socket.write(text)
    let got = Buffer.alloc(0)
    socket.on('data', chunk => (got = Buffer.concat([got, chunk])))
    socket.on('error', () => undefined)
    return { socket, text: () => got.toString('latin1') }
  }

  let upgraded: IncomingMessage | undefined
  origin.upgrade = (req, socket, first) => {
    upgraded = req
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Kept: yes\r\n\r\n') // prettier-ignore
    if (first.length > 0) socket.write(first)
    socket.on('data', (chunk: Buffer) => socket.write(chunk))
    socket.on('end', () => socket.end())
    socket.on('error', () => undefined)
  }
  const frame = randomBytes(100_000)
  const client = await talk(head('/ws/../live?x=%zz', 'X-Secret: s\r\nX-Open: o\r\n'))
  await until('101', () => client.text().includes('\r\n\r\n'))
  t.match(client.text(), /^HTTP\/1\.1 101 .*\r\n/)
  t.match(client.text(), /X-Kept: yes/)
  t.equal(upgraded?.url, '/ws/../live?x=%zz')
  t.equal(upgraded?.headers['x-forwarded-for'], '127.0.0.1')
  client.socket.write(frame)
  await until('the echo', () => client.text().length >= frame.length)
  t.ok(client.text().endsWith(frame.toString('latin1')), 'every byte came back')
  client.socket.destroy()
  await until('the tracker’s side is closed', () => origin.connections() === 0)

  origin.upgrade = (_req, socket) =>
    void socket.end('HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno')
  const begun = origin.begun()
  const refused = await talk(`${head('/ws')}GET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n`)
  await once(refused.socket, 'close')
  t.match(refused.text(), /^HTTP\/1\.1 403 No[\s\S]*no$/, 'its refusal comes back')
  t.equal(origin.begun(), begun, 'and what was sent behind it goes nowhere')

  for (const target of ['/postback?cid=1&tid=1', '//POSTBACK/?cid=1&tid=1', '/in/net/x?cid=1']) {
    const gated = await talk(head(target))
    await until('an answer', () => gated.text().includes('\r\n\r\n'))
    t.match(gated.text(), /^HTTP\/1\.1 401/, `${target} is a postback, upgrade or not`)
    gated.socket.destroy()
  }
  t.equal(origin.begun(), begun)
  // The gateway still stops with a WebSocket open.
  origin.upgrade = (_req, socket) =>
    void socket.write('HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
  const held = await talk(head('/ws'))
  await until('101', () => held.text().includes('101'))
  const { code } = await gateway.kill('SIGTERM')
  t.equal(code, 0)
})

t.test('no Host of the client decides TLS or connections', async t => {
  // 64 hosts over one connection each would be 64 connections.
  const { origin, gateway } = await setUp(t, { connections: 2 })
  const agent = new Agent({ connections: 4 })
  t.teardown(() => agent.close())
  await Promise.all(
    Array.from({ length: 64 }, async (_, i) => {
      const answer = await request(`${gateway.url}/h`, {
        dispatcher: agent,
        headers: { host: `h${i}.example.com` },
      })
      await answer.body.dump()
    }),
  )
  t.ok(origin.connections() <= 2, `${origin.connections()} connections`)
  t.equal(new Set(origin.seen.map(seen => seen.headers.host)).size, 64)
})
