/** The tables in LMDB. Writes happen inside a transaction, at once; reads see them. */
import type {
  DeadPlace,
  DeadTable,
  DecisionTable,
  JournalTable,
  QueueTable,
  Tables,
} from '../embedded/tables.ts'
import { createStates, type States } from './buckets.ts'
import {
  fromDead,
  fromDecision,
  fromJournal,
  fromLedger,
  fromQueue,
  readHead,
  timeKey,
  toDead,
  toDecision,
  toDestinations,
  toJournal,
  toLedger,
  toQueue,
} from './codec.ts'
import type { Databases, TextDatabase } from './databases.ts'

/** Everything that starts with `prefix/`: `0` is the character after `/`. */
const under = (prefix: string) => ({ start: `${prefix}/`, end: `${prefix}0` })

export interface LmdbTables extends Tables {
  readonly states: States
}

export function createLmdbTables(databases: Databases): LmdbTables {
  const { ledger, owners } = databases
  return {
    states: createStates(databases),
    journal: createJournal(databases.journal),
    queue: createQueue(databases),
    dead: createDead(databases),
    ledger: {
      get: destination => {
        const text = ledger.get(destination)
        return text === undefined ? undefined : toLedger(text)
      },
      put: (destination, row) => ledger.putSync(destination, fromLedger(row)),
      destinations: () => [...ledger.getKeys()],
    },
    owners: {
      get: owner => {
        const text = owners.get(owner)
        return text === undefined ? undefined : Number(text)
      },
      put: (owner, expiresAt) => owners.putSync(owner, `${expiresAt}`),
      delete: owner => void owners.removeSync(owner),
      all: () => Array.from(owners.getRange(), ({ key, value }) => [key, Number(value)] as const),
    },
    decisions: createDecisions(databases),
  }
}

function createJournal(journal: TextDatabase): JournalTable {
  const destinations = (record: string) => {
    const head = readHead(journal, record)
    return head === undefined ? undefined : toDestinations(head)
  }
  return {
    destinations,
    get: record => {
      const text = journal.get(record)
      return text === undefined ? undefined : toJournal(text)
    },
    put: (record, row) => journal.putSync(record, fromJournal(row)),
    delete: record => void journal.removeSync(record),
    bodies: function* () {
      for (const { key, value } of journal.getRange()) {
        yield { record: key, body: toJournal(value).body }
      }
    },
    records: (owner, limit) => [
      // `.` is the character after the `-` that ends an owner's name.
      ...journal.getKeys({
        start: `${owner}-`,
        end: `${owner}.`,
        ...(limit === Infinity ? {} : { limit }),
      }),
    ],
    slices: function* (size) {
      // What this process has read in this turn before is of the same view.
      const transaction = journal.useReadTransaction()
      try {
        let start: string | undefined
        let rows: { key: string; value: string }[]
        do {
          const from = start === undefined ? {} : { start, exclusiveStart: true }
          rows = [...journal.getRange({ ...from, limit: size, transaction })]
          start = rows.at(-1)?.key
          yield rows.map(({ value }) => toDestinations(value.slice(0, value.indexOf('\n'))))
        } while (rows.length === size)
      } finally {
        transaction.done()
      }
    },
  }
}

function createQueue({ queue, due }: Databases): QueueTable {
  const rowKey = (destination: string, record: string) => `${destination}/${record}`
  const dueKey = (destination: string, time: number, record: string) =>
    `${destination}/${timeKey(time)}/${record}`
  return {
    get: (destination, record) => {
      const text = queue.get(rowKey(destination, record))
      return text === undefined ? undefined : toQueue(text)
    },
    has: (destination, record) => queue.doesExist(rowKey(destination, record)),
    put: (destination, record, row, old) => {
      if (old) due.removeSync(dueKey(destination, old.due, record))
      due.putSync(dueKey(destination, row.due, record), '')
      queue.putSync(rowKey(destination, record), fromQueue(row))
    },
    delete: (destination, record, row) => {
      due.removeSync(dueKey(destination, row.due, record))
      queue.removeSync(rowKey(destination, record))
    },
    upcoming: (destination, limit) =>
      Array.from(due.getKeys({ ...under(destination), limit }), key => {
        const [, time = '', record = ''] = key.split('/')
        return { due: Number(time), record }
      }),
    count: destination => due.getKeysCount(under(destination)),
    bodies: function* () {
      for (const { key, value } of queue.getRange()) {
        const [destination = '', record = ''] = key.split('/')
        yield { record, destination, body: toQueue(value).body }
      }
    },
  }
}

function createDead({ dead, deaths, deathsOf }: Databases): DeadTable {
  const rowKey = (record: string, destination: string) => `${record}/${destination}`
  const placeKey = ({ diedAt, record, destination }: DeadPlace) =>
    `${timeKey(diedAt)}/${record}/${destination}`
  const ownKey = ({ diedAt, record, destination }: DeadPlace) =>
    `${destination}/${timeKey(diedAt)}/${record}`
  const toPlace = (key: string): DeadPlace => {
    const [time = '', record = '', destination = ''] = key.split('/')
    return { diedAt: Number(time), record, destination }
  }
  const toOwnPlace = (key: string): DeadPlace => {
    const [destination = '', time = '', record = ''] = key.split('/')
    return { diedAt: Number(time), record, destination }
  }
  return {
    get: ({ record, destination }) => {
      const text = dead.get(rowKey(record, destination))
      return text === undefined ? undefined : toDead(text)
    },
    put: ({ record, destination }, row) => {
      const place = { record, destination, diedAt: row.diedAt }
      dead.putSync(rowKey(record, destination), fromDead(row))
      deaths.putSync(placeKey(place), '')
      deathsOf.putSync(ownKey(place), '')
    },
    delete: ({ record, destination }, { diedAt }) => {
      const place = { record, destination, diedAt }
      dead.removeSync(rowKey(record, destination))
      deaths.removeSync(placeKey(place))
      deathsOf.removeSync(ownKey(place))
    },
    newest: ({ destination, after, limit }) => {
      const isOne = destination !== undefined
      const index = isOne ? deathsOf : deaths
      const [low, high] = isOne ? [`${destination}/`, `${destination}0`] : ['', ':']
      const start = after ? (isOne ? ownKey({ ...after, destination }) : placeKey(after)) : high
      // Reversed ranges take in their start.
      const keys = [...index.getKeys({ reverse: true, start, end: low, limit: limit + 1 })]
      return keys
        .filter(key => key !== start)
        .slice(0, limit)
        .map(isOne ? toOwnPlace : toPlace)
    },
    oldest: (time, limit) => Array.from(deaths.getKeys({ end: timeKey(time), limit }), toPlace),
    count: destination => deathsOf.getKeysCount(under(destination)),
    bodies: function* () {
      for (const { key, value } of dead.getRange()) {
        const [record = '', destination = ''] = key.split('/')
        yield { record, destination, body: toDead(value).body }
      }
    },
  }
}

function createDecisions({ decisions: log }: Databases): DecisionTable {
  return {
    append: (decisions, cap) => {
      let next = ([...log.getKeys({ reverse: true, limit: 1 })][0] ?? -1) + 1
      for (const decision of decisions) log.putSync(next++, fromDecision(decision))
      for (const old of Array.from(log.getKeys({ end: next - cap }))) log.removeSync(old)
    },
    erase: isErased => {
      const keys: number[] = []
      for (const { key, value } of log.getRange()) if (isErased(toDecision(value))) keys.push(key)
      for (const key of keys) log.removeSync(key)
      return keys.length
    },
    slice: (cursor, size) => {
      const rows = [
        ...log.getRange({
          reverse: true,
          limit: size,
          ...(cursor === undefined ? {} : { start: cursor - 1 }),
        }),
      ]
      const last = rows.at(-1)
      return {
        decisions: rows.map(row => toDecision(row.value)),
        cursor: last && rows.length === size ? last.key : undefined,
      }
    },
  }
}
