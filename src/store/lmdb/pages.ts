/**
 * Are all pages there that the trees of a file name? A file may well be shorter than its header says,
 * since free pages at its end need never be written; one that was cut off looks the same. To be
 * asked under a read transaction, which keeps the pages of its time from being used anew.
 * Layout: MDB_page_header, MDB_node, MDB_ovpage, MDB_db and MDB_meta of liblmdb/mdb.c.
 */
import { closeSync, openSync, readSync } from 'node:fs'

const HEADER_BYTES = 24
const FLAGS_AT = 18
const LOWER_AT = 20
const BRANCH = 0x01
const LEAF = 0x02

// Of a meta page. Each tree is an MDB_db.
const FREE_TREE_AT = 48
const MAIN_TREE_AT = 96
const TRANSACTION_AT = 152
const ROOT_AT = 40

// Of a node. In a branch its first 6 bytes are the number of a page.
const NODE_FLAGS_AT = 4
const KEY_SIZE_AT = 6
const KEY_AT = 8
const IS_BIG = 0x01
const IS_TREE = 0x02
const BIG_PAGES_AT = 16

/** Page numbers have 8 bytes; 6 are more than any file has, and exact. */
const number = (bytes: Buffer, at: number): number => bytes.readUIntLE(at, 6)
/** Root of a tree without entries. */
const NONE = 2 ** 48 - 1

export function hasAllPages(file: string, pageSize: number): boolean {
  const handle = openSync(file, 'r')
  const page = Buffer.alloc(pageSize)
  const read = (at: number, bytes = page): boolean =>
    readSync(handle, bytes, 0, pageSize, at * pageSize) === pageSize
  try {
    const metas = [Buffer.alloc(pageSize), Buffer.alloc(pageSize)] as const
    if (!read(0, metas[0]) || !read(1, metas[1])) return false
    const isSecond = number(metas[1], TRANSACTION_AT) > number(metas[0], TRANSACTION_AT)
    const meta = metas[isSecond ? 1 : 0]
    const waiting = [FREE_TREE_AT, MAIN_TREE_AT].map(at => number(meta, at + ROOT_AT))
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      if (at === NONE) continue
      if (!read(at) || number(page, 0) !== at) return false
      const named = pagesNamedBy(page)
      // The last page of what is too big for one is enough: files are cut at the end.
      if (named.lasts.some(last => !read(last))) return false
      waiting.push(...named.trees)
    }
    return true
  } catch (error) {
    // A number that leads outside its page.
    if (error instanceof RangeError) return false
    throw error
  } finally {
    closeSync(handle)
  }
}

/** Pages of trees, and the last pages of values that have some of their own. */
function pagesNamedBy(page: Buffer): { trees: number[]; lasts: number[] } {
  const flags = page.readUInt16LE(FLAGS_AT)
  if ((flags & (BRANCH | LEAF)) === 0) throw new RangeError('a page of another kind')
  const trees: number[] = []
  const lasts: number[] = []
  const end = HEADER_BYTES + page.readUInt16LE(LOWER_AT)
  for (let slot = HEADER_BYTES; slot < end; slot += 2) {
    const node = HEADER_BYTES + page.readUInt16LE(slot)
    if ((flags & BRANCH) !== 0) {
      trees.push(number(page, node))
      continue
    }
    const kind = page.readUInt16LE(node + NODE_FLAGS_AT)
    const data = node + KEY_AT + page.readUInt16LE(node + KEY_SIZE_AT)
    if ((kind & IS_TREE) !== 0) trees.push(number(page, data + ROOT_AT))
    else if ((kind & IS_BIG) !== 0) {
      lasts.push(number(page, data) + number(page, data + BIG_PAGES_AT) - 1)
    }
  }
  return { trees, lasts }
}
