/** Documents are true: README's commands run as they stand, and the pages name what exists. */
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { cpSync, existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse, stringify } from 'yaml'
import { ROOT, temporaryFolder } from './support/gateway.ts'
import { until } from './support/until.ts'

t.setTimeout(120_000)

const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')
const commandsOf = (page: string): string[] =>
  [...page.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block = '']) => block.trim().split('\n'))

/** A fresh copy of what a clone holds, with the dependencies that are installed already. */
function freshClone(folder: string): string {
  const files = ['src', 'build', 'rules', 'package.json', 'tsconfig.json', 'tsconfig.build.json']
  for (const file of [...files, 'postern.yaml']) {
    cpSync(join(ROOT, file), join(folder, file), { recursive: true })
  }
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  return folder
}

/** Anchors of a page's headings, as GitHub makes them. */
function anchorsOf(page: string): Set<string> {
  const headings = [...page.matchAll(/^#+ (.+)$/gm)].map(([, text = '']) => text)
  return new Set(
    headings.map(text =>
      text
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  )
}

/** What each command of the README must show; those that cannot run inside a test say why. */
const EXPECTED: readonly { starts: string; shows?: RegExp; elsewhere?: () => boolean }[] = [
  { starts: 'npm ci', elsewhere: () => /^npm ci$/m.test(read('.ci/run')) },
  {
    starts: 'npm test',
    elsewhere: () => /^(TAP_REPORTER=terse )?npm test$/m.test(read('.ci/run')),
  },
  { starts: 'npm start' },
  { starts: 'curl ', shows: /^OK$/ },
  {
    starts: 'npm run --silent postern -- explain',
    shows: /deliver to tracker-a[\s\S]*cid=click-3/,
  },
  { starts: 'npm run --silent postern -- log', shows: /order-1.*tracker-a, tracker-b/ },
  { starts: 'npm run --silent postern -- check', shows: /sound\s*$/ },
  // No Docker engine inside a test; the files it reads are checked below.
  { starts: 'docker compose up', elsewhere: () => existsSync(join(ROOT, 'compose.yaml')) },
]

t.test('every command of the README does what it says', async t => {
  const folder = freshClone(temporaryFolder(t))
  const commands = commandsOf(read('README.md'))
  let gateway: ChildProcess | undefined
  let output = ''
  t.teardown(() => gateway?.kill('SIGKILL'))
  for (const command of commands) {
    const expected = EXPECTED.find(({ starts }) => command.startsWith(starts))
    if (!expected) {
      t.fail(`no test for: ${command}`)
    } else if (expected.elsewhere) {
      t.ok(expected.elsewhere(), command)
    } else if (command === 'npm start') {
      // Its own process group, as npm does not hand every signal on.
      gateway = spawn('npm', ['start'], {
        cwd: folder,
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      const child = gateway
      t.teardown(() => process.kill(-(child.pid ?? 0), 'SIGKILL'))
      child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()))
      child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()))
      await until('the gateway greets', () => output.includes('Try it'), 60_000)
      const hint = /curl '[^']+'/.exec(output)?.[0]
      t.ok(commands.includes(hint ?? ''), 'the line it prints is the one the README shows')
    } else {
      const { stdout, stderr } = spawnSync('sh', ['-c', command], { cwd: folder, encoding: 'utf8' })
      t.match(stdout, expected.shows ?? /./, `${command}\n${stderr}`)
      if (command.startsWith('curl')) {
        for (const fact of [
          /postback\.accepted .*network=demo/,
          /demo\.received .*\/tracker-a\/postback\?cid=click-1&/,
          /demo\.received .*\/tracker-b\/postback\?cid=click-2&/,
          /delivery\.delivered .*destination=tracker-a/,
          /delivery\.delivered .*destination=tracker-b/,
        ]) {
          await until(`the terminal shows ${fact}`, () => fact.test(output))
        }
        // The decision log is written a little later.
        await until('the decision is noted', () => {
          const log = spawnSync('sh', ['-c', 'npm run --silent postern -- log'], {
            cwd: folder,
            encoding: 'utf8',
          })
          return log.stdout.includes('order-1')
        })
      }
    }
  }
  t.equal(commands.length, EXPECTED.length, 'nothing is expected that the README does not show')
})

t.test('ARCHITECTURE.md names what exists', async t => {
  const page = read('ARCHITECTURE.md')
  const [, table = ''] = page.split('## Where does it go?')
  const paths = [...table.matchAll(/`((?:src|rules|docs|test)\/[^`]*)`/g)].map(
    ([, path = '']) => path,
  )
  t.ok(paths.length > 10, 'the table is there')
  for (const path of paths) t.ok(existsSync(join(ROOT, path)), path)
  for (const [, file = ''] of page.matchAll(/`(src\/[\w./-]+\.ts)`/g)) {
    t.ok(existsSync(join(ROOT, file)), file)
  }
  for (const [, reason = ''] of page.matchAll(/\b([a-z]+_[a-z_]+) (?:4|5)\d\d\b/g)) {
    t.match(read('src/reasons.ts'), new RegExp(`\\b${reason}: \\{`), reason)
  }
})

t.test('every link of every page leads somewhere', t => {
  const pages = execFileSync('git', ['ls-files', '*.md'], { cwd: ROOT, encoding: 'utf8' })
    .split('\n')
    .filter(page => page !== '')
  t.ok(pages.length > 20)
  for (const page of pages) {
    for (const [, link = ''] of read(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      const [file = '', anchor] = link.split('#')
      if (/^[a-z]+:/.test(link)) continue
      const target = file === '' ? page : join(page, '..', file)
      if (!existsSync(join(ROOT, target))) t.fail(`${page}: ${link} leads nowhere`)
      else if (anchor && !anchorsOf(read(target)).has(anchor)) t.fail(`${page}: no ${link}`)
    }
  }
  t.end()
})

t.test('what docs/proxy.md configures is sound', t => {
  const folder = temporaryFolder(t)
  const fences = [...read('docs/proxy.md').matchAll(/```yaml\n([\s\S]*?)```/g)].map(
    ([, text = '']) => parse(text) as Record<string, unknown>,
  )
  const networks = ['maxbounty', 'affise', 'everflow', 'tune']
  const [proxy, places, names, shadow] = fences
  t.equal(fences.length, 4)
  const examples: Record<string, Record<string, unknown> | undefined> = {
    first: proxy,
    places: { proxy: { upstream: 'http://10.0.0.5:8080', ...places } },
    names: { ...proxy, ...names },
    shadow,
  }
  for (const [name, parts] of Object.entries(examples)) {
    const file = join(folder, `${name}.yaml`)
    const own = (parts?.['networks'] ?? {}) as Record<string, object>
    const tokens = Object.fromEntries(
      networks.map(id => [id, { tokens: ['${A_TOKEN}'], ...own[id] }]),
    )
    writeFileSync(
      file,
      stringify({
        store: { type: 'memory' },
        rules: [join(ROOT, 'rules')],
        destinations: {},
        routes: [],
        ...parts,
        networks: tokens,
      }),
    )
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      ['dist/main.js', 'check', '-c', file],
      { cwd: ROOT, encoding: 'utf8', env: { ...process.env, A_TOKEN: 'a-token-of-its-own' } },
    )
    t.equal(status, 0, stdout + stderr)
  }
  t.end()
})

t.test('container files', async t => {
  const compose = parse(read('compose.yaml')) as {
    services: Record<string, { command?: string; user?: string }>
  }
  t.match(compose.services['redis']?.command, /--appendfsync always .*noeviction/)
  t.ok(compose.services['gateway-1'])
  const dockerfile = read('Dockerfile')
  t.match(dockerfile, /^USER node$/m, 'not root')
  t.match(dockerfile, /^VOLUME \/data$/m)
  t.match(dockerfile, /^FROM node:24/m)
  for (const [, files = ''] of dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)) {
    for (const file of files.split(' ')) t.ok(existsSync(join(ROOT, file)), `COPY ${file}`)
  }
  const check = spawnSync(process.execPath, ['dist/main.js', 'check', '-c', 'postern.redis.yaml'], {
    cwd: ROOT,
    encoding: 'utf8',
  })
  t.equal(check.status, 0, check.stdout + check.stderr)
})

t.test('nothing is installed by scripts, and nothing of ours hangs on one', async t => {
  t.match(read('.npmrc'), /^ignore-scripts=true$/m)
  const lock = JSON.parse(read('package-lock.json')) as {
    packages: Record<string, { hasInstallScript?: boolean }>
  }
  const scripted = Object.entries(lock.packages).filter(([, { hasInstallScript }]) => hasInstallScript) // prettier-ignore
  // Both come prebuilt as packages of the platform; their scripts are for others. One more, and
  // somebody must see that it works without.
  t.same(
    scripted.map(([name]) => name.replace(/^node_modules\//, '')),
    ['lmdb', 'msgpackr-extract'],
  )
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> }
  const hooks = Object.keys(scripts).filter(name => {
    const [, hooked = ''] = /^(?:pre|post)(.+)/.exec(name) ?? []
    return hooked in scripts || ['install', 'pack', 'publish'].includes(hooked)
  })
  t.same(hooks, [], 'npm runs none of them')
})

t.test('the lock files are whole and record no download addresses', async t => {
  for (const file of ['package-lock.json', 'bench/package-lock.json']) {
    const { packages } = JSON.parse(read(file)) as {
      packages: Record<string, { resolved?: string; optionalDependencies?: object }>
    }
    const all = Object.values(packages)
    t.same(all.flatMap(({ resolved = '' }) => resolved.match(/^http.*/) ?? []), [], file) // prettier-ignore
    // npm leaves out what it could not find for another platform, and `npm ci` then refuses.
    const named = all.flatMap(({ optionalDependencies = {} }) => Object.keys(optionalDependencies))
    t.same(named.filter(name => !(`node_modules/${name}` in packages)), [], file) // prettier-ignore
  }
})
