/** The rows of the table that are files, addresses or tests of their own; and that no row is missing. */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse, stringify } from 'yaml'
import { compileEgress } from '../../src/deliver/egress.ts'
import { formatFault } from '../../src/rules/faults.ts'
import { loadRuleSet } from '../../src/ruleset.ts'
import { ROOT, temporaryFolder } from '../support/gateway.ts'
import { expand, readRows, WIRE, type EgressRow, type ElsewhereRow, type FileRow, type ReaderRow, type WireFile } from './rows.ts' // prettier-ignore

interface Rows<T> {
  readonly rows: readonly T[]
}
const files = readRows<Rows<FileRow>>('files')
const egress = readRows<Rows<EgressRow>>('egress')
const elsewhere = readRows<Rows<ElsewhereRow>>('elsewhere')

t.test('files', async t => {
  const folder = temporaryFolder(t)
  for (const [index, row] of files.rows.entries()) {
    const label = `${row.row} ${row.input}`
    const here = join(folder, String(index))
    const loaded = await loadRuleSet(write(here, row), {
      catalogue: join(ROOT, 'rules'),
      env: { HOSTILE_TOKEN: 't0ken-canary-77310', HOSTILE_EMPTY: '' },
    })
    const faults = loaded.ok ? [] : loaded.error.map(formatFault)
    const warnings = loaded.ok ? loaded.value.loaded.warnings.map(formatFault) : []
    if (row.fault !== undefined) t.match(faults.join('\n'), new RegExp(row.fault), label)
    else t.same(faults, [], label)
    if (row.warning !== undefined) t.match(warnings.join('\n'), new RegExp(row.warning), label)
    // A fault or warning without its place helps nobody.
    for (const fault of [...faults, ...warnings]) {
      t.match(fault, /^\S+\.yaml(:\d+:\d+)?: \S/, `${label}: names its place`)
    }
    if (row.never !== undefined) t.notOk([...faults, ...warnings].join('\n').includes(row.never))
  }
})

function write(folder: string, row: FileRow): string {
  const rules = join(folder, 'rules')
  mkdirSync(folder)
  cpSync(join(import.meta.dirname, 'rules'), rules, { recursive: true })
  for (const [part, name] of [
    ['networks', 'net'],
    ['destinations', 'hostile-tracker'],
  ] as const) {
    const patch = part === 'networks' ? row.network : row.destination
    if (!patch) continue
    const file = join(rules, part, `${name}.yaml`)
    const rule = parse(readFileSync(file, 'utf8')) as Record<string, unknown>
    writeFileSync(file, expand(stringify(overlay(rule, patch)), ''))
  }
  const odd = join(rules, 'networks', 'odd.yaml')
  if (row.text !== undefined) writeFileSync(odd, expand(row.text, ''))
  if (row.make === 'link') symlinkSync('/etc/hostname', odd)
  if (row.make === 'fifo') execFileSync('mkfifo', [odd])
  if (row.make === 'folder') mkdirSync(odd)
  if (row.secret !== undefined) {
    writeFileSync(join(folder, 'secret'), row.secret, { mode: row.mode ?? 0o600 })
  }
  const base = {
    rules: [rules],
    networks: { net: row.network?.['verify'] ? {} : { tokens: ['${HOSTILE_TOKEN}'] } },
    destinations: {
      tracker: { rule: 'hostile-tracker', settings: { base: row.base ?? 'https://t.example.com' } },
    },
    routes: [{ to: ['tracker'] }],
  }
  if (row.text !== undefined || row.make) Object.assign(base.networks, { odd: {} })
  const needsToken = JSON.stringify(row.network?.['verify'] ?? '').includes('token')
  const config = overlay(needsToken ? overlay(base, { networks: { net: { tokens: ['${HOSTILE_TOKEN}'] } } }) : base, row.config ?? {}) // prettier-ignore
  const file = join(folder, 'postern.yaml')
  writeFileSync(file, stringify(config).replaceAll('FOLDER', folder))
  return file
}

function overlay(base: unknown, patch: unknown): Record<string, unknown> {
  const merged: Record<string, unknown> = { ...(base as Record<string, unknown>) }
  for (const [key, value] of Object.entries(patch as Record<string, unknown>)) {
    const isMap = typeof value === 'object' && value !== null && !Array.isArray(value)
    merged[key] = isMap && key in merged ? overlay(merged[key], value) : value
  }
  return merged
}

t.test('egress', async t => {
  for (const { row, input, addresses, allow = [], port = 443, reason } of egress.rows) {
    const guard = compileEgress({
      allowPrivate: allow,
      ownAddresses: () => [{ address: '0.0.0.0', port: 8080 }],
      localAddresses: () => ['10.9.8.7'],
    })
    for (const address of addresses) {
      t.equal(guard(address, port)?.reason, reason, `${row} ${input}: ${address}`)
    }
  }
})

t.test('what is proven elsewhere is a test there', async t => {
  for (const { row, input, test, title } of elsewhere.rows) {
    const text = readFileSync(join(ROOT, test), 'utf8')
    t.ok(titlesOf(text).includes(title), `${row} ${input}: "${title}" in ${test}`)
  }
})

t.test('every reader has a test of properties', async t => {
  for (const { reader, test, title } of readRows<Rows<ReaderRow>>('readers').rows) {
    const text = readFileSync(join(ROOT, test), 'utf8')
    const start = text.indexOf(`'${title}'`)
    t.ok(titlesOf(text).includes(title), `${reader}: "${title}" in ${test}`)
    // Up to the next test at the margin.
    const body = text.slice(start, text.indexOf('\nt.test(', start) >>> 0)
    t.match(body, /fc\.(assert|sample)/, `${reader}: for any text`)
  }
})

/** Of tests and subtests that run. */
function titlesOf(text: string): string[] {
  const calls = text.matchAll(/^ *(?:await |void )?t\.test\(\s*(['"`])(.+?)\1,/gm)
  return [...calls].map(([, , title = '']) => title)
}

/** What a row may say, by the file it stands in. */
const COMMON = ['row', 'input', 'why']
const KEYS = {
  wire: ['get', 'post', 'body', 'target', 'tail', 'headers', 'raw', 'hex', 'isHead', 'listener', 'answer', 'answers', 'some', 'count', 'closes', 'counts', 'delivered', 'passed', 'dead'],
  files: ['config', 'network', 'destination', 'base', 'text', 'make', 'secret', 'mode', 'fault', 'warning', 'loads', 'never'],
  egress: ['addresses', 'allow', 'port', 'reason'],
  elsewhere: ['answer', 'test', 'title'],
} // prettier-ignore

t.test('no row of the table is missing, and none says what no test reads', async t => {
  const all = [
    ...WIRE.flatMap(name => readRows<WireFile>(name).rows.map(row => [row, KEYS.wire] as const)),
    ...files.rows.map(row => [row, KEYS.files] as const),
    ...egress.rows.map(row => [row, KEYS.egress] as const),
    ...elsewhere.rows.map(row => [row, KEYS.elsewhere] as const),
  ]
  const numbers = Array.from({ length: 100 }, (_, i) => i + 1)
  const missing = numbers.filter(number => !all.some(([{ row }]) => row === number))
  t.same(missing, [])
  for (const [row, keys] of all) {
    const odd = Object.keys(row).filter(key => !COMMON.includes(key) && !keys.includes(key))
    t.same(odd, [], `${row.row} ${row.input}`)
    t.ok(numbers.includes(row.row) && row.input !== '')
  }
})
