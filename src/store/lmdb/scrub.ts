/**
 * LMDB deletes by forgetting: a removed row stays readable in the file, in pages that are free and
 * in the gaps of pages that are not. Here every database that holds conversions is written anew
 * into clean pages, and then all free pages are overwritten. The file may grow a little.
 *
 * It holds the write lock for about half a second per 100,000 rows, so it is done when somebody
 * must be forgotten and never otherwise. Dedupe state is left: it holds hashes and record ids.
 */
import type { Database } from 'lmdb'
import type { Databases } from './databases.ts'

interface PageStats {
  readonly treeBranchPageCount: number
  readonly treeLeafPageCount: number
  readonly overflowPages: number
}
interface RootStats extends PageStats {
  readonly lastPageNumber: number
  readonly free: PageStats
}

/** A value that takes one page of 4 KiB for itself. */
const FILLER = '0'.repeat(4000)
/** Pages overwritten in one transaction. */
const PAGES = 1000
/** Besides what was counted: the counting itself and the filler's own tree use pages. */
const MARGIN = 100

export async function scrub(databases: Databases): Promise<void> {
  const { root, journal, queue, dead, decisions, filler } = databases
  for (const database of [journal, queue, dead]) {
    await root.childTransaction(() => rewrite(database))
  }
  await root.childTransaction(() => rewrite(decisions))
  let left = freePages(databases) + MARGIN
  for (let next = 0; left > 0; left -= PAGES) {
    await root.childTransaction(() => {
      for (let i = 0; i < Math.min(left, PAGES); i++) filler.putSync(next++, FILLER)
    })
  }
  await root.childTransaction(() => filler.clearSync())
}

/** The pages that come new are zeroed first; the old ones are free afterwards. */
function rewrite<K extends string | number>(database: Database<string, K>): void {
  const rows = Array.from(database.getRange(), ({ key, value }) => ({ key, value }))
  database.clearSync()
  for (const { key, value } of rows) database.putSync(key, value)
}

function freePages(databases: Databases): number {
  const { root, ...named } = databases
  const stats = root.getStats() as unknown as RootStats
  let used = pagesOf(stats) + pagesOf(stats.free)
  for (const database of Object.values(named)) {
    used += pagesOf((database as Database).getStats() as unknown as PageStats)
  }
  return stats.lastPageNumber + 1 - used
}

function pagesOf(stats: PageStats): number {
  return stats.treeBranchPageCount + stats.treeLeafPageCount + stats.overflowPages
}
