/** `postern networks`: which networks there are, and how to connect one. */
import { loadConfig, type LoadedConfig } from '../config/load.ts'
import { DESTINATION_TYPES } from '../destinations/registry.ts'
import { guideOf, type NetworkGuide } from '../network-guide.ts'
import { REFERENCE_BASE_URL } from '../network-reference.ts'
import { loadCatalogue, type Catalogue } from '../rules/catalogue.ts'
import { nearest } from '../rules/similar.ts'
import { reportFaults, type CommandContext, type ExitCode } from './context.ts'
import { paints, table, type Terminal } from './terminal.ts'

export interface NetworksOptions {
  readonly config: string
  readonly find?: string
  readonly json?: boolean
}

/** What is known here, and where this installation is reached. */
interface Known {
  readonly catalogue: Catalogue
  readonly baseUrl: string
  /** Name in the configuration → id of its rule. */
  readonly configured: ReadonlyMap<string, string>
}

export async function listNetworks(
  options: NetworksOptions,
  context: CommandContext,
): Promise<ExitCode> {
  const { terminal } = context
  const known = await readKnown(options, context)
  if (!known) return 1
  const wanted = options.find?.toLowerCase() ?? ''
  const guides = [...known.catalogue.networks.keys()]
    .toSorted()
    .map(id => guideFor(id, known))
    .filter(guide => guide !== undefined)
    .filter(({ id, title, kind }) =>
      [id, title, kind].some(text => text.toLowerCase().includes(wanted)),
    )
  if (options.json) {
    terminal.line(JSON.stringify(guides.map(toListed)))
    return 0
  }
  const head = ['id', 'network', 'kind', 'facts', 'needs', 'url to enter there']
  const rows = guides.map(({ id, title, kind, verified, needs, url }) => [
    id,
    title,
    kind,
    verified,
    needs.join(', ') || '–',
    url,
  ])
  for (const line of table(terminal, head, rows)) terminal.line(line)
  terminal.line()
  terminal.line(
    `${guides.length} networks; \`postern networks show <id>\` tells how to connect one`,
  )
  return 0
}

export async function showNetwork(
  id: string,
  options: NetworksOptions,
  context: CommandContext,
): Promise<ExitCode> {
  const { terminal } = context
  const known = await readKnown(options, context)
  if (!known) return 1
  const guide = guideFor(id, known)
  if (!guide) {
    const names = [...known.configured.keys(), ...known.catalogue.networks.keys()]
    const guess = nearest(id, names)
    terminal.error(`no network of this name${guess ? `, did you mean ${guess}?` : ''}`)
    terminal.error('`postern networks` lists them; `generic` reads the usual parameter names')
    return 1
  }
  if (options.json) terminal.line(JSON.stringify(guide))
  else print(guide, terminal)
  return 0
}

/** By its name in the configuration, else by the id of a rule. */
function guideFor(asked: string, known: Known): NetworkGuide | undefined {
  const { catalogue, configured, baseUrl } = known
  const id = configured.get(asked) ?? asked
  const rule = catalogue.networks.get(id)
  if (!rule) return undefined
  const named = [...configured].find(([, used]) => used === id)?.[0]
  const name = configured.has(asked) ? asked : (named ?? id)
  return guideOf(rule.value, { id, name, baseUrl })
}

/**
 * Without a sound configuration the shipped catalogue is told: who reads this may be about to write
 * the configuration.
 */
async function readKnown(
  { config }: NetworksOptions,
  { terminal, catalogue }: CommandContext,
): Promise<Known | undefined> {
  const builtins = new Map(
    DESTINATION_TYPES.map(({ type, settings }) => [
      type,
      { settings, verified: 'vendor' as const },
    ]),
  )
  const loaded = await loadConfig(config, { catalogue, builtins, hasWholeCatalogue: true })
  if (loaded.ok) return knownOf(loaded.value, terminal)
  terminal.error(`${config} has faults (see \`postern check\`): the catalogue as shipped is shown`)
  const shipped = await loadCatalogue([catalogue])
  if (shipped.ok) {
    return { catalogue: shipped.value, baseUrl: REFERENCE_BASE_URL, configured: new Map() }
  }
  reportFaults(shipped.error, terminal)
  return undefined
}

function knownOf({ value, catalogue }: LoadedConfig, terminal: Terminal): Known {
  const baseUrl = value.server.public_base_url
  if (baseUrl === undefined) {
    terminal.error(
      `server.public_base_url is not set: URLs are shown with ${REFERENCE_BASE_URL} in its place`,
    )
  }
  return {
    catalogue,
    baseUrl: baseUrl ?? REFERENCE_BASE_URL,
    configured: new Map(Object.entries(value.networks).map(([name, { rule }]) => [name, rule])),
  }
}

function toListed({ id, name, title, kind, verified, needs, url, docs }: NetworkGuide) {
  return { id, name, title, kind, verified, needs, url, docs }
}

function print(guide: NetworkGuide, terminal: Terminal): void {
  const { strong } = paints(terminal)
  terminal.line(strong(guide.title))
  terminal.line(
    [guide.kind, `facts: ${guide.verified}`, guide.docs ?? ''].filter(Boolean).join(', '),
  )
  terminal.line()
  guide.steps.forEach((step, i) => {
    const [first = '', ...more] = step.split('\n')
    terminal.line(`${i + 1}. ${first}`)
    for (const line of more) terminal.line(`     ${line}`)
  })
  terminal.line()
  terminal.line(strong('Answers'))
  const rows = guide.answers.map(({ when, status, body }) => [when, status, body || '(empty)'])
  for (const line of table(terminal, ['to', 'status', 'body'], rows)) terminal.line(`  ${line}`)
  if (guide.notes === undefined) return
  terminal.line()
  terminal.line(strong('Notes'))
  for (const line of wrap(guide.notes, Math.min(terminal.columns, 100) - 2)) {
    terminal.line(`  ${line}`)
  }
}

/** Words on lines of at most `width` characters, where words are not longer. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + word.length >= width) {
      lines.push(line)
      line = ''
    }
    line = line === '' ? word : `${line} ${word}`
  }
  return line === '' ? lines : [...lines, line]
}
