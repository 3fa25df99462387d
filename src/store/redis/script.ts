/** The Lua scripts of this folder, sent by their SHA-1. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

export interface Script {
  readonly source: string
  readonly sha: string
}

function read(name: string): string {
  return readFileSync(new URL(`./${name}.lua`, import.meta.url), 'utf8')
}

const prelude = read('prelude')

/** The script of that name with the prelude in front. */
export function defineScript(name: string): Script {
  const source = `${prelude}\n${read(name)}`
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}

/** What stands between script and arguments: the number of keys and the keys (prelude.lua). */
export function keysOf(base: string): readonly [number, string, string] {
  return [2, base, `${base}none`]
}

/** True where Redis does not have the script: new, restarted or flushed. */
export function isNoScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT')
}
