/** Commands about destinations, run within this process: what they print and what they end with. */
import { join } from 'node:path'
import t from 'tap'
import { systemClock } from '../src/base/clock.ts'
import type { CommandContext } from '../src/commands/context.ts'
import { createProgram } from '../src/commands/program.ts'
import { ROOT, temporaryFolder, writeConfig } from './support/gateway.ts'
import { install, TOKEN } from './support/installation.ts'
import {
  createScriptedReceiver,
  respond,
  type Answer,
  type ReceivedRequest,
} from './support/scripted-receiver.ts'
import { startTracker } from './support/tracker.ts'

process.env['TEST_TOKEN'] = TOKEN

interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

async function run(...args: readonly string[]): Promise<Ran> {
  let stdout = ''
  let stderr = ''
  let code = 0
  const context: CommandContext = {
    terminal: {
      isTerminal: false,
      columns: 200,
      line: (text = '') => void (stdout += `${text}\n`),
      write: text => void (stdout += text),
      error: text => void (stderr += `${text}\n`),
      progress: () => undefined,
    },
    clock: systemClock,
    version: '1.2.3',
    catalogue: join(ROOT, 'rules'),
    root: ROOT,
    stopped: () => new Promise(() => undefined),
    ignoreSignals: () => undefined,
    hide: () => undefined,
    abort: exitCode => process.exit(exitCode),
  }
  await createProgram(context, ended => (code = ended)).parseAsync(args, { from: 'user' })
  return { code, stdout, stderr }
}

t.test('send --to shows the exact request of a destination, and sends it when asked', async t => {
  const tracker = await startTracker(t)
  const folder = temporaryFolder(t)
  const config = install(folder, { store: { type: 'lmdb', path: folder }, tracker: tracker.url })
  const sendTo = (...more: string[]) => run('send', '--to', 'a', '-c', config, ...more)

  const dry = await sendTo('--set', 'click_id=c 9', '--set', 'transaction_id=t9')
  t.equal(dry.code, 0, dry.stderr)
  t.match(dry.stdout, `GET ${tracker.url}/a?cid=c%209&tid=t9&payout=`)
  t.match(dry.stdout, /postern-delivery-id: test-\w+-0_a\n/)
  t.match(dry.stdout, /not sent; --really sends it/)
  t.equal(tracker.arrivals.length, 0)

  const real = await sendTo('--set', 'click_id=c9', '--really')
  t.equal(real.code, 0, real.stdout + real.stderr)
  t.match(real.stdout, /200 delivered: ok/)
  const [arrival] = tracker.on('/a')
  t.equal(arrival?.query.get('cid'), 'c9')
  t.match(real.stdout, `postern-delivery-id: ${arrival?.deliveryId}`, 'the id that was shown')
  tracker.behave.set('/a', 400)
  const refused = await sendTo('--really', '--json')
  t.equal(refused.code, 1)
  t.match(JSON.parse(refused.stdout), { sent: true, answer: { result: 'http_4xx' } })
  t.notMatch(dry.stdout + real.stdout + refused.stdout, TOKEN)

  for (const [args, expected] of [
    [['send', '--to', 'nobody', '-c', config], /no destination "nobody".*there are a, b/],
    [['send', '-c', config], /name either a network or --to/],
    [['send', 'net', '--to', 'a', '-c', config], /name either a network or --to/],
    [['send', '--to', 'a', '-c', config, '--example', '99'], /--example takes 1 to/],
    [['send', '--to', 'a', '-c', config, '--set', 'nope=1'], /nope: no such field/],
    [
      ['send', '--to', 'a', '-c', config, '--set', 'click_id={clickid}'],
      /macro_unreplaced.*--set FIELD=VALUE/,
    ],
  ] as const) {
    const said = await run(...args)
    t.equal(said.code, 1, args.join(' '))
    t.match(said.stderr, expected)
  }
})

t.test('where there is a test mode, what send --to builds is a test', async t => {
  process.env['SNAP_TOKEN'] = 'snap-token-1'
  const folder = temporaryFolder(t)
  const config = install(folder, {
    store: { type: 'memory' },
    tracker: 'http://127.0.0.1:9',
    more: {
      destinations: {
        snap: { rule: 'snapchat', settings: { pixel_id: 'p-1', access_token: '${SNAP_TOKEN}' } },
      },
      routes: [{ to: ['snap'] }],
    },
  })
  const unknown = ['email', 'phone', 'sccid', 'ip', 'user_agent', 'user_id', 'gaid', 'idfa', 'scid']
  const emptied = unknown.flatMap(field => ['--set', `${field}=`])
  const bare = await run('send', '--to', 'snap', '-c', config, ...emptied)
  t.equal(bare.code, 1, bare.stdout)
  t.match(bare.stderr, /insufficient_identity.*--set FIELD=VALUE/)
  const dry = await run('send', '--to', 'snap', '-c', config, '--set', 'email=ann@example.com')
  t.equal(dry.code, 0, dry.stderr)
  t.match(dry.stdout, /^POST https:\/\/tr\.snapchat\.com\/v3\/p-1\/events\/validate/)
  t.match(dry.stdout, /--really sends it as a test/)
  t.notMatch(dry.stdout, /snap-token-1/)
})

t.test('destinations lists the catalogue, and show tells all about one', async t => {
  const folder = temporaryFolder(t)
  const config = install(folder, { store: { type: 'memory' }, tracker: 'http://127.0.0.1:9' })
  const own = await run('destinations', '-c', config, '--json')
  t.equal(own.code, 0, own.stderr)
  const ids = (JSON.parse(own.stdout) as { id: string }[]).map(({ id }) => id)
  t.ok(ids.includes('test-tracker') && ids.includes('tune'), 'own rules stand beside the shipped')
  const found = await run('destinations', '-c', '/nowhere.yaml', '--find', 'rewards')
  t.match(found.stdout, /^rewards-webhook +rewards +vendor +approved, reversed /m)
  t.notMatch(found.stdout, /voluum/)
  t.match(found.stderr, /the catalogue as shipped is shown/)
  const one = await run('destinations', 'show', 'scaleo', '-c', config)
  t.match(
    one.stdout,
    /request for reversed\nGET https:\/\/\{settings\.domain\}\/track\/conv-change/,
  )
  t.match(one.stdout, /token: \$\{SCALEO_TOKEN\}/)
  const none = await run('destinations', 'show', 'volum', '-c', config)
  t.equal(none.code, 1)
  t.match(none.stderr, /did you mean voluum\?/)
})

t.test('send --to an ad platform --test sends one test event', async t => {
  const sent: ReceivedRequest[] = []
  let answer: Answer = respond(200, '{"events_received":1}')
  const receiver = await createScriptedReceiver({
    answer: (socket, request) => {
      sent.push(request)
      answer(socket, request)
    },
  })
  t.teardown(() => receiver.close())
  const folder = temporaryFolder(t)
  const settings = { base_url: receiver.origin, pixel_id: '1', access_token: '${TEST_TOKEN}' }
  const base = { allow_private: ['127.0.0.1/32'] }
  const google = {
    base_url: receiver.origin,
    token_url: `${receiver.origin}/token`,
    customer_id: '1',
    events: 'sale=9',
    client_id: 'c',
    client_secret: '${TEST_TOKEN}',
    refresh_token: '${TEST_TOKEN}',
  }
  const config = writeConfig(folder, {
    store: { type: 'memory' },
    networks: { generic: { tokens: ['${TEST_TOKEN}'] } },
    destinations: {
      meta: { ...base, settings: { ...settings, test_event_code: 'TEST123' } },
      bare: { ...base, rule: 'meta', settings },
      google: { ...base, rule: 'google_data_manager', settings: google },
      taboola: { settings: { name: 'Lead' } },
    },
    routes: [{ to: ['meta', 'bare', 'google', 'taboola'] }],
  })
  const test = (name: string, ...more: string[]) =>
    run('send', '--to', name, '-c', config, '--test', ...more)

  const done = await test('meta')
  t.equal(done.code, 0, done.stdout + done.stderr)
  t.match(done.stdout, /200 delivered: ok/)
  t.equal(sent.length, 1, 'one event')
  t.match(JSON.parse(sent[0]?.body ?? ''), { test_event_code: 'TEST123', data: { length: 1 } })
  t.notMatch(done.stdout, TOKEN, 'the token in the URL is not shown')

  answer = (socket, request) =>
    respond(200, request.path === '/token' ? '{"access_token":"T1"}' : '{"requestId":"r"}')(socket, request) // prettier-ignore
  const validated = await test('google', '--set', 'gclid=g1')
  t.equal(validated.code, 0, validated.stdout + validated.stderr)
  t.match(JSON.parse(sent.at(-1)?.body ?? ''), { validateOnly: true })
  t.equal(sent.at(-1)?.headers['authorization'], 'Bearer T1')

  const before = sent.length
  const unready = await test('bare')
  t.equal(unready.code, 1)
  t.match(unready.stderr, /bare: a test mode needs the setting "test_event_code"/)
  const none = await test('taboola')
  t.equal(none.code, 1)
  t.match(none.stderr, /taboola: a test mode is not there/)
  t.equal(sent.length, before, 'nothing else was sent')
  answer = respond(200, '{"events_received":1}')
  const really = await run('send', '--to', 'bare', '-c', config, '--really')
  t.equal(really.code, 0, really.stdout + really.stderr)
  t.notMatch(sent.at(-1)?.body, 'test_event_code')
})
