/** Every rule of the catalogue does what its examples say. */
import { readdirSync, readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import t from 'tap'
import { parse } from 'yaml'
import { runNetworkExample, runNetworkExamples } from '../../src/examples.ts'
import { matcherDefinition, networkRule, type NetworkRule } from '../../src/rules/schema.ts'

const FOLDER = new URL('../../rules/networks/', import.meta.url)
const validate = new Ajv2020({ allErrors: true }).compile<NetworkRule>({
  ...networkRule,
  $defs: { matcher: matcherDefinition },
})

function load(file: string): NetworkRule {
  const rule: unknown = parse(readFileSync(new URL(file, FOLDER), 'utf8'))
  if (!validate(rule)) throw new Error(`${file}: ${JSON.stringify(validate.errors)}`)
  return rule
}

/** By a field, a check (also as a part of what is signed), or a common alias. */
function isRead(rule: NetworkRule, name: string): boolean {
  const { fields = {}, status, verify } = rule
  const named = [...Object.values(fields).flat(), ...(status?.from ?? []), ...textsIn(verify)]
  return (
    rule.aliases === 'common' ||
    named.some(text => text.replace(/\|.*/, '') === name || text.includes(`{${name}}`))
  )
}

/** Every text anywhere in a value, names of keys included. */
function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([key, part]) => [key, ...textsIn(part)])
}

const files = readdirSync(FOLDER).filter(file => file.endsWith('.yaml'))
t.ok(files.length >= 6, 'the catalogue is where it is looked for')

for (const file of files) {
  t.test(file, async t => {
    const rule = load(file)
    for (const { title, differences } of runNetworkExamples(rule)) t.same(differences, [], title)
    const outcomes = new Set(rule.examples.map(example => example.outcome))
    t.ok(outcomes.has('accepted') && outcomes.has('rejected'), 'shows what it takes and what not')
    for (const name of new URLSearchParams(rule.paste).keys()) {
      t.ok(isRead(rule, name), `${name} of the URL to paste is read`)
    }
    for (const example of rule.examples) {
      if (example.outcome === 'accepted') t.ok(example.conversion, `${example.title}: is exact`)
    }
  })
}

t.test('an example that is wrong is told, line by line', async t => {
  const rule = load('maxbounty.yaml')
  const [first] = rule.examples
  if (!first) throw new Error('no example')
  t.same(
    runNetworkExample(rule, {
      ...first,
      outcome: 'rejected',
      reason: 'param_missing',
      conversion: { ...first.conversion, payout: '18', sub1: 'x', click_id: 'clk_123' },
    }),
    {
      title: first.title,
      ok: false,
      differences: [
        'outcome: expected rejected, came accepted (new: dedupe key ["transaction_id,event","88120031",""])',
        'reason: expected param_missing, came new (new: dedupe key ["transaction_id,event","88120031",""])',
        'payout: expected 18, came 18.00',
        'sub1: expected x, came nothing',
      ],
    },
  )
  t.match(runNetworkExample({ ...rule, fields: { click_id: ['json:['] } }, first), {
    ok: false,
    differences: [/^fields\.click_id\.0: /],
  })
})

t.test('examples of a file remember each other', async t => {
  const rule = load('maxbounty.yaml')
  const [first] = rule.examples
  if (!first) throw new Error('no example')
  const results = runNetworkExamples({
    ...rule,
    examples: [first, { ...first, outcome: 'duplicate', reason: 'duplicate' }],
  })
  t.same(
    results.map(result => result.ok),
    [true, true],
  )
})
