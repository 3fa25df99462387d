/** The tables as plain Maps. */
import { ownerOf } from '../../base/id.ts'
import type { ConversionState } from '../decide.ts'
import type { DeadLetterId, Decision } from '../store.ts'
import type {
  DeadPlace,
  DeadRow,
  DeadTable,
  DecisionTable,
  JournalRow,
  JournalTable,
  LedgerRow,
  QueueRow,
  QueueTable,
  StateTable,
  Tables,
} from '../embedded/tables.ts'
import { createSorted, type Sorted } from './sorted.ts'

export function createMemoryTables(): Tables {
  const ledger = new Map<string, LedgerRow>()
  const owners = new Map<string, number>()
  return {
    states: createStates(),
    journal: createJournal(),
    queue: createQueue(),
    dead: createDead(),
    ledger: {
      get: destination => ledger.get(destination),
      put: (destination, row) => void ledger.set(destination, row),
      destinations: () => [...ledger.keys()].sort(),
    },
    owners: {
      get: owner => owners.get(owner),
      put: (owner, expiresAt) => void owners.set(owner, expiresAt),
      delete: owner => void owners.delete(owner),
      all: () => [...owners],
    },
    decisions: createDecisions(),
  }
}

function createStates(): StateTable {
  const states = new Map<string, { state: ConversionState; expiresAt: number }>()
  return {
    get: (key, now) => {
      const row = states.get(key)
      return row && row.expiresAt > now ? row.state : undefined
    },
    put: (key, state, now, windowMs) => void states.set(key, { state, expiresAt: now + windowMs }),
    delete: key => states.delete(key),
    expire: now => {
      for (const [key, { expiresAt }] of states) if (expiresAt <= now) states.delete(key)
      return 0
    },
  }
}

function createJournal(): JournalTable {
  const journals = new Map<string, Map<string, JournalRow>>()
  const get = (record: string) => journals.get(ownerOf(record))?.get(record)
  return {
    get,
    destinations: record => get(record)?.destinations,
    put: (record, row) => {
      const owner = ownerOf(record)
      let rows = journals.get(owner)
      if (!rows) journals.set(owner, (rows = new Map()))
      rows.set(record, row)
    },
    delete: record => {
      const rows = journals.get(ownerOf(record))
      rows?.delete(record)
      if (rows?.size === 0) journals.delete(ownerOf(record))
    },
    bodies: function* () {
      for (const rows of journals.values()) {
        for (const [record, { body }] of rows) yield { record, body }
      }
    },
    records: (owner, limit) => [...(journals.get(owner)?.keys() ?? [])].slice(0, limit),
    // In one slice: nothing here holds an older view, and this is quick.
    slices: function* () {
      yield [...journals.values()].flatMap(rows =>
        Array.from(rows.values(), ({ destinations }) => destinations),
      )
    },
  }
}

interface Due {
  readonly due: number
  readonly record: string
}

function createQueue(): QueueTable {
  const queues = new Map<string, { rows: Map<string, QueueRow>; order: Sorted<Due> }>()
  return {
    get: (destination, record) => queues.get(destination)?.rows.get(record),
    has: (destination, record) => queues.get(destination)?.rows.has(record) === true,
    put: (destination, record, row, old) => {
      let queue = queues.get(destination)
      if (!queue) {
        const order = createSorted<Due>((a, b) => a.due - b.due || byText(a.record, b.record))
        queues.set(destination, (queue = { rows: new Map(), order }))
      }
      if (old) queue.order.remove({ due: old.due, record })
      queue.order.insert({ due: row.due, record })
      queue.rows.set(record, row)
    },
    delete: (destination, record, row) => {
      const queue = queues.get(destination)
      queue?.order.remove({ due: row.due, record })
      queue?.rows.delete(record)
    },
    upcoming: (destination, limit) => queues.get(destination)?.order.items.slice(0, limit) ?? [],
    count: destination => queues.get(destination)?.rows.size ?? 0,
    bodies: function* () {
      for (const [destination, { rows }] of queues) {
        for (const [record, { body }] of rows) yield { record, destination, body }
      }
    },
  }
}

function createDead(): DeadTable {
  const rows = new Map<string, DeadRow>()
  const everyone = createSorted(byDeath)
  const each = new Map<string, Sorted<DeadPlace>>()
  const name = ({ record, destination }: DeadLetterId) => `${record} ${destination}`
  return {
    get: id => rows.get(name(id)),
    put: ({ record, destination }, row) => {
      const place = { record, destination, diedAt: row.diedAt }
      rows.set(name(place), row)
      everyone.insert(place)
      let own = each.get(destination)
      if (!own) each.set(destination, (own = createSorted(byDeath)))
      own.insert(place)
    },
    delete: ({ record, destination }, { diedAt }) => {
      const place = { record, destination, diedAt }
      rows.delete(name(place))
      everyone.remove(place)
      each.get(destination)?.remove(place)
    },
    newest: ({ destination, after, limit }) => {
      const places = destination === undefined ? everyone : each.get(destination)
      if (!places) return []
      const end = after ? places.find(after) : places.items.length
      return places.items.slice(Math.max(0, end - limit), end).reverse()
    },
    oldest: (time, limit) => everyone.items.slice(0, limit).filter(place => place.diedAt < time),
    count: destination => each.get(destination)?.items.length ?? 0,
    bodies: function* () {
      for (const { record, destination } of everyone.items) {
        const row = rows.get(name({ record, destination }))
        if (row) yield { record, destination, body: row.body }
      }
    },
  }
}

function createDecisions(): DecisionTable {
  let kept: Decision[] = []
  let most = 0
  return {
    append: (decisions, cap) => {
      most = cap
      kept.push(...decisions)
      // Not with every line: cutting costs the whole length.
      if (kept.length > cap * 2) kept = kept.slice(-cap)
    },
    slice: () => ({ decisions: kept.slice(-most).reverse(), cursor: undefined }),
    erase: isErased => {
      const before = kept.length
      kept = kept.filter(decision => !isErased(decision))
      return before - kept.length
    },
  }
}

function byDeath(a: DeadPlace, b: DeadPlace): number {
  return a.diedAt - b.diedAt || byText(a.record, b.record) || byText(a.destination, b.destination)
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
