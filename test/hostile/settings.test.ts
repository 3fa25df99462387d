/** TLS that is renewed under a running gateway, and the settings of privacy, each as it is set. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'node:tls'
import t from 'tap'
import { Agent, request } from 'undici'
import { createCertificates, type ServerCertificate } from '../support/certificates.ts'
import { runCommand } from '../support/command.ts'
import { startGateway, temporaryFolder, type Gateway } from '../support/gateway.ts'
import { install, target, TOKEN } from '../support/installation.ts'
import { startTracker } from '../support/tracker.ts'
import { until } from '../support/until.ts'

t.setTimeout(180_000)
const ENV = { TEST_TOKEN: TOKEN }

/** Serial number of the certificate that a new connection is shown. */
function serialAt(url: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(url)
    const socket = connect(
      { host: hostname, port: Number(port), rejectUnauthorized: false },
      () => {
        resolve(socket.getPeerCertificate().serialNumber)
        socket.destroy()
      },
    )
    socket.once('error', reject)
  })
}

t.test('a certificate that is renewed on disk is served; a broken one is not', async t => {
  const folder = temporaryFolder(t)
  const { good, selfSigned } = createCertificates(folder)
  const put = ({ cert, key }: ServerCertificate) => {
    writeFileSync(join(folder, 'tls.key'), key, { mode: 0o600 })
    writeFileSync(join(folder, 'tls.pem'), cert)
  }
  put(good)
  const tls = { cert: 'tls.pem', key: 'tls.key' }
  const config = install(folder, {
    store: { type: 'memory' },
    tracker: 'http://127.0.0.1:9',
    more: {
      server: { listen: '127.0.0.1:0', tls },
      admin: { listen: '127.0.0.1:0', tls },
      networks: { net: { tokens: ['${TEST_TOKEN}'], require_https: true } },
    },
  })
  const gateway = await startGateway(t, config, ENV)
  const both = () => Promise.all([serialAt(gateway.url), serialAt(gateway.admin)])
  const first = await both()
  t.equal(first[0], first[1])

  const dispatcher = new Agent({ connect: { rejectUnauthorized: false } })
  t.teardown(() => dispatcher.close())
  const https = (url: string) => request(url.replace('http:', 'https:'), { dispatcher })
  const posted = await https(gateway.url + target('a'))
  t.equal(posted.statusCode, 200, 'require_https is content')
  t.notOk(posted.headers['strict-transport-security'], 'networks are no browsers')
  await posted.body.dump()
  for (const path of ['/metrics', '/healthz', '/nowhere']) {
    const { headers, body } = await https(gateway.admin + path)
    t.match(headers['strict-transport-security'], /^max-age=\d{7,}$/, `${path}: HSTS`)
    await body.dump()
  }

  put(selfSigned)
  await until('both serve the new one', async () => (await both()).every(one => one !== first[0]))
  const second = await both()
  const refused = () => gateway.lines.filter(line => line['msg'] === 'config.refused').length
  const before = refused()
  writeFileSync(join(folder, 'tls.key'), 'half a key')
  await until('it is refused', () => refused() > before)
  t.same(await both(), second, 'the pair that works stays')
})

const CLIENT = '203.0.113.77'
const MAIL = 'a.person@example.com'

async function run(t: Parameters<typeof startGateway>[0], settings: Record<string, unknown>) {
  const folder = temporaryFolder(t)
  const tracker = await startTracker(t)
  tracker.behave.set('/a', 400)
  const config = install(folder, {
    store: { type: 'lmdb', path: join(folder, 'data'), ...(settings['store'] as object) },
    tracker: tracker.url,
    destinations: ['a'],
    destination: { retry_schedule_ms: [1] },
    more: {
      log: { level: 'debug' },
      server: { listen: '127.0.0.1:0', trusted_proxies: ['127.0.0.1/32'] },
      privacy: settings['privacy'] ?? {},
    },
  })
  const rule = join(folder, 'rules/networks/net.yaml')
  writeFileSync(
    rule,
    readFileSync(rule, 'utf8').replace('fields:\n', 'fields:\n  email: [email]\n'),
  )
  const out = join(folder, 'rules/destinations/test-tracker.yaml')
  writeFileSync(
    out,
    readFileSync(out, 'utf8').replace('  query:\n', '  query:\n    mail: "{email}"\n'),
  )
  const gateway = await startGateway(t, config, ENV)
  const headers = { 'x-forwarded-for': CLIENT }
  const { statusCode, body } = await request(
    `${gateway.url}${target('p1')}&email=${encodeURIComponent(MAIL)}`,
    { headers },
  )
  await body.dump()
  if (statusCode !== 200) throw new Error(`answered ${statusCode}`)
  await until('it is dead', () => gateway.lines.some(line => line['msg'] === 'delivery.died'))
  const postern = async (...args: string[]) =>
    (await runCommand([...args, '--config', config], ENV)).text
  const list = await postern('dead', 'list', '--json')
  const { delivery } = JSON.parse(list.split('\n')[0] ?? '') as { delivery: string }
  const views = (await postern('dead', 'show', delivery)) + (await postern('dead', 'show', delivery, '--json')) // prettier-ignore
  return { gateway, views, log: await noted(gateway, () => postern('log', '--json')) }
}

/** The decision log is written a little later, and at the end. */
async function noted(gateway: Gateway, read: () => Promise<string>): Promise<string> {
  await gateway.kill('SIGTERM')
  return read()
}

t.test('by default, views are masked and addresses cut', async t => {
  const { gateway, views, log } = await run(t, {})
  t.notOk(views.includes(MAIL) || views.includes(encodeURIComponent(MAIL)), 'no personal data')
  t.match(views, /mail=\*\*\*/)
  t.match(gateway.output(), /"client":"203\.0\.113\.0\/24"/)
  t.notMatch(gateway.output(), CLIENT)
  t.match(log, /"transaction_id":"p1"/)
  t.notOk(log.includes(MAIL) || log.includes(CLIENT))
})

t.test('what is set is done: whole views, no addresses, no decision log', async t => {
  const { gateway, views, log } = await run(t, {
    privacy: { views: 'full', client_addresses: 'off' },
    store: { decisions: 0 },
  })
  t.ok(views.includes(encodeURIComponent(MAIL)) && views.includes(`"email":"${MAIL}"`))
  t.notMatch(gateway.output(), /"client"|203\.0\.113/)
  t.notMatch(log, /p1/)
})
