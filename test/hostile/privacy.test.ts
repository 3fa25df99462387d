/**
 * What must be nowhere: what was erased, in any file or key of the store; and secrets, in anything
 * that a gateway or a command ever prints, counts or keeps.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import t, { type Test } from 'tap'
import { request } from 'undici'
import { runCommand, type CommandRun } from '../support/command.ts'
import { startGateway, temporaryFolder, type Gateway } from '../support/gateway.ts'
import { install, target, TOKEN } from '../support/installation.ts'
import { startRedis } from '../support/redis-server.ts'
import { startTracker } from '../support/tracker.ts'
import { until } from '../support/until.ts'

t.setTimeout(180_000)

function postern(config: string, args: readonly string[], env = {}): Promise<CommandRun> {
  const [command = '', ...rest] = args
  // Behind the command and its own command, where there is one.
  const at = ['dead', 'networks'].includes(command) ? 1 : 0
  const words = [command, ...rest.slice(0, at), '--config', config, ...rest.slice(at)]
  return runCommand(words, { TEST_TOKEN: TOKEN, ...env })
}

async function send(gateway: Gateway, path: string): Promise<number> {
  const response = await request(`${gateway.url}${path}`)
  await response.body.dump()
  return response.statusCode
}

// --- erase ---------------------------------------------------------------------------------------

/** Every place at once: delivered, waiting for a retry, dead, and in the log. */
async function eraseRun(
  t: Test,
  folder: string,
  store: Record<string, unknown>,
  scan: () => Promise<string>,
): Promise<void> {
  const tracker = await startTracker(t)
  tracker.behave.set('/down', 503)
  tracker.behave.set('/refuse', 400)
  const config = install(folder, {
    store,
    tracker: tracker.url,
    destinations: ['ok', 'down', 'refuse'],
    destination: { retry_schedule_ms: [1, 1, 3_600_000] },
  })
  const gateway = await startGateway(t, config, { TEST_TOKEN: TOKEN })
  const person = 'CANARY-person-77310'
  for (let i = 0; i < 20; i++) await send(gateway, target(`other-${i}`, '&sub1=kept'))
  t.equal(await send(gateway, target(person, `&sub1=${person}`)), 200)
  t.equal(await send(gateway, target(person, `&sub1=${person}&status=bogus`)), 400)
  t.equal(await send(gateway, target(person, `&sub1=${person}&x=${person}`)), 200, 'a duplicate')
  for (let i = 20; i < 40; i++) await send(gateway, target(`other-${i}`, '&sub1=kept'))
  const count = (text: string, word: string) => text.split(word).length - 1
  await until('refused ones are dead', async () => {
    const { text } = await postern(config, ['dead', 'list', '--limit', '500', '--json'])
    return count(text, '"reason":"rejected"') === 41 && text.includes(`click-${person}`)
  })
  await until('the log has it', async () =>
    (await postern(config, ['log', '--find', person])).text.includes('duplicate'),
  )
  t.ok((await scan()).includes(person), 'it is there')

  const wrong = await postern(config, ['erase', '--network', 'net', '--key', 'CANARY-nobody'])
  t.equal(wrong.code, 1)
  t.match(wrong.text, /nothing found/)
  const vague = await postern(config, ['erase', '--network', 'net', '--key', 'status=approved'])
  t.equal(vague.code, 1)
  t.match(vague.text, /begins with transaction_id/)
  const erased = await postern(config, ['erase', '--network', 'net', '--key', person, '--json'])
  t.equal(erased.code, 0, erased.text)
  t.match(JSON.parse(erased.text), { states: 1, pending: 1, deadLetters: 1, decisions: 2 })
  t.notOk((await scan()).includes('CANARY-person'), 'and it is nowhere')
  t.equal((await postern(config, ['log', '--find', person])).text.includes(person), false)

  const books = await postern(config, ['log', '--find', 'other-7', '--json'])
  t.match(books.text, /"reason":"new"/, 'others are still known')
  t.equal(await send(gateway, target('other-39', '&sub1=kept')), 200)
  await until('a duplicate still is one', async () =>
    (await postern(config, ['log', '--find', 'other-39'])).text.includes('duplicate'),
  )
  t.equal(await send(gateway, target(person)), 200)
  await until('the erased one is new', async () => {
    const { text } = await postern(config, ['log', '--find', person])
    return text.includes('new') && !text.includes('duplicate')
  })
  const byParts = ['erase', '--network', 'net', '--key', `transaction_id=${person}`, '--json']
  const again = await postern(config, byParts)
  t.match(JSON.parse(again.text), { states: 1, decisions: 1 }, again.text)
  t.notOk((await scan()).includes('CANARY-person'))
  t.equal((await gateway.kill('SIGTERM')).code, 0)
  t.notOk((await scan()).includes('CANARY-person'), 'and does not come back')
}

t.test('what is erased is nowhere: LMDB', async t => {
  const folder = temporaryFolder(t)
  const path = join(folder, 'data')
  const scan = async () =>
    readdirSync(path)
      .map(file => readFileSync(join(path, file), 'latin1'))
      .join('\n')
  await eraseRun(t, folder, { type: 'lmdb', path }, scan)
})

t.test('what is erased is nowhere: Redis', async t => {
  const server = await startRedis(t)
  const redis = new Redis(server.url)
  t.teardown(() => redis.disconnect())
  const scan = async () => {
    const found: unknown[] = []
    for await (const keys of redis.scanStream()) {
      for (const key of keys as string[]) {
        const type = await redis.type(key)
        const value =
          type === 'hash'
            ? await redis.hgetall(key)
            : type === 'list'
              ? await redis.lrange(key, '0', '-1')
              : type === 'zset'
                ? await redis.zrange(key, '0', '-1')
                : await redis.get(key)
        found.push(key, value)
      }
    }
    return JSON.stringify(found)
  }
  const store = { type: 'redis', redis: { url: server.url, partitions: 4 }, allow_unsafe: true }
  await eraseRun(t, temporaryFolder(t), store, scan)
})

// --- secrets -------------------------------------------------------------------------------------

const SECRETS = {
  TEST_TOKEN: 'CANARY-token-10021',
  CANARY_SECRET: 'CANARY-signing-10022',
  CANARY_KEY: 'CANARY-key/with+odd&chars-10023',
  CANARY_ADMIN: 'CANARY-admin-10024',
}
const PERSON = 'CANARY.person.10025@example.com'

t.test('secrets and personal data are in nothing that is shown', async t => {
  const folder = temporaryFolder(t)
  // Says back what it was sent, as some trackers do in their errors.
  const echo = createServer((incoming, response) => {
    response.statusCode = 400
    response.end(`bad request: ${incoming.url} ${JSON.stringify(incoming.headers)}`)
  })
  await new Promise<void>(resolve => echo.listen(0, '127.0.0.1', resolve))
  t.teardown(() => echo.close())
  const { port } = echo.address() as AddressInfo
  const base = `http://127.0.0.1:${port}`
  const config = install(folder, {
    store: { type: 'lmdb', path: join(folder, 'data') },
    tracker: base,
    destinations: ['a'],
    destination: { retry_schedule_ms: [1] },
    more: {
      log: { level: 'debug' },
      admin: { listen: '127.0.0.1:0', token: '${CANARY_ADMIN}' },
      networks: { net: { tokens: ['${TEST_TOKEN}'] }, signed: { secrets: ['${CANARY_SECRET}'] } },
      routes: [{ to: ['a', 'keyed'] }],
    },
  })
  writeRules(folder)
  const text = readFileSync(config, 'utf8')
  writeFileSync(
    config,
    text.replace(
      'destinations:\n',
      `destinations:\n  keyed:\n    settings: { base: "${base}", key: "\${CANARY_KEY}" }\n    allow_private: [127.0.0.1/32]\n    retry_schedule_ms: [1]\n`,
    ),
  )
  const gateway = await startGateway(t, config, SECRETS)
  const shown: [string, string][] = []
  const run = async (...args: string[]) => {
    const { text: output } = await postern(config, args, SECRETS)
    shown.push([args.slice(0, 2).join(' '), output])
    return output
  }
  const net = (token: string, query: string) => `/in/net/${token}?${query}`
  const token = SECRETS.TEST_TOKEN
  const person = encodeURIComponent(PERSON)

  // Good, forged, broken, unknown.
  t.equal(await send(gateway, net(token, `cid=c1&tid=t1&payout=1&email=${person}&ip=CANARY-ip`)), 200) // prettier-ignore
  t.equal(await send(gateway, net(`${token}x`, 'tid=t2')), 401)
  t.equal(await send(gateway, net(token, `tid=t3&payout=${SECRETS.CANARY_SECRET}`)), 400)
  t.equal(await send(gateway, `/in/signed?tid=t4&sig=${'a'.repeat(64)}`), 401)
  t.equal(await send(gateway, `/in/nowhere/${token}?tid=t5`), 404)
  await until('dead letters', async () => {
    const list = await run('dead', 'list', '--json')
    return (
      list
        .trim()
        .split('\n')
        .filter(line => line.startsWith('{')).length === 2
    )
  })

  for (const line of (await run('dead', 'list', '--json')).trim().split('\n')) {
    if (!line.startsWith('{')) continue
    const { delivery } = JSON.parse(line) as { delivery: string }
    await run('dead', 'show', delivery)
    await run('dead', 'show', delivery, '--json')
  }
  await run('dead', 'list')
  await run('log')
  await run('log', '--json')
  await run('check')
  await run('check', '--json')
  await run('explain', net('wrong', 'cid=c&tid=t'))
  await run('explain', net('wrong', 'cid=c&tid=t'), '--skip-verify', '--json')
  await run('networks', 'show', 'net')
  await run('send', 'net', '--dry-run')
  await run('send', 'signed', '--dry-run', '--json')
  await run('send', 'net', '--to', gateway.url)
  const metrics = await request(`${gateway.admin}/metrics`, {
    headers: { authorization: `Bearer ${SECRETS.CANARY_ADMIN}` },
  })
  shown.push(['metrics', await metrics.body.text()])
  const refused = await request(`${gateway.admin}/metrics?token=${SECRETS.CANARY_ADMIN}`)
  shown.push(['metrics refused', await refused.body.text()])

  // A reload with a fault at every secret, and one with a literal secret.
  const good = readFileSync(config, 'utf8')
  const loads = () => gateway.lines.filter(line => line['msg'] === 'config.refused').length
  for (const [from, to] of [
    ['tokens:', 'tokenz:'],
    ['${CANARY_KEY}', SECRETS.CANARY_KEY],
    ['${TEST_TOKEN}', `${SECRETS.TEST_TOKEN}: [`],
  ] as const) {
    const before = loads()
    writeFileSync(config, good.replace(from, to))
    await until('refused', () => loads() > before)
    await run('check')
  }
  writeFileSync(config, good)

  // A second gateway that cannot start, and one that is killed.
  writeFileSync(join(folder, 'taken.yaml'), good.replace('127.0.0.1:0', new URL(gateway.url).host))
  const taken = await postern(join(folder, 'taken.yaml'), ['start'], SECRETS)
  t.not(taken.code, 0)
  shown.push(['start', taken.text])
  t.equal((await gateway.kill('SIGKILL')).signal, 'SIGKILL')
  shown.push(['gateway', gateway.output()])

  for (const [where, output] of shown) {
    t.ok(output.length > 0, `${where} says something`)
    for (const [name, secret] of Object.entries(SECRETS)) {
      for (const form of [secret, encodeURIComponent(secret)]) {
        t.notOk(output.includes(form), `${where}: no ${name}`)
      }
    }
    for (const value of [PERSON, person, 'CANARY-ip']) {
      t.notOk(output.includes(value), `${where}: nothing personal`)
    }
  }
  for (const file of readdirSync(join(folder, 'data'))) {
    const stored = readFileSync(join(folder, 'data', file), 'latin1')
    for (const [name, secret] of Object.entries(SECRETS)) {
      t.notOk(stored.includes(secret), `${file}: no ${name} in the store`)
    }
  }
})

/** A network that signs, and a destination with a key in query and header. */
function writeRules(folder: string): void {
  const rules = join(folder, 'rules')
  const signed = readFileSync(join(import.meta.dirname, 'rules/networks/signed.yaml'), 'utf8')
  writeFileSync(join(rules, 'networks', 'signed.yaml'), signed)
  const net = join(rules, 'networks', 'net.yaml')
  writeFileSync(
    net,
    readFileSync(net, 'utf8').replace('fields:\n', 'fields:\n  email: [email]\n  ip: [ip]\n'),
  )
  writeFileSync(
    join(rules, 'destinations', 'keyed.yaml'),
    `name: Keyed
kind: tracker
verified: vendor
docs: https://example.com/
settings: { base: { title: Base URL }, key: { title: Key, secret: true } }
request:
  method: GET
  url: '{settings.base}/keyed'
  query: { key: '{settings.key}', tid: '{transaction_id}', mail: '{email}', ip: '{ip}' }
  headers: { x-key: '{settings.key}' }
examples:
  - title: a sale
    conversion: { transaction_id: t1 }
    settings: { base: https://t.example.com, key: k }
    request: { method: GET, url: 'https://t.example.com/keyed?key=k&tid=t1', headers: { x-key: k } }
`,
  )
}

t.test('ids that are none', async t => {
  const folder = temporaryFolder(t)
  const config = install(folder, {
    store: { type: 'lmdb', path: join(folder, 'data') },
    tracker: 'http://127.0.0.1:1',
  })
  for (const id of [
    '../../',
    '__proto__',
    'constructor_x',
    '_',
    `${'a'.repeat(5000)}_a`,
    '\u001b[2J_a',
  ]) {
    const { code, text } = await postern(config, ['dead', 'show', id])
    t.equal(code, 1, id)
    t.match(text, /no dead letter/)
    t.notOk(text.includes('\u001b[2J'), 'printable')
    t.ok(text.length < 500, 'and short')
  }
  t.equal((await postern(config, ['dead', 'list', '--limit', '1000000000'])).code, 1)
})

t.test('nothing is exported to spreadsheets', async t => {
  const { text } = await postern('none.yaml', ['--help'])
  t.notMatch(text, /csv|xlsx/i)
})
