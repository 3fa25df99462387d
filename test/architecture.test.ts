/** The law of the source tree: levels, sizes, and the homes of clock, randomness and environment. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import t from 'tap'

const ROOT = join(import.meta.dirname, '..', 'src')
const files = readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
  .filter(file => file.endsWith('.ts'))
  .map(file => ({ file, text: readFileSync(join(ROOT, file), 'utf8') }))

/** A folder may import from a lower level, and from itself. Stages stand side by side. */
const LEVELS: Readonly<Record<string, number>> = {
  base: 0,
  model: 1,
  'reasons.ts': 1,
  rules: 2,
  store: 2,
  observe: 3,
  receive: 4,
  verify: 4,
  normalize: 4,
  route: 4,
  destinations: 4,
  deliver: 4,
  proxy: 4,
  admin: 4,
  config: 4,
  // What assembles: files directly in src/.
  '': 5,
  commands: 6,
  'main.ts': 7,
}
const PURE = ['verify', 'normalize', 'route', 'destinations']

const homeOf = (file: string): string => {
  const folder = file.includes('/') ? (file.split('/')[0] ?? '') : file
  return folder in LEVELS ? folder : file.includes('/') ? folder : ''
}
const imports = (text: string): string[] =>
  [...text.matchAll(/(?:from|import) '([^']+)'/g)].map(match => match[1] ?? '')
const code = (text: string): string =>
  text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '')

t.test('imports only point downwards, and never to another stage', async t => {
  for (const { file, text } of files) {
    const home = homeOf(file)
    const level = LEVELS[home]
    t.not(level, undefined, `${file} lives in a known folder`)
    for (const target of imports(text).filter(name => name.startsWith('.'))) {
      const path = relative(ROOT, join(ROOT, dirname(file), target))
      const other = homeOf(path)
      if (other === home) continue
      t.ok((LEVELS[other] ?? 99) < (level ?? -1), `${file} may not import ${path}`)
    }
  }
})

t.test('no file is longer than 400 lines, half of them are at most 110', async t => {
  const lengths = files.map(({ file, text }) => ({ file, lines: text.split('\n').length - 1 }))
  for (const { file, lines } of lengths) t.ok(lines <= 400, `${file} has ${lines} lines`)
  const sorted = lengths.map(({ lines }) => lines).sort((a, b) => a - b)
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0
  t.ok(median <= 110, `the median is ${median}`)
})

t.test('the story stays short', async t => {
  const story = files.find(({ file }) => file === 'pipeline.ts')
  t.ok(story, 'src/pipeline.ts exists')
  t.ok((story?.text.split('\n').length ?? 0) <= 120)
})

t.test('clock, randomness and environment have one home each', async t => {
  const homes: readonly [RegExp, (file: string) => boolean][] = [
    [/Date\.now|performance\.now|hrtime/, file => file === 'base/clock.ts'],
    [/Math\.random|randomBytes|randomUUID|randomInt/, file => file === 'base/id.ts'],
    [/process\.env/, file => file.startsWith('config/')],
    [/process\.(on|once)\((?!'(message|disconnect)')|process\.exit\b/, file => file === 'main.ts'],
  ]
  for (const { file, text } of files) {
    for (const [pattern, isHome] of homes) {
      if (!isHome(file)) t.notMatch(code(text), pattern, file)
    }
  }
})

t.test('what is pure does no I/O', async t => {
  for (const { file, text } of files) {
    const isPure =
      PURE.includes(homeOf(file)) || /^rules\/(template|match|filters|fields)\.ts$/.test(file)
    if (!isPure) continue
    for (const name of imports(text)) {
      t.notMatch(
        name,
        /^node:(fs|http|https|net|tls|dns|child_process|worker_threads|cluster)/,
        file,
      )
      t.notMatch(name, /^(undici|ioredis|lmdb|fastify|pino|prom-client)/, file)
    }
    t.notMatch(code(text), /setTimeout|setInterval|setImmediate/, file)
  }
})

t.test('no barrels, no drawers, no any', async t => {
  for (const { file, text } of files) {
    t.notMatch(file, /(^|\/)(utils?|helpers?|common|index)\.ts$/)
    t.notMatch(code(text), /^export \* from/m, file)
    t.notMatch(code(text), /: any\b|as any\b|<any>/, file)
  }
})
