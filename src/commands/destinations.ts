/** `postern destinations`: what there is to deliver to, and what each of them needs. */
import { loadConfig } from '../config/load.ts'
import { configurationOf, listDestinations, templateText } from '../destination-list.ts'
import type { ListedDestination } from '../destination-list.ts'
import { STATUSES } from '../model/status.ts'
import { loadCatalogue } from '../rules/catalogue.ts'
import { nearest } from '../rules/similar.ts'
import { BUILTINS } from '../ruleset.ts'
import { reportFaults, type CommandContext, type ExitCode } from './context.ts'
import { paints, table, type Terminal } from './terminal.ts'

export interface DestinationsOptions {
  readonly config: string
  readonly find?: string
  readonly json?: boolean
}

export async function listAll(
  options: DestinationsOptions,
  context: CommandContext,
): Promise<ExitCode> {
  const { terminal } = context
  const all = await load(options, context)
  if (!all) return 1
  const wanted = options.find?.toLowerCase() ?? ''
  const listed = all.filter(({ id, name, kind }) =>
    [id, name, kind].some(text => text.toLowerCase().includes(wanted)),
  )
  if (options.json) {
    terminal.line(JSON.stringify(listed.map(toJson)))
    return 0
  }
  const rows = listed.map(({ id, kind, verified, byDefault, name }) => [
    id,
    kind,
    verified,
    byDefault.length === STATUSES.length ? 'all' : byDefault.join(', '),
    name,
  ])
  const head = ['destination', 'kind', 'facts', 'gets', 'name']
  for (const line of table(terminal, head, rows)) terminal.line(line)
  terminal.line()
  terminal.line(`${listed.length} destinations; \`postern destinations show <id>\` tells about one`)
  return 0
}

export async function showOne(
  id: string,
  options: DestinationsOptions,
  context: CommandContext,
): Promise<ExitCode> {
  const { terminal } = context
  const listed = await load(options, context)
  if (!listed) return 1
  const destination = listed.find(one => one.id === id)
  if (!destination) {
    const meant = nearest(
      id,
      listed.map(one => one.id),
    )
    const hint = meant ? `did you mean ${meant}?` : 'see postern destinations'
    terminal.error(`there is no destination "${id}"; ${hint}`)
    return 1
  }
  if (options.json) terminal.line(JSON.stringify(toJson(destination)))
  else print(destination, terminal)
  return 0
}

/**
 * Without a sound configuration the shipped catalogue is told: who reads this may be about to write
 * the configuration.
 */
async function load(
  { config }: DestinationsOptions,
  { terminal, catalogue }: CommandContext,
): Promise<readonly ListedDestination[] | undefined> {
  const configured = await loadConfig(config, {
    catalogue,
    builtins: BUILTINS,
    hasWholeCatalogue: true,
  })
  if (configured.ok) return listDestinations(configured.value.catalogue)
  terminal.error(`${config} has faults (see \`postern check\`): the catalogue as shipped is shown`)
  const shipped = await loadCatalogue([catalogue])
  if (shipped.ok) return listDestinations(shipped.value)
  reportFaults(shipped.error, terminal)
  return undefined
}

function toJson({ source: _source, ...shown }: ListedDestination): object {
  return shown
}

function print(destination: ListedDestination, terminal: Terminal): void {
  const { strong } = paints(terminal)
  const { name, kind, verified, docs, notes, clickMacro, settings, request } = destination
  const { statuses, byDefault } = destination
  terminal.line(strong(name))
  const facts = [
    ['kind', kind],
    ['facts', `${verified}, ${docs}`],
    ['takes', statuses.join(', ')],
    ['gets', byDefault.join(', ')],
    ...(clickMacro === undefined ? [] : [['click URL', clickMacro]]),
    ['lost answer', destination.isRepeated ? 'the delivery is repeated' : 'it is not repeated'],
  ]
  for (const [what = '', text = ''] of facts) terminal.line(`  ${what.padEnd(12)}${text}`)
  if (notes) terminal.line(`\n${notes.trim()}`)
  const rows = Object.entries(settings).map(([setting, { title, secret, default: value }]) => [
    setting,
    secret ? 'secret' : '',
    value === undefined ? 'required' : value || 'left out',
    title,
  ])
  if (rows.length > 0) {
    terminal.line(`\n${strong('settings')}`)
    const head = ['setting', '', 'default', 'meaning']
    for (const line of table(terminal, head, rows)) terminal.line(`  ${line}`)
  }
  if (request) terminal.line(`\n${strong('request')}\n${templateText(request)}`)
  for (const [status, other] of Object.entries(destination.requestsByStatus)) {
    terminal.line(`\n${strong(`request for ${status}`)}\n${templateText(other)}`)
  }
  for (const { title, request: example, responses = [] } of destination.examples) {
    if (!example) continue
    terminal.line(`\n${strong('example')}  ${title}`)
    terminal.line(`${example.method} ${example.url}`)
    if (example.body !== undefined) terminal.line(example.body)
    for (const { status, body = '', verdict } of responses) {
      terminal.line(`  ${status} ${body.trim()} → ${verdict}`.replace(/ {2,}→/, ' →'))
    }
  }
  terminal.line(`\n${strong('postern.yaml')}\n${configurationOf(destination)}`)
}
