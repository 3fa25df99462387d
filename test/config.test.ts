import { execFileSync } from 'node:child_process'
import { chmodSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020, type AnySchema } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { DEFAULTS } from '../src/config/defaults.ts'
import { editorSchemas, generatedSchemas } from '../src/config/json-schema.ts'
import { loadConfig, type LoadedConfig, type LoadOptions } from '../src/config/load.ts'
import { configSchema } from '../src/config/schema.ts'
import { effectiveSummary } from '../src/config/summary.ts'
import { cidrProblem, parseListen } from '../src/rules/address.ts'
import { formatFault, type Fault } from '../src/rules/faults.ts'

const root = join(import.meta.dirname, '..')
const catalogue = join(import.meta.dirname, 'rules/catalogue')

const SMALL = `
networks:
  open: {}
destinations:
  tracker:
    settings: { domain: track.example.com, api_key: '\${TRACKER_KEY}' }
routes:
  - to: [tracker]
`
const FULL = `server:
  listen: '[::]:8443'
  public_base_url: https://in.example.com/
  trusted_proxies:
    - 10.0.0.0/8
  limits: { url_bytes: 4096 }
admin:
  listen: \${ADMIN_LISTEN:-127.0.0.1:9091}
  token: \${ADMIN_TOKEN}
workers: 2
tracing:
  endpoint: http://collector:4318/v1/traces
  headers: { authorization: '\${COLLECTOR_TOKEN}' }
store:
  type: redis
  redis:
    url: redis://:\${REDIS_PASSWORD}@\${REDIS_HOST:-127.0.0.1}:6379/0
    partitions: 4
networks:
  sample:
    tokens:
      - \${OLD_TOKEN}
      - \${file:SECRETS/token}
    settings:
      account: '42'
    currency: EUR
    status_map: { won: approved }
  signed:
    secrets: ['\${SIGNED_SECRET}']
    enabled: false
destinations:
  tracker:
    settings:
      domain: \${DOMAIN}.example.com
      api_key: \${TRACKER_KEY}
    budget_hours: 1.5
    allow_private: [10.1.0.0/16]
routes:
  - from: [sample, signed]
    to: [tracker]
    when: { payout: { gte: '1.00' } }
    payout_percent: '80'
demo: {}
`
const ENV = {
  ADMIN_TOKEN: 'CANARY-admin-token',
  COLLECTOR_TOKEN: 'CANARY-collector',
  REDIS_PASSWORD: 'CANARY-redis',
  OLD_TOKEN: 'CANARY-old',
  SIGNED_SECRET: 'CANARY-signed',
  TRACKER_KEY: 'CANARY-key-${ADMIN_TOKEN}',
  DOMAIN: 'track',
}

interface Given extends Partial<LoadOptions> {
  readonly mode?: number
  readonly secret?: string | Buffer
}

/** Writes `text` as postern.yaml beside a secret file, and loads it. */
async function load(t: Test, text: string, given: Given = {}) {
  const folder = t.testdir({})
  const secret = join(folder, 'token')
  writeFileSync(secret, given.secret ?? 'CANARY-file\n')
  chmodSync(secret, given.mode ?? 0o600)
  const file = join(folder, 'postern.yaml')
  writeFileSync(file, text.replaceAll('SECRETS', folder))
  const { mode: _mode, secret: _secret, ...options } = given
  return { file, secret, loaded: await loadConfig(file, { env: ENV, catalogue, ...options }) }
}

async function good(t: Test, text: string, given: Given = {}): Promise<LoadedConfig> {
  const { loaded } = await load(t, text, given)
  if (!loaded.ok) throw new Error(loaded.error.map(formatFault).join('\n'))
  return loaded.value
}

async function bad(t: Test, text: string, given: Given = {}): Promise<string[]> {
  const { loaded } = await load(t, text, given)
  return loaded.ok ? [] : told(loaded.error)
}

const told = (faults: readonly Fault[]) =>
  faults.map(fault => `${fault.line}:${fault.col} ${fault.message}`)

t.test('everything that is not set has its default', async t => {
  const { value, warnings } = await good(t, SMALL)
  t.match(value, {
    server: {
      listen: { host: '0.0.0.0', port: 8080 },
      public_base_url: undefined,
      trusted_proxies: [],
      limits: DEFAULTS.server.limits,
    },
    admin: { listen: { host: '127.0.0.1', port: 9090 }, token: undefined },
    log: { level: 'info', format: 'json' },
    workers: 1,
    store: { type: 'lmdb', path: './data', redis: undefined, decisions: 100000 },
    networks: { open: { rule: 'open', enabled: true, secrets: [], tokens: [] } },
    destinations: {
      tracker: { rule: 'tracker', memory: 1000, allow_private: [] },
    },
    demo: undefined,
  })
  t.strictSame(told(warnings), [
    '3:9 the rule of `open` checks nothing: everybody can report conversions',
  ])
})

t.test('everything that is set is there, with references resolved', async t => {
  const { file, secret, loaded } = await load(t, FULL)
  if (!loaded.ok) return t.fail(loaded.error.map(formatFault).join('\n'))
  const { value, secrets, warnings, watched, source } = loaded.value
  t.match(value, {
    server: {
      listen: { host: '::', port: 8443 },
      public_base_url: 'https://in.example.com',
      limits: { url_bytes: 4096, body_bytes: 65536 },
    },
    admin: { listen: { host: '127.0.0.1', port: 9091 }, token: 'CANARY-admin-token' },
    tracing: {
      endpoint: 'http://collector:4318/v1/traces',
      sample: 0.01,
      headers: { authorization: 'CANARY-collector' },
    },
    store: {
      type: 'redis',
      redis: {
        url: 'redis://:CANARY-redis@127.0.0.1:6379/0',
        partitions: 4,
        prefix: 'postern',
        command_timeout_ms: 1500,
      },
    },
    destinations: { tracker: { budget_hours: 1.5, secret_settings: ['api_key'] } },
    demo: { listen: { host: '127.0.0.1', port: 8090 } },
  })
  t.strictSame(value.networks['sample']?.tokens, ['CANARY-old', 'CANARY-file'], 'line end trimmed')
  t.equal(value.networks['sample']?.settings['zone'], 'eu', 'the default of the rule')
  t.equal(value.networks['sample']?.settings['account'], '42')
  t.equal(value.destinations['tracker']?.settings['domain'], 'track.example.com')
  const key = value.destinations['tracker']?.settings['api_key']
  t.equal(key, 'CANARY-key-${ADMIN_TOKEN}', 'what a reference brings in is not read again')

  t.strictSame(new Set(secrets), new Set([
    'CANARY-admin-token', 'CANARY-redis', 'CANARY-old', 'CANARY-file', 'CANARY-signed', 'CANARY-collector', key,
  ])) // prettier-ignore
  const lengths = secrets.map(secret => secret.length)
  t.strictSame(
    lengths,
    lengths.toSorted((a, b) => b - a),
    'longest first',
  )
  t.strictSame(warnings, [])
  t.strictSame(watched, [file, catalogue, secret])
  t.match(source.locate(['routes', 0, 'when', 'payout', 'gte']), { file, line: 41, col: 28 })
})

t.test('it is frozen to the bottom', async t => {
  const { value } = await good(t, FULL)
  const walk = (part: unknown, path: string) => {
    if (typeof part !== 'object' || part === null) return
    if (!Object.isFrozen(part)) t.fail(`${path} is not frozen`)
    for (const [key, child] of Object.entries(part)) walk(child, `${path}.${key}`)
  }
  walk(value, 'config')
  t.ok(Object.isFrozen(DEFAULTS.store.redis))
})

t.test('descriptions name the defaults that are true', async t => {
  const flat = new Map<string, unknown>()
  const flatten = (part: object, path: string) => {
    for (const [key, value] of Object.entries(part)) {
      const at = path === '' ? key : `${path}.${key}`
      if (typeof value === 'object' && value !== null && !Array.isArray(value)) flatten(value, at)
      else flat.set(at, value)
    }
  }
  flatten(DEFAULTS, '')
  let named = 0
  const walk = (schema: unknown, path: string) => {
    const { properties = {}, description } = schema as {
      properties?: Record<string, unknown>
      description?: string
    }
    const stated = /[Dd]efault (?:is )?`?([\w./-]*\w)/.exec(description ?? '')?.[1]
    if (stated !== undefined && flat.has(path)) {
      named++
      t.equal(String(flat.get(path)), stated, path)
    }
    for (const [key, child] of Object.entries(properties))
      walk(child, path === '' ? key : `${path}.${key}`)
  }
  walk(configSchema, '')
  const { networks, destinations } = configSchema.properties
  for (const [map, name] of [
    [networks, 'network'],
    [destinations, 'destination'],
  ] as const) {
    walk((map as unknown as { additionalProperties: unknown }).additionalProperties, name)
  }
  t.ok(named >= 15, `${named} defaults compared`)
})

t.test('references', async t => {
  const token = (reference: string) =>
    SMALL.replace(
      'open: {}',
      `sample:\n    tokens: ["${reference}"]\n    settings: { account: "1" }`,
    )
  const tokens = async (reference: string, given: Given = {}) =>
    (await good(t, token(reference), given)).value.networks['sample']?.tokens[0]

  t.equal(await tokens('${OLD_TOKEN:-other}'), 'CANARY-old')
  t.equal(await tokens('${file:SECRETS/token}', { secret: 'a\r\n' }), 'a', 'one line end')
  t.equal(await tokens('${file:SECRETS/token}', { secret: 'a\n\n' }), 'a\n', 'only one')
  t.equal(await tokens('${file:SECRETS/token}', { secret: '${OLD_TOKEN}' }), '${OLD_TOKEN}')

  const readable = await good(t, token('${file:SECRETS/token}'), { mode: 0o644 })
  t.match(told(readable.warnings), [/^4:14 secret file .*token can be read by everyone here$/])
  const fallback = await good(t, token('${NOT_SET:-demo}'))
  t.match(told(fallback.warnings), [/^4:14 NOT_SET is not set: the secret is the default/])

  const cases: [string, RegExp, Given?][] = [
    ['${NOT_SET}', /^4:14 environment variable NOT_SET is not set$/],
    ['${NOT_SET:-}', /^4:14 entry 1 of `tokens` must not be empty$/],
    ['${file:SECRETS/none}', /^4:14 secret file .*none: no such file$/],
    ['${file:SECRETS}', /^4:14 secret file .*: not a regular file$/],
    ['${file:SECRETS/token}', /^4:14 secret file .*token is empty$/, { secret: '\n' }],
    [
      '${file:SECRETS/token}',
      /^4:14 secret file .*token: not valid UTF-8$/,
      { secret: Buffer.from([0xe9]) },
    ],
    [
      '${file:SECRETS/token}',
      /^4:14 secret file .*token: larger than 64 KiB$/,
      { secret: 'x'.repeat(65537) },
    ],
    ['${file:./token}', /^4:14 the path of a secret file must start with `\/`$/],
    ['${}', /^4:14 not a valid reference$/],
    ['${1A}', /^4:14 not a valid reference$/],
    ['${A', /^4:14 a secret is written out here$/],
  ]
  for (const [reference, expected, given] of cases) {
    const faults = await bad(t, token(reference), given)
    t.ok(
      faults.some(fault => expected.test(fault)),
      `${reference}: ${faults.join('; ')}`,
    )
  }
  t.teardown(() => delete process.env['POSTERN_TEST_TOKEN'])
  process.env['POSTERN_TEST_TOKEN'] = 'from the process'
  const { loaded } = await load(t, token('${POSTERN_TEST_TOKEN}'))
  t.equal(loaded.ok, false, 'a given environment is the only one')
  const file = join(
    t.testdir({
      'postern.yaml': token('${POSTERN_TEST_TOKEN}')
        .replace(/tracker:\n.*\n/, 'guessed: { accept_unverified: true }\n')
        .replace('[tracker]', '[guessed]'),
    }),
    'postern.yaml',
  )
  const own = await loadConfig(file, { catalogue })
  t.strictSame(own.ok && own.value.secrets, ['from the process'])
})

t.test('works without any environment where every reference has a default', async t => {
  const text = SMALL.replace("'${TRACKER_KEY}'", "'${TRACKER_KEY:-none}'")
  const { value } = await good(t, text, { env: {} })
  t.equal(value.destinations['tracker']?.settings['api_key'], 'none')
})

t.test('what a reference brings in is checked, and not shown', async t => {
  const env = {
    ...ENV,
    PUBLIC: 'CANARY-url',
    LEVEL: 'CANARY-inf',
    CIDR: 'CANARY-cidr',
    LISTEN: 'CANARY:99999',
  }
  const cases: [string, string][] = [
    ['log: { level: "${LEVEL}" }', '9:15 `level` is not an allowed value'],
    [
      'server: { public_base_url: "${PUBLIC}" }',
      '9:28 `public_base_url` is not of the right form: starts with `https://` or `http://`',
    ],
    [
      'server: { trusted_proxies: ["${CIDR}"] }',
      '9:29 not an IP address or CIDR; write four parts, such as `203.0.113.0/24`',
    ],
    ['server: { listen: "${LISTEN}" }', '9:19 not an address to listen on'],
  ]
  for (const [line, expected] of cases) {
    const { loaded } = await load(t, `${SMALL}${line}\n`, { env })
    if (loaded.ok) return t.fail(line)
    t.strictSame(told(loaded.error), [expected], line)
    t.notMatch(loaded.error.map(formatFault).join('\n'), /CANARY/, line)
  }
})

t.test('warnings do not stop anything', async t => {
  const text = `server: { trusted_proxies: [0.0.0.0/0] }
store: { redis: { url: redis://localhost } }
${SMALL.replace('  open: {}', '  open: {}\n  listed: { ips: ["::/0"] }').replace('to:', 'from: [open]\n    to:')}`
  const { warnings } = await good(t, text)
  t.strictSame(told(warnings), [
    '1:29 this range is the whole Internet',
    '2:17 not used: `store.type` is lmdb',
    '5:9 the rule of `open` checks nothing: everybody can report conversions',
    '6:11 no route takes `listed`: its conversions are delivered nowhere',
    '6:19 this range is the whole Internet',
  ])
})

t.test('a destination may be a built-in type', async t => {
  const text = SMALL.replace(
    "  tracker:\n    settings: { domain: track.example.com, api_key: '${TRACKER_KEY}' }",
    '  tracker: { rule: metta, settings: { pixel: "1", token: "${TRACKER_KEY}" } }',
  )
  const settings = { pixel: { title: 'Pixel' }, token: { title: 'Token', secret: true } }
  const builtins = new Map([['meta', { verified: 'vendor' as const, settings }]])
  t.match(await bad(t, text, { builtins }), [
    '5:20 no rule file of this name, did you mean `meta`?',
  ])
  const { value, secrets } = await good(t, text.replace('metta', 'meta'), { builtins })
  t.match(value.destinations['tracker'], { rule: 'meta', secret_settings: ['token'] })
  t.ok(secrets.includes(ENV.TRACKER_KEY))
  const literal = text.replace('metta', 'meta').replace('"${TRACKER_KEY}"', 'CANARY')
  t.match(await bad(t, literal, { builtins }), [/a secret is written out here/])
})

t.test('a setting with an empty default may be left out, also by a reference', async t => {
  const settings = { key: { title: 'Key', secret: true, pattern: '[a-z]+', default: '' } }
  const builtins = new Map([['meta', { verified: 'vendor' as const, settings }]])
  const text = (given: string) => `networks: { open: {} }
destinations:
  meta: ${given}
routes: [{ to: [meta] }]
`
  const key = async (given: string) =>
    (await good(t, text(given), { builtins })).value.destinations['meta']?.settings['key']
  t.equal(await key('{}'), '')
  t.equal(await key('{ settings: { key: "${NOT_SET:-}" } }'), '')
  t.equal(await key('{ settings: { key: "${NOT_SET:-abc}" } }'), 'abc')
  const wrong = await bad(t, text('{ settings: { key: "${NOT_SET:-123}" } }'), { builtins })
  t.strictSame(wrong, ['3:28 setting `key` is not of the right form'])
})

t.test('own rules are laid over the catalogue, relative to the file', async t => {
  const rule = readFileSync(join(catalogue, 'networks/open.yaml'), 'utf8')
  const folder = t.testdir({
    own: { networks: { 'open.yaml': rule.replace('name: Fixture', 'name: Own') } },
    'postern.yaml': `rules: [./own]\n${SMALL}`,
  })
  const loaded = await loadConfig(join(folder, 'postern.yaml'), { env: ENV, catalogue })
  if (!loaded.ok) return t.fail(told(loaded.error).join())
  t.equal(loaded.value.catalogue.networks.get('open')?.value.name, 'Own')
  t.strictSame(loaded.value.value.rules, [join(folder, 'own')])
  t.ok(loaded.value.watched.includes(join(folder, 'own')))

  writeFileSync(join(folder, 'own/networks/open.yaml'), 'name: [')
  const broken = await loadConfig(join(folder, 'postern.yaml'), { env: ENV, catalogue })
  t.match(broken.ok ? [] : broken.error, [
    { file: join(folder, 'own/networks/open.yaml'), line: 1, col: 7 },
  ])
})

t.test('names that JavaScript knows are only names', async t => {
  const faults = await bad(t, SMALL.replace('open: {}', 'constructor: {}'))
  t.strictSame(faults, ['3:3 no rule file of this name'])
  const routed = await bad(t, SMALL.replace('[tracker]', '[constructor]'))
  t.match(routed, [/no such destination/])
})

t.test('a file that is no file', async t => {
  const folder = t.testdir({})
  const fifo = join(folder, 'fifo.yaml')
  execFileSync('mkfifo', [fifo])
  const message = async (file: string) => {
    const loaded = await loadConfig(file, { env: {}, catalogue })
    return loaded.ok ? undefined : loaded.error.map(formatFault)
  }
  t.strictSame(await message(fifo), [`${fifo}: not a regular file`])
  t.strictSame(await message(join(folder, 'none')), [`${join(folder, 'none')}: no such file`])
  writeFileSync(join(folder, 'large'), 'a'.repeat(1024 * 1024 + 1))
  t.strictSame(await message(join(folder, 'large')), [
    `${join(folder, 'large')}: larger than 1024 KiB`,
  ])
  symlinkSync(join(catalogue, '../bad-config/unknown-key.yaml'), join(folder, 'link.yaml'))
  t.match(
    await message(join(folder, 'link.yaml')),
    [/unknown key/],
    'the operator may link anywhere',
  )
})

t.test('the summary shows what runs and no secret', async t => {
  const { value, secrets } = await good(t, FULL)
  const summary = effectiveSummary(value, secrets)
  t.notMatch(summary, /CANARY/)
  t.match(parse(summary), {
    server: { listen: '[::]:8443', limits: { body_bytes: 65536 } },
    admin: { listen: '127.0.0.1:9091', token: 'set' },
    store: { redis: { url: 'redis://***@127.0.0.1:6379/0', password: 'not set', partitions: 4 } },
    networks: {
      sample: { tokens: 'set (2)', secrets: 'not set', settings: { account: '42', zone: 'eu' } },
      signed: { tokens: 'not set', secrets: 'set (1)', enabled: false },
    },
    destinations: { tracker: { settings: { domain: 'track.example.com', api_key: 'set' } } },
  })
})

t.test('no damage to the file brings a secret into a fault', async t => {
  const literal = FULL.replace(
    /\$\{(ADMIN_TOKEN|OLD_TOKEN|SIGNED_SECRET|TRACKER_KEY)\}/g,
    'CANARY-$1',
  ).replace('${REDIS_PASSWORD}', 'CANARY-REDIS')
  const file = join(t.testdir({}), 'postern.yaml')
  const trouble = [
    '',
    '\n',
    ' ',
    '  ',
    '\t',
    '"',
    "'",
    '[',
    '{',
    '#',
    '|',
    '- ',
    '&',
    '*',
    '!',
    '\0',
    '${',
  ]
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(FULL, literal),
      fc.nat(),
      fc.nat(8),
      fc.constantFrom(...trouble),
      async (text, position, remove, insert) => {
        const at = position % text.length
        writeFileSync(file, text.slice(0, at) + insert + text.slice(at + remove))
        const loaded = await loadConfig(file, { env: ENV, catalogue })
        const faults = loaded.ok ? loaded.value.warnings : loaded.error
        const shown = faults.map(formatFault).join('\n')
        if (/CANARY|NARY-/.test(shown)) throw new Error(shown)
      },
    ),
    { numRuns: 400 },
  )
})

t.test('addresses', async t => {
  const cidrs: [string, string | undefined][] = [
    ['1.2.3.4', undefined], ['1.2.3.4/32', undefined], ['10.0.0.0/8', undefined],
    ['2001:db8::/32', undefined], ['::1', undefined], ['::ffff:1.2.3.4', undefined],
    ['0.0.0.0/0', 'everyone'], ['::/0', 'everyone'],
    ['1.2.3.4/33', 'prefix'], ['::/129', 'prefix'], ['1.2.3.4/', 'prefix'], ['1.2.3.4/08', 'prefix'],
    ['1.2.3.4/-1', 'prefix'], ['1.2.3.4/8/8', 'prefix'],
    ['1.2.3', 'address'], ['127.1', 'address'], ['0x7f.1', 'address'], ['010.0.0.1', 'address'],
    ['1.2.3.256', 'address'], ['1.2.3.4.', 'address'], ['', 'address'], ['localhost', 'address'],
    ['fe80::1%eth0', 'address'], ['①.②.③.④', 'address'], [' 1.2.3.4', 'address'],
  ] // prettier-ignore
  for (const [text, problem] of cidrs) t.equal(cidrProblem(text), problem, text)
  t.strictSame(parseListen('[::1]:80'), { host: '::1', port: 80 })
  t.strictSame(parseListen('localhost:0'), { host: 'localhost', port: 0 })
  for (const text of [
    '::1:80',
    ':80',
    'host',
    'host:',
    'host:70000',
    '1.2.3:80',
    'a b:80',
    '[x:y]:1',
  ]) {
    t.equal(parseListen(text), undefined, text)
  }
})

t.test('the editor schemas are committed as generated, and hold', async t => {
  for (const [name, text] of generatedSchemas()) {
    t.equal(readFileSync(join(root, 'rules/schema', name), 'utf8'), text, `${name} is fresh`)
    t.notMatch(text, /"\$id"/)
  }
  const validate = (name: keyof ReturnType<typeof editorSchemas>) => {
    const ajv = new Ajv2020({ strictTypes: false })
    return ajv.compile(editorSchemas()[name] as AnySchema)
  }
  const rule = (path: string): unknown => parse(readFileSync(join(catalogue, path), 'utf8'))
  t.equal(validate('network.json')(rule('networks/sample.yaml')), true)
  t.equal(validate('network.json')({ name: 'x' }), false)
  t.equal(validate('destination.json')(rule('destinations/tracker.yaml')), true)
  const config = validate('postern.json')
  t.equal(config(parse(FULL)), true)
  t.equal(
    config(parse(FULL.replace("'[::]:8443'", '${LISTEN}'))),
    true,
    'a reference is of any form',
  )
  t.equal(config(parse(FULL.replace("'[::]:8443'", 'nonsense'))), false)
})
