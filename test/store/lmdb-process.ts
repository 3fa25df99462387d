/**
 * A process of its own on an LMDB folder: accepts as fast as it can and writes one line to stdout
 * for every batch that was answered, until it is killed or the disk fails.
 *
 *   argv: folder, prefix of the conversions, bytes of padding in each body
 */
import { writeSync } from 'node:fs'
import { createLmdbStore } from '../../src/store/lmdb.ts'
import { StoreError } from '../../src/store/store.ts'
import { entry } from './entries.ts'

const [, , path = '', prefix = '', padding = '0'] = process.argv
const say = (line: Record<string, unknown>) => writeSync(1, `${JSON.stringify(line)}\n`)

let fatals = 0
let unhandled = 0
process.on('unhandledRejection', () => unhandled++)

const store = createLmdbStore({ path, onFatal: () => fatals++ })
await store.open()
const pad = 'x'.repeat(Number(padding))

for (let batch = 0; ; batch++) {
  const entries = Array.from({ length: 5 }, (_, i) => {
    const made = entry(store, `${prefix}-${batch}-${i}`, { to: ['x', 'q+0'] })
    return { ...made, body: JSON.stringify({ record: made.record, pad }) }
  })
  try {
    await store.accept(entries)
    say({ batch })
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    const again = await store.accept(entries).catch((second: unknown) => second)
    await new Promise(resolve => setTimeout(resolve, 50))
    await store.close().catch(() => {})
    say({
      failed: error.reason,
      message: error.message,
      again: again instanceof StoreError ? again.reason : 'accepted',
      fatals,
      unhandled,
    })
    process.exit(0)
  }
}
