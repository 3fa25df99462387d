/** The page on which ad platforms are compared. In: the list. Out: Markdown, made and never edited. */
import type { ListedDestination } from './destination-list.ts'
import type { AdTraits } from './destinations/define.ts'
import { matchFields } from './destinations/match-fields.ts'

const HEAD = [
  'platform', 'id', 'facts', 'API version', 'signs in with', 'click id', 'recognized by', 'test mode', 'reversal',
  'not older than', 'limited data use',
] // prettier-ignore

/** Settings by which a person's data may be used less. */
const LIMITS = ['data_processing', 'limited_data_use', 'restricted_data_usage', 'opt_out_targeting']

export function adPlatformPage(listed: readonly ListedDestination[]): string {
  const rows = listed.filter(isAdPlatform).map(rowOf)
  return [
    '# Ad platforms, compared',
    '',
    'How to set one up: [ad-platforms.md](../ad-platforms.md). What each setting means, and an example of',
    'each: [destinations.md](destinations.md). *Facts* says how they are proven: `vendor`, `community` or',
    '`unverified`; the last are off until the destination sets `accept_unverified: true`.',
    '',
    'A reversal that a platform cannot take ends as a dead letter `reversal_unsupported`, what is too old as',
    '`expired`, and a conversion without anything that it is recognized by as `insufficient_identity`; none',
    'of them is sent.',
    '',
    `| ${HEAD.join(' | ')} |`,
    `|${'---|'.repeat(HEAD.length)}`,
    ...rows,
    '',
  ].join('\n')
}

/** Those in code, and rules of what is bought like ads and cannot take a conversion back. */
function isAdPlatform({ kind, source }: ListedDestination): boolean {
  return kind === 'ad-platform' || ('reversals' in source && source.reversals === 'unsupported')
}

function rowOf({ id, name, verified, settings, source }: ListedDestination): string {
  const isCode = 'type' in source
  const ad: AdTraits = isCode ? (source.ad ?? {}) : {}
  const identity = (isCode ? source.identity : matchFields(source)) ?? []
  const limits = LIMITS.filter(setting => setting in settings)
  const cells = [
    name,
    `[\`${id}\`](destinations.md#${id})`,
    verified,
    (isCode ? source.apiVersion : undefined) ?? 'none',
    signIn(settings),
    isCode ? clickIdOf(ad.clickId) : clickIdOf(identity.find(field => field === 'click_id')),
    identity.map(field => `\`${field}\``).join(', '),
    ad.test === undefined ? 'none' : ad.test === 'yes' ? 'yes' : `with \`${ad.test}\``,
    ad.reversals ?? 'none',
    ad.maxAgeHours === undefined ? '' : `${ad.maxAgeHours / 24} days`,
    limits.map(setting => `\`${setting}\``).join(', '),
  ]
  return `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

function signIn(settings: ListedDestination['settings']): string {
  const names = Object.keys(settings).filter(setting => settings[setting]?.secret)
  if ('service_account' in settings) return 'OAuth: `service_account` or `refresh_token`'
  if ('refresh_token' in settings) {
    return names.includes('access_token')
      ? '`access_token`, or OAuth: `refresh_token`'
      : 'OAuth: `refresh_token`'
  }
  return names.map(setting => `\`${setting}\``).join(', ') || 'nothing'
}

function clickIdOf(field: string | undefined): string {
  if (field === undefined) return 'none'
  return field === 'click_id' ? '`click_id`, or by `click_id_from`' : `\`${field}\``
}
