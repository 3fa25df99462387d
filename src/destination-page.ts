/** The reference page of the outbound catalogue. In: the list. Out: Markdown, made and never edited. */
import { configurationOf, KINDS, templateText, type ListedDestination } from './destination-list.ts'
import { STATUSES } from './model/status.ts'

const TITLES: Readonly<Record<ListedDestination['kind'], string>> = {
  tracker: 'Trackers',
  'affiliate-platform': 'Affiliate platforms (we post in as the advertiser)',
  'traffic-source': 'Traffic sources',
  'ad-platform': 'Ad platforms',
  mmp: 'Mobile measurement',
  rewards: 'Rewards backends',
  analytics: 'Analytics',
  webhook: 'Any other system',
}

export function destinationPage(listed: readonly ListedDestination[]): string {
  const lines = [
    '# Destinations',
    '',
    'Every destination of the catalogue. *Facts* says how they are proven: `vendor`, the vendor’s own',
    'pages or source code; `community`, independent public integrations; `unverified`, neither: such a',
    'rule is off until the destination sets `accept_unverified: true`.',
    '',
    '`postern destinations show <id>` prints one of these, `postern send --to <destination>` shows the',
    'exact request that yours would get, and sends it with `--really`.',
    '',
  ]
  for (const kind of KINDS) {
    const some = listed.filter(destination => destination.kind === kind)
    if (some.length === 0) continue
    lines.push(`## ${TITLES[kind]}`, '', '| id | name | facts | gets |', '|---|---|---|---|')
    for (const { id, name, verified, statuses } of some) {
      const all = statuses.length === STATUSES.length ? 'every status' : statuses.join(', ')
      lines.push(`| [\`${id}\`](#${id}) | ${cell(name)} | ${verified} | ${all} |`)
    }
    lines.push('')
  }
  for (const destination of listed) lines.push(...sectionOf(destination))
  return `${lines.join('\n').trimEnd()}\n`
}

function sectionOf(destination: ListedDestination): string[] {
  const { id, name, notes, docs, clickMacro, settings, request, isRepeated } = destination
  const lines = [`## ${id}`, '', `${name}. Facts: ${destination.verified}, ${docs}`, '']
  if (notes) lines.push(notes, '')
  if (clickMacro !== undefined) lines.push(`On the click URL: \`${clickMacro}\``, '')
  if (!isRepeated) lines.push('A delivery whose answer was lost is not repeated.', '')
  const declared = Object.entries(settings)
  if (declared.length > 0) {
    lines.push('| setting | meaning | default |', '|---|---|---|')
    for (const [setting, { title, secret, default: value }] of declared) {
      const fallback = value === undefined ? 'required' : value === '' ? 'left out' : `\`${value}\``
      lines.push(`| \`${setting}\`${secret ? ' (secret)' : ''} | ${cell(title)} | ${fallback} |`)
    }
    lines.push('')
  }
  lines.push('```yaml', configurationOf(destination), '```', '')
  if (request) lines.push('```text', templateText(request))
  for (const [status, other] of Object.entries(destination.requestsByStatus)) {
    lines.push('', `# ${status}`, templateText(other))
  }
  if (request) lines.push('```', '')
  const example = destination.examples.find(one => one.request)
  if (example?.request) {
    const { method, url, body } = example.request
    lines.push(`Example: ${example.title}`, '', '```text', `${method} ${url}`)
    lines.push(...(body === undefined ? [] : ['', body]), '```', '')
  }
  return lines
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}
