import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { cpSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import * as yaml from 'yaml'
import { fail } from '../../src/base/result.ts'
import { loadConfig } from '../../src/config/load.ts'
import { configSchema } from '../../src/config/schema.ts'
import { loadCatalogue } from '../../src/rules/catalogue.ts'
import type * as documents from '../../src/rules/document.ts'
import { parseDocument, RULE_FILE } from '../../src/rules/document.ts'
import { fileFault, formatFault, sortFaults, type Fault } from '../../src/rules/faults.ts'
import { loadDestinationRule, loadNetworkRule } from '../../src/rules/load.ts'
import { nearest } from '../../src/rules/similar.ts'
import { scan } from '../../src/rules/scan.ts'
import { PATTERN_WORDS } from '../../src/rules/schema-faults.ts'
import { destinationRule } from '../../src/rules/destination-schema.ts'
import { matcherDefinition, networkRule } from '../../src/rules/schema.ts'
import { readSource } from '../../src/rules/read-file.ts'
import { createWatch } from '../../src/rules/watch.ts'

const here = import.meta.dirname
const catalogue = join(here, 'catalogue')
const network = readFileSync(join(catalogue, 'networks/sample.yaml'), 'utf8')
const destination = readFileSync(join(catalogue, 'destinations/tracker.yaml'), 'utf8')

const env = {
  ADMIN_TOKEN: 'CANARY-env-admin',
  SAMPLE_TOKEN: 'CANARY-env-token',
  SIGNED_SECRET: 'CANARY-env-secret',
  TRACKER_KEY: 'CANARY-env-key',
  EMPTY_VARIABLE: '',
  BAD_LISTEN: 'CANARY-env-listen',
  WORKERS: '2',
  TWO_LINES: 'CANARY-one\r\nCANARY-two',
}

const loaders = {
  'bad-networks': async (file: string) => loadFile(file, loadNetworkRule),
  'bad-destinations': async (file: string) => loadFile(file, loadDestinationRule),
  'bad-config': async (file: string) => loadConfig(file, { env, catalogue }),
}

async function loadFile(file: string, load: typeof loadNetworkRule | typeof loadDestinationRule) {
  const text = await readSource(file, { maxBytes: RULE_FILE.limits.bytes })
  return text.ok ? load(text.value, file) : fail(text.error)
}

t.test('every bad file is refused with exactly the faults it names', async t => {
  for (const [folder, load] of Object.entries(loaders)) {
    await t.test(folder, async t => {
      const names = readdirSync(join(here, folder))
      t.ok(names.length >= 20, `${names.length} files`)
      for (const name of names) {
        const file = join(here, folder, name)
        const expected = readFileSync(file, 'utf8')
          .split('\n')
          .flatMap(line => /^\ufeff?# fault: (.*)/.exec(line)?.[1] ?? [])
        t.ok(expected.length > 0, `${name} names its faults`)
        const loaded = await load(file)
        const faults = loaded.ok ? [] : loaded.error
        const found = faults.map(fault => `${fault.line}:${fault.col} ${fault.message}`)
        t.strictSame(found, expected, name)
        t.notMatch(faults.map(formatFault).join('\n'), /CANARY/, `${name} shows no secret`)
      }
    })
  }
})

t.test('a good rule is typed and knows its places', async t => {
  const loaded = loadNetworkRule(network, 'sample.yaml')
  if (!loaded.ok) return t.fail(loaded.error.map(formatFault).join('\n'))
  const { value: rule } = loaded
  t.equal(rule.value.name, 'Sample')
  t.strictSame(rule.value.fields?.['click_id'], ['cid'])
  t.match(rule.locate(['fields', 'click_id', 0]), { file: 'sample.yaml', line: 9, col: 14 })
  t.match(rule.locate(['fields', 'nowhere', 3]), { line: 9, col: 3 }, 'nearest thing around')
  t.match(rule.locate([]), { line: 1, col: 1 })
  const fault = rule.fault({ path: ['dedupe', 'key', 1], message: 'no such part', hint: 'mend it' })
  t.equal(
    formatFault(fault),
    [
      'sample.yaml:15:33: no such part',
      '  15 | dedupe: { key: [transaction_id, event] }',
      '     |                                 ^',
      '  → mend it',
    ].join('\n'),
  )
  t.equal(loadDestinationRule(destination, 'tracker.yaml').ok, true)
  const mayBeLeftOut = destination.replace(
    'secret: true',
    () => "secret: true, pattern: '^[a-z]+$', default: ''",
  )
  t.equal(loadDestinationRule(mayBeLeftOut, 'tracker.yaml').ok, true)
})

t.test('keys are only keys, and their words are text', async t => {
  const text = `{ "200": a, true: b, constructor: c, __proto__: d, 1.10: e }`
  const parsed = parseDocument(text, 'x', RULE_FILE)
  if (!parsed.ok) return t.fail(parsed.error.map(formatFault).join('\n'))
  const value = parsed.value.value as Record<string, unknown>
  t.strictSame(Object.keys(value).toSorted(), ['1.10', '200', '__proto__', 'constructor', 'true'])
  t.equal(Object.getPrototypeOf(value), null)
  t.equal(value['toString'], undefined)
})

t.test('faults are sorted, once each, and counted when there are too many', async t => {
  const at = (line: number, col: number): Fault => ({ file: 'a', line, col, message: 'm' })
  t.strictSame(sortFaults([at(2, 1), at(1, 9), at(1, 2), at(2, 1)]), [at(1, 2), at(1, 9), at(2, 1)])
  const many = sortFaults(Array.from({ length: 130 }, (_, index) => at(index + 1, 1)))
  t.equal(many.length, 101)
  t.equal(many.at(-1)?.message, 'and 30 more faults')
  t.equal(formatFault(fileFault('folder', 'no such folder')), 'folder: no such folder')
})

t.test('a secret-like value is not in the excerpt of a rule', async t => {
  const hidden = [
    `${network}    secrets:\n      - CANARY\n      - [CANARY]\n`,
    `${network}    tokens: [CANARY, {x: CANARY}]\n`,
    network.replace('docs: https://', 'docs: ftp://u:CANARY@'),
    network.replace('reply:', 'api_key: { a: CANARY }\nreply:'),
    `${network}    secrets:\n      - "CANARY\n`,
  ]
  for (const text of hidden) {
    const loaded = loadNetworkRule(text, 'x')
    if (loaded.ok) t.fail('it is not a good rule')
    else t.notMatch(loaded.error.map(formatFault).join('\n'), /CANARY/)
  }
})

t.test('a near word is offered, a far one is not', async t => {
  const cases: [string, string[], string | undefined][] = [
    ['stauts', ['status', 'stamps'], 'status'],
    ['STATUS', ['status'], 'status'],
    ['payot', ['payout', 'sub1'], 'payout'],
    ['ab', ['xy'], undefined],
    ['a'.repeat(10_000), ['aaa'], undefined],
    ['', ['a'], 'a'],
  ]
  for (const [word, known, expected] of cases) t.equal(nearest(word, known), expected, word)
})

t.test('every form that a schema demands is told in words', async t => {
  const silent: string[] = []
  const walk = (node: unknown, path: string) => {
    if (typeof node !== 'object' || node === null) return
    const { pattern, description } = node as { pattern?: unknown; description?: unknown }
    const isKeyForm = path.endsWith('.propertyNames')
    if (typeof pattern === 'string' && !(pattern in PATTERN_WORDS) && !isKeyForm) {
      if (description === undefined) silent.push(path)
    }
    for (const [key, child] of Object.entries(node)) walk(child, `${path}.${key}`)
  }
  walk({ networkRule, destinationRule, configSchema, matcherDefinition }, '')
  t.strictSame(
    silent.filter(path => !path.endsWith('.dedupe.properties.allow.items')),
    [],
  )
})

// --- hostile input --------------------------------------------------------------------------

const SIZE = RULE_FILE.limits.bytes
const fill = (part: string, size = SIZE) =>
  part.repeat(Math.ceil(size / part.length)).slice(0, size)
const count = (number: number, to: (index: number) => string) =>
  Array.from({ length: number }, (_, index) => to(index)).join('')

/** Refused before the parser sees them. */
const hostile: Readonly<Record<string, string>> = {
  '100,000 keys': count(100_000, index => `k${index}: 1\n`),
  '30,000 keys': count(30_000, index => `k${index}:\n`),
  '30,000 keys in brackets': `{${count(30_000, index => `k${index},`)}}`,
  '5,000 levels of brackets': '['.repeat(5000) + ']'.repeat(5000),
  '5,000 levels of braces': '{a: '.repeat(5000) + '}'.repeat(5000),
  '5,000 levels of quoted brackets': '["]", '.repeat(5000),
  '600 levels of indentation': count(600, index => `${' '.repeat(index)}a:\n`),
  '5,000 levels of dashes': '- '.repeat(5000),
  '5,000 levels of empty keys': '- : '.repeat(5000),
  '5,000 keys on one line': 'a: '.repeat(5000),
  '10 MB': 'a'.repeat(10_000_000),
  'list entries': fill('- a\n'),
  'list entries in brackets': `[${fill('a,', SIZE - 2)}]`,
  'comments without text': fill('#\n'),
  'empty lines': fill('\n'),
  'empty lines in a block': `a: |\n${fill('\n', SIZE - 6)}`,
  anchors: fill('&a '),
  aliases: fill('*a '),
  tags: fill('!a '),
  directives: fill('%a\n'),
  documents: fill('---\n'),
  'document ends': fill('...\n'),
  'carriage returns': fill('a\r'),
}

/** Parsed, and refused for what they are. */
const heavy: Readonly<Record<string, string>> = {
  'one long line': `name: ${fill('x', SIZE - 8)}`,
  'one long quoted text': `name: "${fill('\\n', SIZE - 9)}"`,
  'one long comment': fill('# '),
  'comments at the limit': fill('# comment of a usual length\n'),
  tabs: fill('\t'),
  'open quotes': fill('"a'),
  '7,900 wrong entries': `verify:\n${fill('- a\n', 31_600)}`,
  '1,900 wrong keys': count(1900, index => `k${index}: { a: 1 }\n`),
  '9,000 wrong words': `required: [${fill('xxxxxxxxxxxx, ', 120_000)}]`,
  '2,500 wrong maps': `verify:\n${count(2500, index => `  - { a: ${index}, b: 1, c: 2 }\n`)}`,
}

/**
 * Milliseconds that the loop is blocked: time on the monotonic clock, or the processor time of
 * this process where that is less, as the machine may have other work. The better of two runs.
 */
function blockedBy(action: () => void): number {
  const run = () => {
    const start = process.hrtime.bigint()
    const before = process.cpuUsage()
    action()
    const { user, system } = process.cpuUsage(before)
    return Math.min(Number(process.hrtime.bigint() - start) / 1e6, (user + system) / 1e3)
  }
  const first = run()
  return first < 200 ? first : Math.min(first, run())
}

t.test('hostile input is refused before the parser sees it', async t => {
  let parses = 0
  const { parseDocument: parse } = await t.mockImport<typeof documents>(
    '../../src/rules/document.ts',
    {
      yaml: {
        ...yaml,
        parseDocument: (text: string) => {
          parses++
          return yaml.parseDocument(text)
        },
      },
    },
  )
  t.equal(parse('a: 1', 'x', RULE_FILE).ok, true)
  t.equal(parses, 1, 'the count counts')
  for (const [name, text] of Object.entries(hostile)) {
    t.equal(parse(text, 'x', RULE_FILE).ok, false, name)
  }
  t.equal(parses, 1)
})

t.test('hostile input blocks for less than 200 ms', async t => {
  loadNetworkRule(network, 'compiles the schema once')
  for (const [name, text] of Object.entries({ ...hostile, ...heavy })) {
    const blocked = blockedBy(() => {
      if (loadNetworkRule(text, 'x').ok) t.fail(`${name} is refused`)
    })
    t.ok(blocked < 200, `${name}: ${blocked.toFixed(0)} ms`)
  }
})

t.test('each limit holds by itself, at its place', async t => {
  const keys = (number: number, indent = '') => count(number, index => `${indent}k${index}: 1\n`)
  const cases: [string, string | undefined, number?][] = [
    [keys(2000), undefined],
    [keys(2001), 'more than 2000 keys in one map', keys(2000).length + 'k2000'.length],
    [`a:\n${keys(1500, '  ')}b:\n${keys(1500, '  ')}`, undefined],
    [`a:\n${keys(2001, '  ')}`, 'more than 2000 keys in one map'],
    [`- a: 1\n${keys(2000, '  ')}`, 'more than 2000 keys in one map'],
    [`{${count(2002, index => `k${index},`)}}`, 'more than 2000 keys in one map'],
    ['['.repeat(64) + ']'.repeat(64), undefined],
    ['['.repeat(65) + ']'.repeat(65), 'nested deeper than 64 levels', 64],
    [count(64, index => `${' '.repeat(index)}a:\n`), undefined],
    [count(65, index => `${' '.repeat(index)}a:\n`), 'nested deeper than 64 levels'],
    ['\n'.repeat(39_000), undefined],
    ['\n'.repeat(40_001), 'more than 40000 parts', 40_000],
  ]
  for (const [text, message, offset] of cases) {
    const found = scan(text, RULE_FILE.limits)
    t.equal(found?.message, message, `${text.length} characters`)
    if (offset !== undefined) t.equal(found?.offset, offset)
  }
})

t.test('the scan lets through what people write', async t => {
  const fine = {
    'a document mark': `---\n${network}`,
    'a comment before it': `# rule\n---\n${network}`,
    'marks inside text': "a: '*x &y !z <<'\nb: it's # not\nc: x & y * z ! - ? %\n",
    'a block of text': 'a: |\n  *x\n  \t[[[\n  ---\n  %x\nb: 1\n',
    'tabs after the indentation': 'a:\t1\nb: 2\t# c\n\t\nc: [1,\t2]\n',
    'windows line ends': network.replaceAll('\n', '\r\n'),
    'lists beside their key': 'a:\n- 1\n- b: 2\n  c:\n  - 3\n',
    'a list of lists': 'a:\n  - - 1\n    - 2\n  - [3, { b: 4 }]\n',
    '60 levels': '['.repeat(60) + ']'.repeat(60),
    '1,900 keys': count(1900, index => `k${index}: 1\n`),
    '1,200 maps with the same keys': count(1200, () => '- { a: 1, b: 2, c: 3 }\n'),
    'an emoji': 'a: "💰"\nb: ü\n',
  }
  for (const [name, text] of Object.entries(fine)) {
    t.equal(scan(text, RULE_FILE.limits), undefined, name)
    t.equal(parseDocument(text, 'x', RULE_FILE).ok, true, name)
  }
})

const TROUBLE =
  '\n|\t|: |- |[|}|"|\'|#|&a |*a|!!x |? |0|---\n|\0|\ufeff|\r|<<: |${|${X}|{settings.|\ud800'
    .split('|')
    .concat('|', '|\n', '1e9')

t.test('whatever is done to a good file, the loader answers with faults', async t => {
  const edits = fc.array(
    fc.record({
      at: fc.nat(),
      remove: fc.nat(12),
      insert: fc.oneof(fc.string({ maxLength: 4 }), fc.constantFrom(...TROUBLE)),
    }),
    { minLength: 1, maxLength: 6 },
  )
  const loads = {
    network: [network, loadNetworkRule],
    destination: [destination, loadDestinationRule],
  }
  for (const [name, [good, load]] of Object.entries(loads) as [
    string,
    [string, typeof loadNetworkRule],
  ][]) {
    fc.assert(
      fc.property(edits, changes => {
        const text = changes.reduce((text, { at, remove, insert }) => {
          const start = at % (text.length + 1)
          return text.slice(0, start) + insert + text.slice(start + remove)
        }, good)
        const loaded = load(text, 'x')
        if (loaded.ok) return
        const lines = text.split('\n').length
        if (loaded.error.length === 0) throw new Error('refused without a fault')
        for (const fault of loaded.error) {
          formatFault(fault)
          if (fault.line < 1 || fault.line > lines || fault.col < 1) {
            throw new Error(`outside the file: ${formatFault(fault)}`)
          }
        }
      }),
      { numRuns: 400 },
    )
    t.pass(name)
  }
})

// --- files and folders ----------------------------------------------------------------------

t.test('only regular files inside the folder are read', async t => {
  const folder = t.testdir({ in: { 'a.yaml': 'a: 1' }, outside: 'x: 1', dir: {}, empty: '' })
  const inside = join(folder, 'in')
  const options = { maxBytes: 100, within: inside }
  symlinkSync('a.yaml', join(inside, 'link.yaml'))
  symlinkSync('../outside', join(inside, 'out.yaml'))
  symlinkSync('loop.yaml', join(inside, 'loop.yaml'))
  execFileSync('mkfifo', [join(inside, 'fifo.yaml')])
  writeFileSync(join(inside, 'large.yaml'), 'a'.repeat(101))
  writeFileSync(join(inside, 'exact.yaml'), 'a'.repeat(100))
  mkdirSync(join(inside, 'folder.yaml'))

  const read = async (name: string) => {
    const text = await readSource(join(inside, name), options)
    return text.ok ? text.value : text.error[0]?.message
  }
  t.equal(await read('a.yaml'), 'a: 1')
  t.equal(await read('link.yaml'), 'a: 1', 'a link inside, as Kubernetes mounts are')
  t.equal(await read('out.yaml'), 'a symbolic link out of its folder')
  t.equal(await read('loop.yaml'), 'a symbolic link that leads to itself')
  t.equal(await read('fifo.yaml'), 'not a regular file')
  t.equal(await read('folder.yaml'), 'not a regular file')
  t.equal(await read('none.yaml'), 'no such file')
  t.equal(await read('large.yaml'), 'larger than 0 KiB')
  t.equal(await read('exact.yaml'), 'a'.repeat(100))
  if (process.getuid?.() !== 0) {
    chmodSync(join(inside, 'a.yaml'), 0)
    t.equal(await read('a.yaml'), 'cannot be read: permission denied')
  }
})

t.test('later folders are laid over earlier ones, and every fault is told', async t => {
  const own = t.testdir({
    good: {
      networks: {
        'sample.yaml': network.replace('name: Sample', 'name: Mine'),
        'extra.yaml': network,
        'README.md': 'not a rule',
        '.hidden.yaml': 'not: [a rule',
      },
    },
    bad: {
      networks: { 'sample.yaml': 'name: 1', 'Upper.yaml': network, 'old.yml': network },
      destinations: { 'tracker.yaml': 'name: [' },
    },
    empty: {},
    file: 'x',
  })
  const good = await loadCatalogue([catalogue, join(own, 'good')])
  if (!good.ok) return t.fail(good.error.map(formatFault).join('\n'))
  t.equal(good.value.networks.get('sample')?.value.name, 'Mine')
  t.equal(good.value.networks.get('extra')?.value.name, 'Sample')
  t.equal(good.value.networks.get('signed')?.value.name, 'Fixture')
  t.equal(good.value.networks.has('.hidden'), false)
  t.strictSame([...good.value.destinations.keys()], ['guessed', 'tracker'])

  const bad = await loadCatalogue([catalogue, join(own, 'bad')])
  const places = bad.ok
    ? []
    : bad.error.map(f => `${f.file.slice(own.length)}:${f.line} ${f.message}`)
  t.ok(places.includes('/bad/networks/Upper.yaml:0 the file name is not a valid rule id'))
  t.ok(places.includes('/bad/networks/old.yml:0 rule files end in `.yaml`'))
  t.ok(
    places.includes('/bad/networks/sample.yaml:1 `name` must be text; YAML reads this as a number'),
  )
  t.ok(places.includes('/bad/destinations/tracker.yaml:1 this bracket is never closed'))

  for (const [name, message] of [
    ['empty', 'holds neither `networks/` nor `destinations/`'],
    ['none', 'no such folder'],
    ['file', 'not a folder'],
  ] as const) {
    const loaded = await loadCatalogue([join(own, name)])
    t.strictSame(loaded.ok ? [] : loaded.error.map(fault => fault.message), [message], name)
  }
})

/** Counts changes; `next` resolves when the count has grown. */
async function watching(
  t: Test,
  paths: string[],
  options: { isNotified: boolean; pollMs: number },
) {
  let changes = 0
  let wake = () => {}
  const watch = await createWatch({
    paths,
    debounceMs: 20,
    ...options,
    onChange: () => {
      changes++
      wake()
    },
  })
  t.teardown(() => watch.close())
  return {
    watch,
    changes: () => changes,
    async after(change: () => void) {
      const before = changes
      const grown = new Promise<void>(resolve => (wake = resolve))
      change()
      while (changes === before) await grown
    },
  }
}

for (const options of [
  { isNotified: true, pollMs: 60_000 },
  { isNotified: false, pollMs: 20 },
]) {
  t.test(
    `a change is seen ${options.isNotified ? 'when the system tells' : 'by polling'}`,
    async t => {
      const folder = t.testdir({
        'postern.yaml': 'a: 1',
        v1: { networks: { 'a.yaml': 'v1' } },
        v2: { networks: { 'a.yaml': 'v2' } },
      })
      symlinkSync('v1', join(folder, 'rules'))
      const config = join(folder, 'postern.yaml')
      const rules = join(folder, 'rules')
      const seen = await watching(t, [config, rules], options)

      await seen.after(() => writeFileSync(config, 'a: 22'))
      t.pass('written in place')
      await seen.after(() => {
        writeFileSync(`${config}.new`, 'a: 3')
        renameSync(`${config}.new`, config)
      })
      t.pass('replaced, as editors do')
      await seen.after(() => writeFileSync(config, 'a: 4444'))
      t.pass('written again after it was replaced')
      await seen.after(() => writeFileSync(join(rules, 'networks/b.yaml'), 'new'))
      t.pass('a file added')
      await seen.after(() => {
        symlinkSync('v2', join(folder, 'next'))
        renameSync(join(folder, 'next'), rules)
      })
      t.pass('a link swapped, as Kubernetes does')
      await seen.after(() => writeFileSync(join(folder, 'v2/networks/a.yaml'), 'changed behind it'))
      t.pass('what the new link leads to is watched')
      await seen.after(() => {
        mkdirSync(join(folder, 'v2/destinations'))
        writeFileSync(join(folder, 'v2/destinations/c.yaml'), 'c')
      })
      t.pass('a folder added')
      await seen.after(() => rmSync(join(folder, 'v2'), { recursive: true }))
      t.pass('everything gone')
      await seen.after(() => cpSync(join(folder, 'v1'), join(folder, 'v2'), { recursive: true }))
      t.pass('and back')

      const other = join(folder, 'other.yaml')
      await seen.watch.update([other])
      await seen.after(() => writeFileSync(other, 'x'))
      t.pass('other paths after an update')

      seen.watch.close()
      const before = seen.changes()
      const again = await watching(t, [other], options)
      await again.after(() => writeFileSync(other, 'changed after the first was closed'))
      t.equal(seen.changes(), before, 'a closed watch says nothing')
    },
  )
}
