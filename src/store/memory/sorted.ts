/** A list that stays in order: binary search in, binary search out. */

export interface Sorted<T> {
  insert(item: T): void
  remove(item: T): void
  /** Index of the first item that is not before `item`. */
  find(item: T): number
  readonly items: readonly T[]
}

/** `compare` must be 0 for the same item only. */
export function createSorted<T>(compare: (a: T, b: T) => number): Sorted<T> {
  const items: T[] = []
  function find(item: T): number {
    let low = 0
    let high = items.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compare(items[middle] as T, item) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
  return {
    items,
    find,
    insert: item => {
      items.splice(find(item), 0, item)
    },
    remove: item => {
      const at = find(item)
      const found = items[at]
      if (found !== undefined && compare(found, item) === 0) items.splice(at, 1)
    },
  }
}
