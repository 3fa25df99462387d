/**
 * The text that identifies a conversion across all its postbacks. Which fields make it stands in
 * the text beside their values, and JSON keeps the parts apart, so keys of different shapes or
 * with shifted characters never collide.
 */
import type { Conversion } from '../model/conversion.ts'
import type { DEDUPE_PARTS } from '../rules/schema.ts'

export type DedupePart = (typeof DEDUPE_PARTS)[number]
type Fields = Omit<Conversion, 'id'>

export interface DedupeSpec {
  readonly key?: readonly DedupePart[] | undefined
  readonly fallback?: readonly DedupePart[] | undefined
  readonly never?: readonly string[] | undefined
}

export interface DedupeKey {
  /** Undefined where nothing identifies the conversion. */
  of(conversion: Fields): string | undefined
  /** Fields of which one must have a value: the first of each list. */
  readonly identifiers: readonly DedupePart[]
}

const DEFAULT_KEY: readonly DedupePart[] = ['transaction_id', 'event']
const DEFAULT_FALLBACK: readonly DedupePart[] = ['click_id', 'event']

export function compileDedupeKey({ key, fallback, never = [] }: DedupeSpec): DedupeKey {
  const lists = [key ?? DEFAULT_KEY]
  const second = fallback ?? (key ? undefined : DEFAULT_FALLBACK)
  if (second) lists.push(second)
  const fakes = new Set(never)
  const shapes = lists.map(parts => ({ name: parts.join(','), parts }))
  return {
    identifiers: lists.flatMap(([first]) => first ?? []),
    of: conversion => {
      for (const { name, parts } of shapes) {
        const values = parts.map(part => read(conversion, part))
        const [first = ''] = values
        if (first !== '' && !fakes.has(first)) return JSON.stringify([name, ...values])
      }
      return undefined
    },
  }
}

function read(conversion: Fields, part: DedupePart): string {
  if (part === 'received_day') {
    return new Date(conversion.received_at).toISOString().slice(0, 10)
  }
  // A mark on the postback, not a field of the conversion: a test never gets a key.
  if (part === 'test') return ''
  const value = conversion[part]
  return value === undefined ? '' : String(value)
}
