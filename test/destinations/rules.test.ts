/** Every shipped rule and every type in code is what its examples say. */
import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { runDestinationExample } from '../../src/destinations/examples.ts'
import { DESTINATION_TYPES } from '../../src/destinations/registry.ts'
import type { DestinationRule } from '../../src/rules/destination-schema.ts'
import { formatFault } from '../../src/rules/faults.ts'
import { loadDestinationRule } from '../../src/rules/load.ts'

const FOLDER = new URL('../../rules/destinations/', import.meta.url)

function load(file: string): DestinationRule {
  const rule = loadDestinationRule(readFileSync(new URL(file, FOLDER), 'utf8'), file)
  if (!rule.ok) throw new Error(rule.error.map(formatFault).join('\n'))
  return rule.value.value
}

const files = readdirSync(FOLDER).filter(file => file.endsWith('.yaml'))

t.test('the catalogue', t => {
  t.ok(files.length >= 5, 'the rules are found')
  for (const file of files) {
    t.test(file, t => {
      const rule = load(file)
      for (const example of rule.examples) {
        t.same(runDestinationExample(rule, example).differences, [], example.title)
      }
      t.ok(
        rule.examples.some(({ request }) => request),
        'an example shows a request',
      )
      t.ok(
        rule.examples.some(({ responses }) => responses?.some(r => r.verdict === 'delivered')),
        'an example shows a success',
      )
      t.end()
    })
  }
  t.end()
})

t.test('types in code', t => {
  const names = DESTINATION_TYPES.map(({ type }) => type)
  t.same(names, [...names].toSorted(), 'the list is sorted')
  t.equal(new Set(names).size, names.length, 'and has no name twice')
  for (const type of DESTINATION_TYPES) {
    for (const example of type.examples) {
      t.same(runDestinationExample(type, example).differences, [], `${type.type}: ${example.title}`)
    }
  }
  t.end()
})

t.test('an example that does not hold is told', t => {
  const rule = load('tune.yaml')
  const [example] = rule.examples
  if (!example?.request) throw new Error('the rule has an example')
  const differences = (change: object) =>
    runDestinationExample(rule, { ...example, ...change }).differences.join('\n')
  t.match(differences({ request: { ...example.request, method: 'POST' } }), /request\.method/)
  t.match(differences({ request: { ...example.request, url: 'https://x/' } }), /request\.url/)
  t.match(differences({ request: { ...example.request, body: '{}' } }), /request\.body/)
  t.match(differences({ request: { ...example.request, headers: { a: 'b' } } }), /headers\.a/)
  t.match(differences({ dead: 'template_error' }), /dead: expected "template_error", got nothing/)
  t.match(differences({ responses: [{ status: 500, verdict: 'dead' }] }), /expected "dead", got "r/)
  t.match(differences({ conversion: { click_id: '' } }), /request: click_id is empty/)
  t.match(differences({ conversion: { nonsense: 'x' } }), /conversion\.nonsense: no such field/)
  t.match(differences({ conversion: { status: 'reversed' } }), /reversed is never sent there/)
  t.match(differences({ conversion: { click_time: 'noon' } }), /click_time: times are written/)
  t.match(differences({ settings: { domian: 'x' } }), /did you mean "domain"/)
  t.end()
})
