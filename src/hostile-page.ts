/**
 * docs/hostile-input.md, written from the rows that the tests run. In: the repository's root. Out:
 * Markdown.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'

/** In the order of the page. */
const FILES = [
  'http', 'values', 'trust', 'limits', 'flood', 'slow', 'proxy', 'admin', 'files', 'egress',
  'elsewhere',
] as const // prettier-ignore

interface Page {
  readonly title: string
  readonly intro: string
  readonly rows: readonly Row[]
}

/** What the page shows of any kind of row. */
interface Row {
  readonly row: number
  readonly input: string
  readonly why?: string
  readonly answer?: string
  readonly answers?: readonly string[]
  readonly some?: string
  readonly passed?: object
  readonly dead?: string
  readonly fault?: string
  readonly warning?: string
  readonly loads?: boolean
  readonly reason?: string
  readonly addresses?: readonly string[]
}

const INTRODUCTION = `<!-- Generated from test/hostile by \`npm run generate\`; do not edit. -->

# Bad input, and what it comes to

Every line here is a test: bytes sent to a running gateway, or a file that is loaded. After each request the gateway serves on, over a new connection and over the same one where that survived; one counter has moved for each answer; nothing is stored but what was accepted; and nothing of what was refused, nor a secret, is in a log line or a metric.

The number groups what belongs together. [The threat model](threat-model.md) says who is trusted with what.
`

export async function hostilePage(root: string): Promise<string> {
  const sections: string[] = []
  for (const name of FILES) {
    const text = await readFile(join(root, 'test/hostile', `${name}.yaml`), 'utf8')
    sections.push(sectionOf(parse(text) as Page))
  }
  const readers = await readFile(join(root, 'test/hostile/readers.yaml'), 'utf8')
  return [INTRODUCTION, ...sections, readersOf(parse(readers) as Readers)].join('\n')
}

interface Readers {
  readonly title: string
  readonly intro: string
  readonly rows: readonly { readonly reader: string; readonly holds: string }[]
}

function readersOf({ title, intro, rows }: Readers): string {
  const lines = rows.map(({ reader, holds }) => `| ${cell(reader)} | ${cell(holds)} |`)
  return [`## ${title}`, '', intro, '', '| Reader | Holds |', '| - | - |', ...lines, ''].join('\n')
}

function sectionOf({ title, intro, rows }: Page): string {
  const lines = rows
    .toSorted((a, b) => a.row - b.row)
    .map(row => `| ${row.row} | ${cell(inputOf(row))} | ${cell(answerOf(row))} | ${cell(row.why ?? '')} |`) // prettier-ignore
  return [`## ${title}`, '', intro, '', '| # | Input | Comes to | Because |', '| - | - | - | - |', ...lines, ''].join('\n') // prettier-ignore
}

function inputOf({ input, addresses }: Row): string {
  return addresses === undefined ? input : `${input}: ${addresses.filter(Boolean).join(', ')}`
}

function answerOf(row: Row): string {
  if (row.some !== undefined) return `some ${row.some}`
  if (row.reason !== undefined) return `blocked: ${row.reason}`
  if (row.warning !== undefined) return 'loads, with a warning'
  if (row.fault !== undefined) return 'does not load'
  if (row.loads) return 'loads'
  const answer = row.answers?.join(', ') ?? row.answer ?? ''
  if (row.passed) return `passed on; ${answer}`
  return row.dead === undefined ? answer : `${answer}, then dead letter ${row.dead}`
}

/** One line that Markdown reads as text. */
function cell(text: string): string {
  return text.replace(/[\\`*_{}[\]<>#|$]/g, character => `\\${character}`).replace(/\s+/g, ' ')
}
