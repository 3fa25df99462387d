/** `postern destinations`: what there is to deliver to, and what each of them needs. */
import { configurationOf, listDestinations, templateText } from '../destination-list.ts'
import type { ListedDestination } from '../destination-list.ts'
import { loadCatalogue } from '../rules/catalogue.ts'
import { nearest } from '../rules/similar.ts'
import { reportFaults, type CommandContext, type ExitCode } from './context.ts'
import { paints, table, type Terminal } from './terminal.ts'

export interface DestinationsOptions {
  /** Rule folders beside the shipped one. */
  readonly rules?: readonly string[]
  readonly json?: boolean
}

export async function listAll(
  options: DestinationsOptions,
  context: CommandContext,
): Promise<ExitCode> {
  const { terminal } = context
  const listed = await load(options, context)
  if (!listed) return 1
  if (options.json) {
    for (const destination of listed) terminal.line(JSON.stringify(toJson(destination)))
    return 0
  }
  const rows = listed.map(({ id, kind, verified, statuses, name }) => [
    id,
    kind,
    verified,
    statuses.length === 5 ? 'all' : statuses.join(', '),
    name,
  ])
  const head = ['destination', 'kind', 'facts', 'statuses', 'name']
  for (const line of table(terminal, head, rows)) terminal.line(line)
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

async function load(
  { rules = [] }: DestinationsOptions,
  { terminal, catalogue }: CommandContext,
): Promise<readonly ListedDestination[] | undefined> {
  const loaded = await loadCatalogue([catalogue, ...rules])
  if (loaded.ok) return listDestinations(loaded.value)
  reportFaults(loaded.error, terminal)
  return undefined
}

function toJson({ source: _source, ...shown }: ListedDestination): object {
  return shown
}

function print(destination: ListedDestination, terminal: Terminal): void {
  const { strong } = paints(terminal)
  const { name, kind, verified, docs, notes, clickMacro, statuses, settings, request } = destination
  terminal.line(strong(name))
  const facts = [
    ['kind', kind],
    ['facts', `${verified}, ${docs}`],
    ['statuses', statuses.join(', ')],
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
