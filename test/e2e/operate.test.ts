/** What operators do: check, explain, send, look, replay, reload, run several processes. */
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { request } from 'undici'
import t from 'tap'
import { cli } from '../support/cli.ts'
import { MAIN, startGateway, temporaryFolder } from '../support/gateway.ts'
import { install, target, TOKEN } from '../support/installation.ts'
import { ledgerGap, pendingDeliveries, series } from '../support/ledger.ts'
import { startTracker } from '../support/tracker.ts'
import { until } from '../support/until.ts'

const ENV = { TEST_TOKEN: TOKEN }
t.setTimeout(180_000)

const send = async (url: string): Promise<{ status: number; body: string }> => {
  const response = await request(url)
  return { status: response.statusCode, body: await response.body.text() }
}
const has = (lines: readonly Record<string, unknown>[], msg: string) =>
  lines.some(line => line['msg'] === msg)

t.test('explain says where a postback would go, by which line, and shows no secret', async t => {
  const tracker = await startTracker(t)
  const folder = temporaryFolder(t)
  const config = install(folder, { store: { type: 'lmdb', path: folder }, tracker: tracker.url })
  const url = `http://any.host${target('e1')}`
  const human = await cli(['explain', url, '-c', config], ENV)
  t.equal(human.code, 0, human.stderr)
  t.match(human.stdout, /transaction_id +e1 +tid +.*net\.yaml:\d+:\d+/)
  t.match(human.stdout, /dedupe key +\["transaction_id,event","e1",""\]/)
  t.match(human.stdout, `GET ${tracker.url}/a?cid=click-e1&tid=e1&payout=1.50&st=approved`)
  t.match(human.stdout, /accepted +new/)
  t.notMatch(human.stdout + human.stderr, TOKEN)

  const json = await cli(['explain', url, '-c', config, '--json'], ENV)
  const explained = JSON.parse(json.stdout) as { reason: string; deliveries: unknown[] }
  t.equal(explained.reason, 'new')
  t.equal(explained.deliveries.length, 2)

  const forged = await cli(['explain', url.replace(TOKEN, 'wrong'), '-c', config], ENV)
  t.equal(forged.code, 1)
  t.match(forged.stdout, /secret_mismatch/)
  t.match(forged.stdout, /token +secret_mismatch.* net\.yaml:\d+|token +secret_mismatch/)
  const body = await cli(
    ['explain', `/in/net/${TOKEN}`, '--body', 'cid=c&tid=b1&payout=2', '-c', config, '--json'],
    ENV,
  )
  t.match(body.stdout, /"transaction_id":"b1"/)
  t.equal(tracker.arrivals.length, 0, 'nothing was sent')
})

t.test('check tells every fault at its place and exits 1', async t => {
  const folder = temporaryFolder(t)
  const config = install(folder, { store: { type: 'memory' }, tracker: 'http://127.0.0.1:9' })
  const good = await cli(['check', '-c', config], ENV)
  t.equal(good.code, 0, good.stderr + good.stdout)
  t.match(good.stdout, /sound/)
  const text = readFileSync(config, 'utf8')
  writeFileSync(config, text.replace('networks:', 'netwroks:'))
  const bad = await cli(['check', '-c', config], ENV)
  t.equal(bad.code, 1)
  t.match(bad.stderr, /postern\.yaml:\d+:\d+: unknown key `netwroks`.*did you mean `networks`/)
  writeFileSync(
    config,
    text.replace("- '*'", '').replace('base: http://127.0.0.1:9', 'base: http://169.254.169.254'),
  )
  const guarded = await cli(['check', '-c', config, '--json'], ENV)
  t.equal(guarded.code, 1)
  t.match(guarded.stdout, /"ok":false/)
  t.match(guarded.stdout, /metadata|link.local|private|not public/i)
})

t.test('send fires the example of a rule, signed with the configured token', async t => {
  const tracker = await startTracker(t)
  const folder = temporaryFolder(t)
  const config = install(folder, { store: { type: 'lmdb', path: folder }, tracker: tracker.url })
  const env = { TEST_TOKEN: 'another-token-than-the-example' }
  const gateway = await startGateway(t, config, env)
  const sent = await cli(['send', 'net', '-c', config, '--gateway', gateway.url], env)
  t.equal(sent.code, 0, sent.stdout + sent.stderr)
  t.match(sent.stdout, /200 OK/)
  t.notMatch(sent.stdout, env.TEST_TOKEN)
  await until('it is delivered', () => tracker.arrivals.length === 2)
  const unknown = await cli(['send', 'nobody', '-c', config], env)
  t.equal(unknown.code, 1)
  t.match(unknown.stderr, /there are net/)

  const found = await cli(['log', '--find', 't1', '--json', '-c', config], env)
  const [line = ''] = found.stdout.split('\n')
  t.match(JSON.parse(line) as object, { reason: 'new', network: 'net', destinations: ['a', 'b'] })
})

t.test(
  'dead letters are listed, shown, replayed and discarded, and the ledger balances',
  async t => {
    const tracker = await startTracker(t)
    tracker.behave.set('/a', 400)
    const folder = temporaryFolder(t)
    const config = install(folder, {
      store: { type: 'lmdb', path: folder },
      tracker: tracker.url,
      destination: { retry_schedule_ms: [5] },
    })
    const gateway = await startGateway(t, config, ENV)
    for (const id of ['d1', 'd2', 'd3']) t.equal((await send(gateway.url + target(id))).status, 200)
    const letters = async () => {
      const { stdout } = await cli(['dead', 'list', '--json', '-c', config], ENV)
      return stdout
        .split('\n')
        .filter(Boolean)
        .map(line => JSON.parse(line) as { delivery: string; reason: string; destination: string })
    }
    await until('three died', async () => (await letters()).length === 3, 30_000)
    const [first] = await letters()
    t.match(first, { reason: 'rejected', destination: 'a' })
    const shown = await cli(['dead', 'show', first?.delivery ?? '', '-c', config], ENV)
    t.match(shown.stdout, `GET ${tracker.url}/a?cid=click-`)
    t.equal(await ledgerGap(gateway), 0)

    tracker.behave.clear()
    const replayed = await cli(['dead', 'replay', first?.delivery ?? '', '-c', config], ENV)
    t.match(replayed.stdout, /replay: 1/)
    await until(
      'the replayed one arrives',
      () => tracker.on('/a').some(a => a.answered === 200),
      30_000,
    )
    const discarded = await cli(['dead', 'discard', '--all', '-c', config], ENV)
    t.match(discarded.stdout, /discard: 2/)
    t.same(await letters(), [])
    t.equal((await cli(['dead', 'replay', '-c', config], ENV)).code, 1, 'naming nothing is refused')
    t.equal((await cli(['dead', 'show', 'no-such_x', '-c', config], ENV)).code, 1)
    await until('all has ended', async () => (await pendingDeliveries(gateway)) === 0)
    t.equal(await ledgerGap(gateway), 0)
  },
)

t.test('a reload is all or nothing, and work in flight ends as it began', async t => {
  const tracker = await startTracker(t)
  let release = () => {}
  const held = new Promise<void>(resolve => {
    release = resolve
  })
  const folder = temporaryFolder(t)
  const config = install(folder, {
    store: { type: 'lmdb', path: folder },
    tracker: tracker.url,
    destination: { retry_schedule_ms: [50], timeout_ms: 1000 },
  })
  const gateway = await startGateway(t, config, ENV)
  const text = readFileSync(config, 'utf8')
  tracker.behave.set('/a', 'hang')
  t.equal((await send(gateway.url + target('r1'))).status, 200)
  await until('an attempt is in flight', () => tracker.on('/a').length === 1)

  writeFileSync(config, text.replace('routes:', 'rutes:'))
  await until('the bad file is refused', () => has(gateway.lines, 'config.refused'))
  t.equal((await send(gateway.url + target('r2'))).status, 200, 'the old set serves on')
  const [ok] = (await series(gateway, 'postern_config_last_reload_successful')).values()
  t.equal(ok, 0)

  // A new network appears and destination b goes away, while a delivery to a hangs.
  const next = text
    .replace(
      /^networks:\n/m,
      'networks:\n  second:\n    rule: net\n    tokens:\n      - ${TEST_TOKEN}\n',
    )
    .replace(/^ {2}b:\n(?: {4}.*\n(?: {6}.*\n)*)*/m, '')
    .replace(/\n( +)- b\n/, '\n')
  writeFileSync(config, next)
  const loads = gateway.lines.filter(line => line['msg'] === 'config.loaded').length
  await until(
    'the good file is taken',
    () => gateway.lines.filter(line => line['msg'] === 'config.loaded').length > loads,
  )
  t.equal((await send(gateway.url + target('r3').replace('/in/net/', '/in/second/'))).status, 200)
  tracker.behave.clear()
  release()
  await held
  await until('everything reaches a', () => {
    const got = new Set(
      tracker
        .on('/a')
        .filter(a => a.answered === 200)
        .map(a => a.query.get('tid')),
    )
    return ['r1', 'r2', 'r3'].every(id => got.has(id))
  })
  t.notOk(
    tracker.on('/b').some(a => a.query.get('tid') === 'r3'),
    'b is no longer served',
  )
})

t.test(
  'workers: N processes on one port, one admin listener, one that dies comes back',
  async t => {
    const tracker = await startTracker(t)
    const folder = temporaryFolder(t)
    const config = install(folder, {
      store: { type: 'lmdb', path: folder, lease_ms: 1000 },
      tracker: tracker.url,
      more: { workers: 2, log: { level: 'debug' } },
    })
    const gateway = await startGateway(t, config, ENV)
    t.equal((await fetch(`${gateway.admin}/readyz`)).status, 200)
    const pids = () =>
      new Set(gateway.lines.filter(l => l['msg'] === 'worker.started').map(l => Number(l['pid'])))
    t.equal(pids().size, 2, 'two workers serve')
    const ids = Array.from({ length: 40 }, (_, i) => `w${i}`)
    for (const id of ids) t.equal((await send(gateway.url + target(id))).status, 200)
    await until(
      'each is delivered',
      () => tracker.on('/a').length === 40 && tracker.on('/b').length === 40,
    )
    const counted = async () =>
      (await series(gateway, 'postern_postbacks_total')).get('{network="net",outcome="accepted"}')
    t.equal(await counted(), 40, 'metrics are of all workers together')

    const [victim = 0] = pids()
    process.kill(victim, 'SIGKILL')
    await until('its death is told', () => has(gateway.lines, 'worker.died'))
    await until(
      'another takes its place',
      async () => pids().size === 3 && (await fetch(`${gateway.admin}/readyz`)).ok,
    )
    t.equal((await send(gateway.url + target('after'))).status, 200)
    const { code } = await gateway.kill('SIGTERM')
    t.equal(code, 0)
  },
)

t.test('a worker that dies while the others start ends the gateway, not half of it', async t => {
  const folder = temporaryFolder(t)
  const config = install(folder, {
    store: { type: 'lmdb', path: folder },
    tracker: 'http://127.0.0.1:9',
    more: { workers: 2 },
  })
  const primary = spawn(process.execPath, [MAIN, 'start', '--config', config], {
    env: { ...process.env, ...ENV },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  t.teardown(() => primary.kill('SIGKILL'))
  let written = ''
  primary.stdout.on('data', (chunk: Buffer) => {
    written += chunk.toString()
  })
  const ended = new Promise<number | null>(resolve => primary.once('exit', resolve))
  const children = () =>
    readFileSync(`/proc/${primary.pid}/task/${primary.pid}/children`, 'utf8').match(/\d+/g) ?? []
  await until('there are two workers', () => children().length === 2)
  const [victim, other] = children().map(Number)
  process.kill(victim ?? 0, 'SIGKILL')
  t.teardown(() => {
    try {
      process.kill(other ?? 0, 'SIGKILL')
    } catch {
      // It has ended, as it should.
    }
  })
  t.equal(await ended, 1)
  t.match(written, /a worker ended before it could serve/)
  t.match(written, '"msg":"gateway.stopped"')
})

t.test('a loop of gateways ends with a refusal', async t => {
  const folder = temporaryFolder(t)
  const tracker = await startTracker(t)
  const config = install(folder, { store: { type: 'memory' }, tracker: tracker.url })
  const gateway = await startGateway(t, config, ENV)
  const response = await request(gateway.url + target('l1'), { headers: { 'postern-hop': '5' } })
  t.equal(response.statusCode, 508)
  t.match(await response.body.text(), /loop_detected/)
  await send(gateway.url + target('l2'))
  await until('it goes out', () => tracker.arrivals.length === 2)
})

t.test('admin.token guards the metrics and leaves health to probes', async t => {
  const folder = temporaryFolder(t)
  const config = install(folder, {
    store: { type: 'memory' },
    tracker: 'http://127.0.0.1:9',
    more: { admin: { listen: '127.0.0.1:0', token: '${ADMIN_TOKEN}' } },
  })
  const gateway = await startGateway(t, config, { ...ENV, ADMIN_TOKEN: 'operators-only' })
  const metrics = (token?: string) =>
    fetch(
      `${gateway.admin}/metrics`,
      token ? { headers: { authorization: `Bearer ${token}` } } : {},
    )
  t.equal((await metrics()).status, 401)
  t.equal((await metrics('wrong')).status, 401)
  t.equal((await metrics('operators-only')).status, 200)
  t.equal((await fetch(`${gateway.admin}/readyz`)).status, 200)
})
