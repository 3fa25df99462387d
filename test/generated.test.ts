/** What is made from the sources is committed as it would be made now: `npm run generate`. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { generatedFiles } from '../src/generated.ts'
import { ROOT } from './support/gateway.ts'

t.test('generated files are fresh', async t => {
  const files = await generatedFiles(ROOT)
  t.ok(files.size > 5)
  for (const [file, text] of files) {
    t.ok(readFileSync(join(ROOT, file), 'utf8') === text, `${file}: run npm run generate`)
  }
})
