/**
 * Secrets and personal data, in everything that a gateway and its commands show: output, metrics,
 * answers, views of dead letters, faults, and the last words of a crash. Every secret is marked, and
 * looked for in every spelling in which it could travel.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { Agent, request } from 'undici'
import { createCertificates } from '../support/certificates.ts'
import { cli } from '../support/cli.ts'
import { runCommand } from '../support/command.ts'
import { startGateway, temporaryFolder, type Gateway } from '../support/gateway.ts'
import { install } from '../support/installation.ts'
import { startCollector } from '../support/collector.ts'
import { leaks } from '../support/leaks.ts'
import { startRedis } from '../support/redis-server.ts'
import { until } from '../support/until.ts'

t.setTimeout(180_000)

const SECRETS = {
  TEST_TOKEN: 'CANARY-token-10021',
  CANARY_SECRET: 'CANARY-signing-10022',
  CANARY_KEY: 'CANARY-key/with+odd&"chars"-10023 é',
  CANARY_ADMIN: 'CANARY-admin-10024',
  CANARY_BASIC: 'CANARY-basic-10025',
  CANARY_REDIS: 'CANARY-redis-10026',
  CANARY_WEBHOOK: `whsec_${Buffer.from('CANARY-webhook-signing-10027').toString('base64')}`,
  CANARY_TRACKER: 'CANARY-tracker-10028',
  CANARY_TRACES: 'CANARY-traces-10030',
}
const PERSON = { email: 'CANARY.person.10029@example.com', ip: '203.0.113.77' }

t.test('whatever stands where it should not is found, in every spelling', async t => {
  const secret = 'a/CANARY+"1"'
  const found = (text: string) => leaks(text, { secret }).length > 0
  const basic = (user: string) => Buffer.from(`${user}:${secret}`).toString('base64')
  for (const text of [
    `x ${secret} y`,
    `?k=${encodeURIComponent(secret)}`,
    `?k=${encodeURIComponent(secret).toLowerCase()}`,
    JSON.stringify({ secret }),
    Buffer.from(secret).toString('hex').toUpperCase(),
    Buffer.from(secret).toString('base64url'),
    ...['', 'u', 'us', 'use'].map(basic),
  ]) {
    t.ok(found(text), text)
  }
  t.notOk(found('a CANARY 1'))
  const { secret: one, ...others } = { ...SECRETS, secret }
  t.same(leaks(`x${one}`, others), [])
})

t.test('secrets and personal data are in nothing that is shown', async t => {
  const folder = temporaryFolder(t)
  const traces = await startCollector(t)
  const { config, secrets, redis } = await setUp(t, folder, traces.endpoint)
  const crash = join(folder, 'crash.cjs')
  writeFileSync(
    crash,
    `process.on('SIGUSR2', () => {
       const { CANARY_KEY: key, CANARY_SECRET: secret } = process.env
       throw new Error(['defect', key, JSON.stringify({ secret }), encodeURIComponent(key), Buffer.from(secret).toString('base64')].join(' '))
     })`,
  )
  const gateway = await startGateway(t, config, { ...SECRETS, NODE_OPTIONS: `--require ${crash}` })
  const shown: [where: string, text: string][] = []
  await postbacks(t, gateway)
  await until('traces came', () => traces.spans.length > 0)
  await listeners(t, gateway, shown)
  await commands(t, config, gateway, shown)
  await reloads(t, config, gateway, shown)

  // One that cannot start, one that crashes.
  const taken = join(folder, 'taken.yaml')
  const listen = new URL(gateway.url).host
  writeFileSync(taken, readFileSync(config, 'utf8').replace('127.0.0.1:0', listen))
  const second = await cli(['start', '--config', taken], SECRETS)
  t.not(second.code, 0)
  shown.push(['a second gateway', second.stdout + second.stderr])
  t.equal((await gateway.kill('SIGUSR2')).code, 1)
  t.match(
    gateway.output(),
    /Error: defect \*\*\* \{"secret":"\*\*\*"\}/,
    'a crash says what, and hides',
  )
  shown.push(['the gateway', gateway.output()])

  // A Redis that does not take the password.
  await redis.config('SET', 'requirepass', 'another')
  const refused = await runCommand(['log', '--config', config], SECRETS)
  t.equal(refused.code, 1)
  shown.push(['a refused password', refused.text])

  // Only its headers say who we are to the collector.
  shown.push(['traces', traces.requests.map(({ body }) => body).join('\n')])

  for (const [where, text] of shown) {
    t.ok(text.length > 0, `${where} says something`)
    t.same(leaks(text, { ...secrets, ...PERSON }), [], where)
  }
})

async function setUp(t: Test, folder: string, endpoint: string) {
  // Says back what it was sent, as some trackers do in their errors.
  const echo = createServer((incoming, response) => {
    incoming.toArray().then(chunks => {
      response.statusCode = 400
      response.end(`bad: ${incoming.url} ${JSON.stringify(incoming.headers)} ${chunks.join('')}`)
    }, t.threw)
  })
  await new Promise<void>(resolve => echo.listen(0, '127.0.0.1', resolve))
  t.teardown(() => echo.close())
  const base = `http://127.0.0.1:${(echo.address() as AddressInfo).port}`
  const server = await startRedis(t)
  await server.admin.config('SET', 'requirepass', SECRETS.CANARY_REDIS)

  const { good } = createCertificates(folder)
  writeFileSync(join(folder, 'cert.pem'), good.cert)
  writeFileSync(join(folder, 'key.pem'), good.key, { mode: 0o600 })
  const tls = { cert: 'cert.pem', key: 'key.pem' }
  const local = { allow_private: ['127.0.0.1/32'], retry_schedule_ms: [1] }
  const config = install(folder, {
    store: {
      type: 'redis',
      redis: { url: server.url, password: '${CANARY_REDIS}' },
      allow_unsafe: true,
    },
    tracker: base,
    destinations: [],
    more: {
      log: { level: 'debug' },
      tracing: { endpoint, sample: 1, headers: { 'x-key': '${CANARY_TRACES}' } },
      server: { listen: '127.0.0.1:0', tls },
      admin: { listen: '127.0.0.1:0', tls, token: '${CANARY_ADMIN}' },
      networks: {
        net: { tokens: ['${TEST_TOKEN}'] },
        signed: { secrets: ['${CANARY_SECRET}'] },
        gated: { rule: 'net', tokens: ['${CANARY_TRACKER}'] },
      },
      destinations: {
        keyed: { settings: { base, key: '${CANARY_KEY}' }, ...local },
        basic: { settings: { base, password: '${CANARY_BASIC}' }, ...local },
        rewards: {
          rule: 'rewards-webhook',
          settings: { url: `${base}/rewards`, secret: '${CANARY_WEBHOOK}' },
          ...local,
        },
      },
      routes: [{ from: ['net', 'signed'], to: ['keyed', 'basic', 'rewards'] }],
      proxy: {
        upstream: base,
        mode: 'gate',
        postbacks: [{ path: '/pb/{network}/{token}' }],
        delivery: { retry_schedule_ms: [1] },
      },
    },
  })
  writeRules(join(folder, 'rules'))
  const [, keyLine = ''] = good.key.split('\n')
  return { config, redis: server.admin, secrets: { ...SECRETS, tlsKey: keyLine } }
}

const dispatcher = new Agent({ connect: { rejectUnauthorized: false } })
t.teardown(() => dispatcher.close())

async function get(url: string, headers: Record<string, string> = {}) {
  const { statusCode, body } = await request(url.replace('http:', 'https:'), {
    dispatcher,
    headers,
  })
  return { status: statusCode, text: await body.text() }
}

/** Good, forged, broken, unknown; and secrets where none belong. */
async function postbacks(t: Test, gateway: Gateway): Promise<void> {
  const token = SECRETS.TEST_TOKEN
  const person = `email=${encodeURIComponent(PERSON.email)}&ip=${PERSON.ip}`
  for (const [path, status] of [
    [`/in/net/${token}?cid=c1&tid=t1&payout=1&uid=u1&${person}`, 200],
    [`/in/net/${token}x?tid=t2`, 401],
    [`/in/net/${token}?tid=t3&payout=${SECRETS.CANARY_SECRET}`, 400],
    [`/in/net/${token}?tid=t3&status=${SECRETS.CANARY_ADMIN}`, 400],
    [`/in/net/${token}?tid=%zz${token}`, 400],
    [`/in/net/${token}?tid=${token}${'x'.repeat(300)}`, 400],
    [`/in/signed?tid=t4&sig=${'a'.repeat(64)}`, 401],
    [`/in/signed?tid=t4&sig=${SECRETS.CANARY_SECRET}`, 401],
    [`/in/${SECRETS.CANARY_SECRET}/${token}?tid=t5`, 404],
    [`/in/gated/${SECRETS.CANARY_TRACKER}?tid=t6&cid=c6`, 200],
    [`/pb/gated/${SECRETS.CANARY_TRACKER}?tid=t7&cid=c7&${person}`, 200],
    [`/pb/gated/${token}?tid=t8`, 401],
    [`/other/${token}?key=${encodeURIComponent(SECRETS.CANARY_KEY)}`, 400],
  ] as const) {
    const answer = await get(gateway.url + path, {
      'user-agent': SECRETS.CANARY_SECRET,
      authorization: `Bearer ${SECRETS.CANARY_ADMIN}`,
      cookie: `session=${token}`,
    })
    t.equal(answer.status, status, path.replace(/CANARY.*/, '…'))
  }
  const died = () => gateway.lines.filter(line => line['msg'] === 'delivery.died').length
  await until('the answers of destinations came back', () => died() >= 4)
}

async function listeners(t: Test, gateway: Gateway, shown: [string, string][]): Promise<void> {
  const { CANARY_ADMIN: token, TEST_TOKEN: other } = SECRETS
  const metrics = await get(`${gateway.admin}/metrics`, { authorization: `Bearer ${token}` })
  t.equal(metrics.status, 200)
  shown.push(['metrics', metrics.text])
  for (const path of [
    `/metrics?token=${token}`,
    `/${token}`,
    '/healthz',
    '/readyz',
    `/dead/${other}`,
  ]) {
    const { text } = await get(`${gateway.admin}${path}`, { authorization: `Bearer ${other}` })
    shown.push([`admin ${path.slice(0, 5)}`, text])
  }
  for (const path of [
    `/in/${other}`,
    `/in/net/${other}?tid=`,
    `/in/net/${token}?tid=1`,
    `/%zz${other}`,
  ]) {
    const { text } = await get(gateway.url + path)
    if (!path.startsWith('/%')) shown.push([`an answer to ${path.slice(0, 7)}`, text])
  }
}

async function commands(
  t: Test,
  config: string,
  gateway: Gateway,
  shown: [string, string][],
): Promise<void> {
  const run = async (...args: string[]) => {
    const { text } = await runCommand([...args, '--config', config], SECRETS)
    shown.push([args.slice(0, 2).join(' '), text])
    return text
  }
  const letters = (await run('dead', 'list', '--json')).split('\n').filter(line => line.startsWith('{')) // prettier-ignore
  const seen = new Set<string>()
  for (const line of letters) {
    const { delivery, destination } = JSON.parse(line) as { delivery: string; destination: string }
    seen.add(destination)
    t.match(await run('dead', 'show', delivery), /\*\*\*/, `${destination}: masked`)
    await run('dead', 'show', delivery, '--json')
  }
  t.same([...seen].sort(), ['basic', 'keyed', 'proxy-upstream', 'rewards'])
  const signed = `/in/signed?tid=t4&payout=1&sig=${SECRETS.CANARY_SECRET}`
  for (const args of [
    ['dead', 'list'],
    ['dead', 'show', SECRETS.TEST_TOKEN],
    ['log'],
    ['log', '--json'],
    ['check'],
    ['check', '--json'],
    ['explain', `/in/net/${SECRETS.TEST_TOKEN}?cid=c&tid=t`],
    ['explain', '/in/net/wrong?cid=c&tid=t', '--skip-verify', '--json'],
    ['explain', signed],
    ['explain', signed, '--json', '--header', `authorization: Bearer ${SECRETS.TEST_TOKEN}`],
    ['networks', 'show', 'net'],
    ['networks', '--json'],
    ['destinations', 'show', 'keyed'],
    ['destinations', 'show', 'keyed', '--json'],
    ['send', 'net', '--dry-run'],
    ['send', 'signed', '--dry-run', '--json'],
    ['send', 'net', '--gateway', gateway.url.replace('http:', 'https:')],
    ['send', '--to', 'keyed'],
    ['send', '--to', 'basic', '--json'],
    ['send', '--to', 'rewards', '--really'],
    ['erase', '--network', 'net', '--key', 't1'],
    ['erase', '--network', 'net', '--key', SECRETS.TEST_TOKEN],
  ]) {
    await run(...args)
  }
}

/** A fault at every place of a secret, and secrets at places of none. */
async function reloads(
  t: Test,
  config: string,
  gateway: Gateway,
  shown: [string, string][],
): Promise<void> {
  const good = readFileSync(config, 'utf8')
  const refusals = () => gateway.lines.filter(line => line['msg'] === 'config.refused').length
  for (const [from, to] of [
    ['tokens:', 'tokenz:'],
    ['${CANARY_KEY}', SECRETS.CANARY_KEY],
    ['${CANARY_KEY}', `[${SECRETS.CANARY_SECRET}]`],
    ['${TEST_TOKEN}', `${SECRETS.TEST_TOKEN}: [`],
    ['password: ${CANARY_REDIS}', `password: { ${SECRETS.CANARY_REDIS}: 1 }`],
    ['${CANARY_WEBHOOK}', '${CANARY_BASIC}'],
    ['level: debug', `level: \${CANARY_ADMIN}`],
    ['key: key.pem', 'key: cert.pem'],
  ] as const) {
    const broken = good.replace(from, to)
    t.not(broken, good, `${from} is there`)
    const before = refusals()
    writeFileSync(config, broken)
    await until(`refused: ${from}`, () => refusals() > before)
    const { code, text } = await runCommand(['check', '--config', config], SECRETS)
    t.equal(code, 1, from)
    shown.push([`check of a broken ${from}`, text])
  }
  writeFileSync(config, good)
}

/** Keys in URL, query, header and HTTP Basic; personal data in a query. */
function writeRules(rules: string): void {
  mkdirSync(rules, { recursive: true })
  const signed = readFileSync(join(import.meta.dirname, 'rules/networks/signed.yaml'), 'utf8')
  writeFileSync(join(rules, 'networks', 'signed.yaml'), signed)
  const net = join(rules, 'networks', 'net.yaml')
  const fields = 'fields:\n  email: [email]\n  ip: [ip]\n  user_id: [uid]\n'
  writeFileSync(net, readFileSync(net, 'utf8').replace('fields:\n', fields))
  const rule = (name: string, text: string) =>
    writeFileSync(
      join(rules, 'destinations', `${name}.yaml`),
      `name: ${name}\nkind: tracker\nverified: vendor\ndocs: https://example.com/\n${text}`,
    )
  rule(
    'keyed',
    `settings: { base: { title: Base URL }, key: { title: Key, secret: true } }
request:
  method: GET
  url: '{settings.base}/keyed'
  query: { key: '{settings.key}', tid: '{transaction_id}', mail: '{email}', ip: '{ip}' }
examples:
  - title: a sale
    conversion: { transaction_id: t1 }
    settings: { base: https://t.example.com, key: k }
    request: { method: GET, url: 'https://t.example.com/keyed?key=k&tid=t1' }
`,
  )
  rule(
    'basic',
    `settings: { base: { title: Base URL }, password: { title: Password, secret: true } }
request:
  method: POST
  url: '{settings.base}/basic'
  json: { tid: '{transaction_id}', mail: '{email}', password: '{settings.password}' }
  auth: { basic: { user: us, password: '{settings.password}' } }
examples:
  - title: a sale
    conversion: { transaction_id: t1 }
    settings: { base: https://t.example.com, password: p }
    request:
      method: POST
      url: https://t.example.com/basic
      headers: { authorization: 'Basic dXM6cA==', content-type: application/json }
      body: '{"tid":"t1","password":"p"}'
`,
  )
}
