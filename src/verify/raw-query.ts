/** Query strings as sent, byte for byte, since a signature may cover them. */
import { paramKey } from '../model/postback.ts'

/** What follows the first `?`; undefined where there is none. */
export function splitTarget(target: string): readonly [path: string, query: string | undefined] {
  return splitAt(target, '?')
}

export interface Remaining {
  readonly text: string
  readonly removed: number
}

/** Without the pairs of these keys (see `paramKey`); everything else stays as it was. */
export function withoutParams(query: string, keys: readonly string[]): Remaining {
  const pairs = query.split('&')
  const kept = pairs.filter(pair => pair === '' || !keys.includes(keyOf(pair)))
  const removed = pairs.length - kept.length
  return { text: removed === 0 ? query : kept.join('&'), removed }
}

/** Undefined where no pair has this key. */
export function replaceParam(pairs: string, key: string, encoded: string): string | undefined {
  let isFound = false
  const replaced = pairs.split('&').map(pair => {
    if (pair === '' || keyOf(pair) !== key) return pair
    isFound = true
    return `${splitAt(pair, '=')[0]}=${encoded}`
  })
  return isFound ? replaced.join('&') : undefined
}

export function appendParam(pairs: string, name: string, value: string): string {
  return `${pairs}${pairs === '' ? '' : '&'}${name}=${value}`
}

function keyOf(pair: string): string {
  const [name] = splitAt(pair, '=')
  try {
    return paramKey(decodeURIComponent(name.replaceAll('+', ' ')))
  } catch {
    return paramKey(name)
  }
}

function splitAt(text: string, separator: string): readonly [string, string | undefined] {
  const at = text.indexOf(separator)
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)]
}
