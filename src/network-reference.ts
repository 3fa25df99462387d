/** docs/reference/networks.md, written from the rule files. In: rules by id. Out: Markdown. Pure. */
import { guideOf, type NetworkGuide } from './network-guide.ts'
import type { NetworkRule } from './rules/schema.ts'

/** Stands for an installation's own URL. */
export const REFERENCE_BASE_URL = 'https://YOUR-HOST'

const INTRODUCTION = `<!-- Generated from rules/networks by \`npm run generate\`; do not edit. -->

# Networks

Every network that Postern knows. \`postern networks show NAME\` prints the same step by step, with the URL of your installation.

- *Facts*: \`vendor\` from the network's own documentation; \`community\` from independent public code that agrees; \`unverified\` from less, and only used with \`accept_unverified: true\`.
- *Needs*: what you set in \`postern.yaml\`. \`secrets\` sign or encrypt, \`tokens\` are compared, both come from the environment or a file.
- In a URL, \`TOKEN\` is a token of your own; everything in the network's macro marks is filled in by the network.
- Where a network has no row for an answer, it reads \`200 OK\`, and \`400\`, \`401\` or \`403\` with \`{"ok":false,"reason":"REASON"}\` where a postback is rejected; what cannot be stored is \`503\`, and the network sends it again.
- A network that is not here: \`generic\` reads the usual parameter names, and [a rule of your own](../rules-verify.md) is one file.
`

const KINDS: readonly [kind: NetworkRule['kind'], title: string][] = [
  ['affiliate-platform', 'Affiliate platforms'],
  ['cpa-network', 'CPA networks'],
  ['offerwall', 'Offerwalls'],
  ['survey-wall', 'Survey walls'],
  ['rewarded-ads', 'Rewarded ads'],
  ['marketplace', 'Marketplaces'],
  ['igaming', 'iGaming platforms'],
  ['mmp', 'Mobile measurement'],
  ['tracker', 'Trackers as senders'],
  ['generic', 'Any other'],
]

export function networkReference(rules: ReadonlyMap<string, NetworkRule>): string {
  const guides = [...rules]
    .map(([id, rule]) => guideOf(rule, { id, name: id, baseUrl: REFERENCE_BASE_URL }))
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
  const sections = KINDS.map(([kind, title]) => {
    const some = guides.filter(guide => guide.kind === kind)
    return some.length === 0 ? '' : `\n## ${title}\n\n${tableOf(some)}${some.map(entry).join('')}`
  })
  return `${INTRODUCTION}\n${guides.length} networks.\n${sections.join('')}`
}

function tableOf(guides: readonly NetworkGuide[]): string {
  const rows = guides.map(
    ({ id, title, verified, checks, needs }) =>
      `| [\`${id}\`](#${id}) | ${cell(title)} | ${verified} | ${checks.join(', ') || 'none'} | ${needs.join(', ') || '–'} |\n`,
  )
  return `| Name | Network | Facts | Checks | Needs |\n|---|---|---|---|---|\n${rows.join('')}`
}

function entry({ id, title, docs, url, notes, answers, yaml }: NetworkGuide): string {
  const own = answers.filter(({ isOwn }) => isOwn)
  const rows = own.map(({ when, status, body }) => `| ${when} | ${status} | ${code(body)} |\n`)
  return [
    `\n### ${id}\n\n${docs === undefined ? title : `[${title}](${docs})`}\n`,
    notes === undefined ? '' : `\n${notes}\n`,
    `\n\`\`\`\n${url}\n\`\`\`\n`,
    `\n\`\`\`yaml\n${yaml}\`\`\`\n`,
    rows.length === 0 ? '' : `\n| Answer to | Status | Body |\n|---|---|---|\n${rows.join('')}`,
  ].join('')
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|')
}

function code(text: string): string {
  return text === '' ? 'empty' : `\`${cell(text)}\``
}
