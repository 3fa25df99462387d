/** How an operator connects a network: what `postern networks` prints is true and enough. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse, stringify } from 'yaml'
import type { CommandContext } from '../src/commands/context.ts'
import { listNetworks, showNetwork } from '../src/commands/networks.ts'
import type { Terminal } from '../src/commands/terminal.ts'
import { guideOf, type NetworkGuide } from '../src/network-guide.ts'
import { networkReference } from '../src/network-reference.ts'
import { loadCatalogue } from '../src/rules/catalogue.ts'
import { needsOf } from '../src/rules/needs.ts'
import type { NetworkRule } from '../src/rules/schema.ts'
import { loadRuleSet } from '../src/ruleset.ts'
import { cli } from './support/cli.ts'
import { ROOT, temporaryFolder } from './support/gateway.ts'

const RULES = join(ROOT, 'rules')
const BASE = 'https://in.example.com'
const DESTINATION = {
  rule: 'demo-tracker',
  settings: { name: 'a' },
  allow_private: ['127.0.0.1/32'],
}

const loaded = await loadCatalogue([RULES])
if (!loaded.ok) throw new Error(JSON.stringify(loaded.error))
const rules = new Map([...loaded.value.networks].map(([id, { value }]) => [id, value]))

const ruleOf = (id: string): NetworkRule => {
  const rule = rules.get(id)
  if (!rule) throw new Error(`no rule ${id}`)
  return rule
}
const guide = (id: string, name = id): NetworkGuide =>
  guideOf(ruleOf(id), { id, name, baseUrl: BASE })

/** Names of the environment in a text, each with a value. */
function environmentOf(text: string): Record<string, string> {
  const names = [...text.matchAll(/\$\{([A-Z0-9_]+)\}/g)].map(match => match[1] ?? '')
  return Object.fromEntries(names.map(name => [name, `value-of-${name}`]))
}

t.test('what each network is said to need is all that it needs', async t => {
  const folder = temporaryFolder(t)
  const guides = [...rules.keys()].map(id => guide(id))
  const networks = Object.assign({}, ...guides.map(({ yaml }) => parse(yaml).networks)) as object
  const config = {
    server: { public_base_url: BASE },
    networks,
    destinations: { a: DESTINATION },
    routes: [{ to: ['a'] }],
  }
  const file = join(folder, 'postern.yaml')
  writeFileSync(file, stringify(config))
  const env = environmentOf(stringify(config))
  const whole = await loadRuleSet(file, { catalogue: RULES, env })
  t.same(whole.ok ? [] : whole.error.map(({ message }) => message), [], 'all of them at once load')

  // Every load reads the whole catalogue, so one network stands for each kind of need.
  for (const [id, need, message] of [
    ['torox', 'secrets', /`secrets`/],
    ['monlix', 'tokens', /`tokens`/],
    ['personaly', 'settings.publisher_hash', /publisher_hash/],
    ['notik', 'server.public_base_url', /public_base_url/],
    ['vungle', 'accept_unverified', /nobody has verified/],
  ] as const) {
    t.ok(guide(id).needs.includes(need), `${id} needs ${need}`)
    const less = structuredClone(config) as unknown as Record<string, Record<string, object>>
    remove(less, need.startsWith('server.') ? need : `networks.${id}.${need}`)
    writeFileSync(file, stringify({ ...less, networks: { [id]: less['networks']?.[id] } }))
    const lacking = await loadRuleSet(file, { catalogue: RULES, env })
    t.match(lacking.ok ? [] : lacking.error, [{ message }], `${id} does not load without ${need}`)
  }
})

function remove(from: Record<string, unknown>, path: string): void {
  const [first = '', ...rest] = path.split('.')
  if (rest.length === 0) delete from[first]
  else remove((from[first] ?? {}) as Record<string, unknown>, rest.join('.'))
}

t.test('needs follow from the checks', async t => {
  const needs = (verify: NetworkRule['verify'], more: Partial<NetworkRule> = {}) =>
    needsOf({ verify, verified: 'vendor', ...more })
  const hash = { algorithm: 'sha1', from: 'h', encoding: 'hex' } as const
  t.same(needs([]), {
    secrets: false,
    tokens: [],
    ips: false,
    publicBaseUrl: false,
    settings: [],
    acceptance: false,
  })
  t.match(needs([{ url_signature: { ...hash, hmac: true, covers: 'url' } }]), {
    secrets: true,
    publicBaseUrl: true,
  })
  t.match(needs([{ url_signature: { ...hash, covers: 'query', append: '{settings.salt}' } }]), {
    secrets: false,
    publicBaseUrl: false,
  })
  t.match(needs([{ signature: { ...hash, over: '{a}{settings.key}' } }]), { secrets: false })
  t.match(needs([{ signature: { ...hash, hmac: true, over: '{a}' } }]), { secrets: true })
  t.match(needs([{ body_signature: hash }]), { secrets: true })
  t.match(needs([{ ip: [] }]), { ips: true })
  t.match(needs([{ ip: ['192.0.2.1'] }]), { ips: false })
  t.same(needs([{ token: 'pw' }, { token: 'path:token' }]).tokens, ['pw', 'path:token'])
  const settings = { key: { title: 'Key' }, other: { title: 'Other', default: '' } }
  t.same(needs([], { settings }).settings, ['key'])
  t.match(needs([], { verified: 'unverified' }), { acceptance: true })
})

t.test('the URL to enter is that of this installation', async t => {
  t.equal(guide('torox', 'wall-2').url, `${BASE}/in/wall-2`)
  t.match(guide('clickwall').url, `${BASE}/in/clickwall/TOKEN?user_id={user_id}&txid={txid}&`)
  t.match(guide('bitlabs').url, `${BASE}/in/bitlabs?uid=[%UID%]&tx=[%TX%]`)
})

t.test('steps tell what only the operator can do', async t => {
  const steps = (id: string) => guide(id).steps.join('\n')
  t.match(steps('clickwall'), /make one up.*in the place of TOKEN/)
  t.match(steps('cpalead'), /the password that CPAlead sends in the parameter pw/)
  t.match(steps('adtowall'), /make one up.*behind secret=/)
  t.match(steps('personaly'), /settings\.publisher_hash: Publisher hash/)
  t.match(steps('kiwiwall'), /one of 34\.193\.235\.172/)
  t.match(steps('adgem'), /server\.public_base_url/)
  t.match(steps('vungle'), /Nobody has verified/)
  t.notMatch(steps('torox'), /public_base_url|Nobody has verified|settings\./)
  t.match(parse(guide('torox', 'wall-2').yaml), {
    networks: { 'wall-2': { rule: 'torox', secrets: ['${WALL_2_SECRET}'] } },
  })
  const { answers } = guide('tapjoy')
  t.match(answers, [
    { when: 'accepted', status: '200', body: 'OK', isOwn: false },
    { when: 'duplicate' },
    { when: 'ignored' },
    { when: 'rejected', status: '403', isOwn: true },
    { when: 'deferred', status: '503' },
    { when: 'signature_missing', status: '401', isOwn: true },
  ])
})

t.test('the reference page has every network, and no cell breaks its table', async t => {
  const odd = { ...ruleOf('maxbounty'), name: 'A|B', reply: { accepted: { body: 'x|y' } } }
  const page = networkReference(new Map([...rules, ['zz-odd', odd]]))
  for (const id of rules.keys()) t.match(page, new RegExp(`^### ${id}$`, 'm'))
  t.match(page, /\| A\\\|B \|/)
  t.match(page, /\| accepted \| 200 \| `x\\\|y` \|/)
})

/** A command in this process, with what it printed. */
async function run(
  command: (context: CommandContext) => Promise<number>,
): Promise<{ code: number; stdout: string; stderr: string }> {
  let stdout = ''
  let stderr = ''
  const terminal: Terminal = {
    isTerminal: false,
    columns: 100,
    line: (text = '') => void (stdout += `${text}\n`),
    write: text => void (stdout += text),
    error: text => void (stderr += `${text}\n`),
    progress: () => undefined,
  }
  const code = await command({ terminal, catalogue: RULES } as CommandContext)
  return { code, stdout, stderr }
}

t.test('postern networks lists, finds and shows', async t => {
  const folder = temporaryFolder(t)
  const own = join(folder, 'rules', 'networks')
  mkdirSync(own, { recursive: true })
  writeFileSync(join(own, 'my-own.yaml'), stringify({ ...ruleOf('everflow'), name: 'My own' }))
  const file = join(folder, 'postern.yaml')
  writeFileSync(
    file,
    stringify({
      server: { public_base_url: `${BASE}/` },
      rules: ['rules'],
      networks: { 'wall-2': { rule: 'torox', secrets: ['${NETWORKS_TEST_TOROX}'] } },
      destinations: { a: DESTINATION },
      routes: [{ to: ['a'] }],
    }),
  )
  process.env['NETWORKS_TEST_TOROX'] = 'never-shown'
  const list = await run(context => listNetworks({ config: file }, context))
  t.equal(list.code, 0, list.stderr)
  t.match(
    list.stdout,
    /^my-own +My own +affiliate-platform +vendor +tokens +https:\/\/in\.example/m,
  )
  t.match(list.stdout, new RegExp(`^${rules.size + 1} networks`, 'm'))
  const found = await run(context =>
    listNetworks({ config: file, find: 'SURVEY', json: true }, context),
  )
  const kinds = (JSON.parse(found.stdout) as NetworkGuide[]).map(({ id, kind }) => `${id} ${kind}`)
  t.ok(kinds.includes('pollfish survey-wall'))
  t.notOk(kinds.some(text => text.startsWith('torox')))

  const show = (id: string, json = false) =>
    run(context => showNetwork(id, { config: file, json }, context))
  for (const asked of ['wall-2', 'torox']) {
    const shown = await show(asked)
    t.equal(shown.code, 0, shown.stderr)
    t.match(shown.stdout, `${BASE}/in/wall-2\n`, `${asked}: by the name that is configured`)
    t.match(shown.stdout, /^ {2}accepted +200 +1$/m)
    t.match(shown.stdout, /one of 54\.175\.173\.245/)
    t.notMatch(shown.stdout + shown.stderr, 'never-shown')
  }
  t.match(JSON.parse((await show('pollfish', true)).stdout), { id: 'pollfish', needs: ['secrets'] })
  const unknown = await show('polfish')
  t.equal(unknown.code, 1)
  t.match(unknown.stderr, /did you mean pollfish/)
})

t.test('it helps before there is a configuration', async t => {
  const file = join(temporaryFolder(t), 'none.yaml')
  const shown = await cli(['networks', 'show', 'torox', '--config', file])
  t.equal(shown.code, 0)
  t.match(shown.stderr, /none\.yaml/)
  t.match(shown.stdout, 'https://YOUR-HOST/in/torox')
  const json = await cli(['networks', '--config', file, '--find', 'torox', '--json'])
  t.match(JSON.parse(json.stdout), [{ id: 'torox' }])
})
