/** Rows as text: a short head, then the body exactly as it came. */
import type { TextDatabase } from './databases.ts'
import { STATUSES, type Status } from '../../model/status.ts'
import type { DeadRow, JournalRow, LedgerRow, QueueRow } from '../embedded/tables.ts'
import type { ConversionState } from '../decide.ts'
import type { Decision } from '../store.ts'

const NEWLINE = 10

/** Epoch ms in a key: fixed width, so text order is time order. */
export function timeKey(time: number): string {
  return Math.max(0, Math.floor(time)).toString().padStart(15, '0')
}

/** The head of a row, without making a string of its body. */
export function readHead(database: TextDatabase, key: string): string | undefined {
  const bytes = database.getBinaryFast(key)
  return bytes?.toString('latin1', 0, bytes.indexOf(NEWLINE))
}

function split(text: string): [head: string, body: string] {
  const at = text.indexOf('\n')
  return [text.slice(0, at), text.slice(at + 1)]
}

export function fromJournal({ destinations, body }: JournalRow): string {
  return `${destinations.join(',')}\n${body}`
}
export function toDestinations(head: string): readonly string[] {
  return head.split(',')
}
export function toJournal(text: string): JournalRow {
  const [head, body] = split(text)
  return { destinations: toDestinations(head), body }
}

export function fromQueue({ due, attempts, claimer, after, body }: QueueRow): string {
  return `${due} ${attempts} ${claimer} ${after}\n${body}`
}
export function toQueue(text: string): QueueRow {
  const [head, body] = split(text)
  const [due = '', attempts = '', claimer = '', after = ''] = head.split(' ')
  return { due: Number(due), attempts: Number(attempts), claimer, after, body }
}

export function fromDead({ attempts, diedAt, reason, detail, body }: DeadRow): string {
  return `${JSON.stringify([attempts, diedAt, reason, detail])}\n${body}`
}
export function toDead(text: string): DeadRow {
  const [head, body] = split(text)
  const [attempts, diedAt, reason, detail] = JSON.parse(head) as [number, number, string, string]
  return { attempts, diedAt, reason, detail, body }
}

export function fromLedger({ enqueued, delivered, discarded, dead }: LedgerRow): string {
  return `${enqueued} ${delivered} ${discarded} ${dead}`
}
export function toLedger(text: string): LedgerRow {
  const [enqueued = 0, delivered = 0, discarded = 0, dead = 0] = text.split(' ').map(Number)
  return { enqueued, delivered, discarded, dead }
}

/** `last` is left out where it is `first`: most conversions have one record. */
export function fromState({ status, amounts, first, last, lanes }: ConversionState): string {
  const pairs = Object.entries(lanes).map(([destination, record]) => `${destination}=${record}`)
  const head = `${STATUSES.indexOf(status)} ${first} ${last === first ? '' : last} ${pairs.join(',')}`
  return `${head}\n${JSON.stringify(amounts)}`
}
export function toState(text: string): ConversionState {
  const [head, amounts] = split(text)
  const [status = '0', first = '', last = '', pairs = ''] = head.split(' ')
  const lanes: Record<string, string> = {}
  for (const pair of pairs === '' ? [] : pairs.split(',')) {
    const at = pair.indexOf('=')
    lanes[pair.slice(0, at)] = pair.slice(at + 1)
  }
  return {
    status: STATUSES[Number(status)] as Status,
    amounts: JSON.parse(amounts) as string[],
    first,
    last: last === '' ? first : last,
    lanes,
  }
}

export function fromDecision(decision: Decision): string {
  const { at, network, reason, detail, record, click_id, transaction_id, status } = decision
  const { conversion_id, destinations } = decision
  return JSON.stringify([
    at,
    network,
    reason,
    detail,
    record,
    click_id,
    transaction_id,
    conversion_id,
    status,
    ...destinations,
  ])
}
export function toDecision(text: string): Decision {
  const [at, network, reason, detail, record, ...more] = JSON.parse(text) as [
    number,
    string,
    string,
    ...(string | null)[],
  ]
  const [click_id, transaction_id, conversion_id, status, ...destinations] = more
  return {
    at,
    network,
    reason,
    detail: detail ?? undefined,
    record: record ?? undefined,
    click_id: click_id ?? undefined,
    transaction_id: transaction_id ?? undefined,
    conversion_id: conversion_id ?? undefined,
    status: status ?? undefined,
    destinations: destinations as string[],
  }
}
