/** Script replies are untrusted until their shape is checked. */
import { StoreError } from '../store.ts'

type Value = string | number

/** A flat list of texts and integers. */
export function parseList(reply: unknown): readonly Value[] {
  if (Array.isArray(reply) && reply.every(isValue)) return reply
  throw unexpected()
}

export function parseCount(reply: unknown): number {
  if (typeof reply === 'number') return reply
  throw unexpected()
}

/** A list with a missing value as null. */
export function parseOptionalTexts(reply: unknown): readonly (string | null)[] {
  if (Array.isArray(reply) && reply.every(value => value === null || typeof value === 'string')) {
    return reply
  }
  throw unexpected()
}

export function parseTexts(reply: unknown): readonly string[] {
  if (Array.isArray(reply) && reply.every(value => typeof value === 'string')) return reply
  throw unexpected()
}

/** Rows of `width` values each. */
export function rowsOf(list: readonly Value[], width: number): readonly (readonly Value[])[] {
  const rows: (readonly Value[])[] = []
  for (let i = 0; i < list.length; i += width) rows.push(list.slice(i, i + width))
  return rows
}

function isValue(value: unknown): value is Value {
  return typeof value === 'string' || typeof value === 'number'
}

function unexpected(): StoreError {
  return new StoreError('layout', 'Redis answered in a form that this version does not know')
}
