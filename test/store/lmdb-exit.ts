/**
 * A process that ends itself while its writer's thread waits for it.
 *
 *   argv: folder
 */
import { createLmdbStore, endWriting } from '../../src/store/lmdb.ts'
import { entry } from './entries.ts'

process.on('exit', endWriting)
const store = createLmdbStore({ path: process.argv[2] ?? '' })
await store.open()
await store.accept([entry(store, 'before')])
void store.accept([entry(store, 'under way')])
setImmediate(() => {
  // Long enough for the thread to begin the transaction and to ask for its callback.
  const end = performance.now() + 300
  while (performance.now() < end);
  process.exit(7)
})
