/** First in, first out without moving what stays: an array shift costs its length. */
export interface Fifo<Item> {
  push(item: Item): void
  peek(): Item | undefined
  shift(): Item | undefined
  size(): number
}

/** Slots before the head are given back in blocks of this many. */
const COMPACT_AT = 1_024

export function createFifo<Item>(): Fifo<Item> {
  let items: (Item | undefined)[] = []
  let head = 0
  return {
    push: item => void items.push(item),
    peek: () => items[head],
    shift: () => {
      if (head >= items.length) return undefined
      const item = items[head]
      items[head] = undefined
      head += 1
      if (head === items.length) {
        items = []
        head = 0
      } else if (head >= COMPACT_AT && head * 2 >= items.length) {
        items = items.slice(head)
        head = 0
      }
      return item
    },
    size: () => items.length - head,
  }
}
