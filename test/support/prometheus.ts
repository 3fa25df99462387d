/**
 * The real thing: promtool and prometheus from the PATH. Where they are missing and this may
 * install packages (root on a Debian), it does; else it fails and says what to install.
 */
import { spawn, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Teardown } from './gateway.ts'

const HINT =
  'prometheus and promtool are not on the PATH; on Debian: apt-get install --no-install-recommends prometheus'

export function requirePrometheus(): void {
  if (isInstalled()) return
  const isRoot = process.getuid?.() === 0
  if (isRoot && spawnSync('apt-get', ['--version']).status === 0) {
    const options = {
      stdio: 'ignore',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    } as const
    spawnSync('apt-get', ['update'], options)
    spawnSync('apt-get', ['install', '-y', '--no-install-recommends', 'prometheus'], options)
    if (isInstalled()) return
  }
  throw new Error(HINT)
}

function isInstalled(): boolean {
  return ['promtool', 'prometheus'].every(name => spawnSync(name, ['--version']).status === 0)
}

/** Exit code and what it said. */
export function promtool(
  args: readonly string[],
  input?: string,
): { readonly code: number | null; readonly output: string } {
  requirePrometheus()
  const { status, stdout, stderr } = spawnSync('promtool', args, {
    encoding: 'utf8',
    ...(input === undefined ? {} : { input }),
    maxBuffer: 64 * 1024 * 1024,
  })
  return { code: status, output: `${stdout}${stderr}` }
}

export interface Sample {
  readonly metric: Readonly<Record<string, string>>
  readonly value: number
}

export interface RuleHealth {
  readonly group: string
  readonly name: string
  readonly health: string
  readonly lastError: string | undefined
}

export interface Prometheus {
  readonly url: string
  /** One evaluation now. Throws where Prometheus finds a fault in the query. */
  query(expression: string): Promise<readonly Sample[]>
  rules(): Promise<readonly RuleHealth[]>
}

export interface PrometheusOptions {
  readonly folder: string
  /** Job → `host:port` of its gateways' admin listeners. */
  readonly jobs: Readonly<Record<string, readonly string[]>>
  readonly ruleFiles: readonly string[]
  readonly intervalSeconds: number
  /** Holds the token of the admin listeners. */
  readonly credentialsFile?: string
  /** What it scraped before the test, in the OpenMetrics format with times. */
  readonly past?: string
}

export async function startPrometheus(
  t: Teardown,
  options: PrometheusOptions,
): Promise<Prometheus> {
  requirePrometheus()
  const { folder, jobs, ruleFiles, intervalSeconds, credentialsFile, past } = options
  const data = join(folder, 'tsdb')
  if (past !== undefined) {
    const file = join(folder, 'past.txt')
    writeFileSync(file, past)
    const { code, output } = promtool(['tsdb', 'create-blocks-from', 'openmetrics', file, data])
    if (code !== 0) throw new Error(output)
  }
  const config = join(folder, 'prometheus.yml')
  const interval = `${intervalSeconds}s`
  writeFileSync(
    config,
    JSON.stringify({
      global: {
        scrape_interval: interval,
        evaluation_interval: interval,
        scrape_timeout: interval,
      },
      rule_files: ruleFiles,
      scrape_configs: Object.entries(jobs).map(([job, targets]) => ({
        job_name: job,
        static_configs: [{ targets }],
        ...(credentialsFile === undefined
          ? {}
          : { authorization: { credentials_file: credentialsFile } }),
      })),
    }),
  )
  const port = await freePort()
  const child = spawn(
    'prometheus',
    [
      `--config.file=${config}`,
      `--storage.tsdb.path=${data}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=warn',
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  )
  t.teardown(() => child.kill('SIGKILL'))
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  const url = `http://127.0.0.1:${port}`
  const get = async (path: string): Promise<unknown> => {
    const answer = (await (await fetch(`${url}${path}`)).json()) as Answer
    if (answer.status !== 'success') throw new Error(`${path}: ${answer.error}`)
    return answer.data
  }
  while (
    !(await fetch(`${url}/-/ready`).then(
      r => r.ok,
      () => false,
    ))
  ) {
    if (child.exitCode !== null) throw new Error(`prometheus did not start: ${errors}`)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  return {
    url,
    query: async expression => {
      const data = (await get(`/api/v1/query?query=${encodeURIComponent(expression)}`)) as QueryData
      if (data.resultType === 'scalar') return [{ metric: {}, value: Number(data.result[1]) }]
      return data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }))
    },
    rules: async () => {
      const { groups } = (await get('/api/v1/rules')) as { groups: Group[] }
      return groups.flatMap(group =>
        group.rules.map(rule => ({
          group: group.name,
          name: rule.name,
          health: rule.health,
          lastError: rule.lastError,
        })),
      )
    },
  }
}

interface Answer {
  readonly status: string
  readonly error?: string
  readonly data: unknown
}
type QueryData =
  | { readonly resultType: 'scalar'; readonly result: readonly [number, string] }
  | {
      readonly resultType: 'vector'
      readonly result: readonly {
        readonly metric: Readonly<Record<string, string>>
        readonly value: readonly [number, string]
      }[]
    }
interface Group {
  readonly name: string
  readonly rules: readonly { name: string; health: string; lastError?: string }[]
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}
