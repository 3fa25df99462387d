/** `postern send`: one example of a network's rule, signed with the configured secrets, for real. */
import { request as httpRequest } from 'undici'
import { maskSecrets } from '../base/redact.ts'
import { readPostback } from '../receive/read.ts'
import { readLimits, type NetworkRuntime, type RuleSet } from '../ruleset.ts'
import type { DraftRequest } from '../verify/placement.ts'
import { signRequest } from '../verify/sign.ts'
import { loadOrReport, type CommandContext, type ExitCode } from './context.ts'
import { paints } from './terminal.ts'
import { parseCount } from './with-store.ts'

export interface SendOptions {
  readonly config: string
  readonly example: string
  /** Base URL of the gateway. */
  readonly gateway?: string
  readonly dryRun?: boolean
  readonly json?: boolean
}

export async function send(
  name: string,
  options: SendOptions,
  context: CommandContext,
): Promise<ExitCode> {
  const { terminal, clock } = context
  const rules = await loadOrReport(options.config, context)
  if (!rules) return 1
  const network = rules.networks.get(name)
  if (!network) {
    terminal.error(
      `no network "${name}" is configured; there are ${[...rules.networks.keys()].join(', ')}`,
    )
    return 1
  }
  const { examples } = network.rule.value
  const example = examples[(parseCount(options.example) ?? 0) - 1]
  if (!example) {
    terminal.error(`--example takes 1 to ${examples.length}:`)
    examples.forEach(({ title }, i) => terminal.error(`  ${i + 1}  ${title}`))
    return 1
  }
  const draft: DraftRequest = {
    method: example.request.method,
    // A rule's example says /in/<rule>; here the network goes by its own name.
    target: example.request.target.replace(/^\/in\/[^/?]+/, `/in/${name}`),
    headers: lowerCase(example.request.headers ?? {}),
    body: example.request.body ?? '',
  }
  const signed = signRequest(network.verifier, draft, {
    now: clock.now(),
    secrets: example.secrets,
    read: request => readDraft(request, network, rules, clock.now()),
  })
  if (!signed.ok) {
    terminal.error(`the example cannot be signed: ${signed.error}`)
    return 1
  }
  return fire(signed.value, example.title, rules, options, context)
}

async function fire(
  request: DraftRequest,
  title: string,
  { loaded }: RuleSet,
  options: SendOptions,
  { terminal }: CommandContext,
): Promise<ExitCode> {
  const { host, port } = loaded.value.server.listen
  const base = options.gateway ?? `http://${host === '0.0.0.0' ? '127.0.0.1' : host}:${port}`
  const mask = (text: string) => maskSecrets(text, loaded.secrets)
  const url = base.replace(/\/+$/, '') + request.target
  const { strong, good, bad } = paints(terminal)
  if (!options.json) {
    terminal.line(`${strong(title)}`)
    terminal.line(`${request.method} ${mask(url)}`)
    for (const [header, value] of Object.entries(request.headers))
      terminal.line(mask(`${header}: ${value}`))
    if (request.body) terminal.line(`\n${mask(request.body)}`)
  }
  if (options.dryRun) {
    if (options.json) terminal.line(mask(JSON.stringify({ ...request, url })))
    return 0
  }
  try {
    const response = await httpRequest(url, {
      method: request.method,
      headers: request.headers,
      ...(request.method === 'POST' ? { body: request.body } : {}),
    })
    const body = mask(await response.body.text())
    const { statusCode } = response
    if (options.json) terminal.line(JSON.stringify({ url: mask(url), status: statusCode, body }))
    else terminal.line(`\n${(statusCode < 300 ? good : bad)(String(statusCode))} ${body}`)
    return statusCode < 300 ? 0 : 1
  } catch (error) {
    terminal.error(
      `${mask(base)} does not answer: ${(error as Error).message}; is the gateway running?`,
    )
    return 1
  }
}

function readDraft(
  request: DraftRequest,
  network: NetworkRuntime,
  { loaded }: RuleSet,
  now: number,
) {
  const raw = { ...request, body: Buffer.from(request.body) }
  const postback = readPostback(raw, undefined, now, readLimits(loaded))
  return postback.ok ? network.read(postback.value) : postback
}

function lowerCase(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
  )
}
