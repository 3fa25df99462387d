/** What was erased is in no file and no key of the store; and ids that are none find nothing. */
import { readdirSync, readFileSync } from 'node:fs'
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
