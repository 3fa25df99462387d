/** Commands about destinations, run within this process: what they print and what they end with. */
import { join } from 'node:path'
import t from 'tap'
import { systemClock } from '../src/base/clock.ts'
import type { CommandContext } from '../src/commands/context.ts'
import { createProgram } from '../src/commands/program.ts'
import { ROOT, temporaryFolder } from './support/gateway.ts'
import { install, TOKEN } from './support/installation.ts'
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
