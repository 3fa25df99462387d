/**
 * Rule folders → the catalogue. In: folders, the shipped one first. Out: rules by id, where a
 * later folder's file replaces an earlier one's of the same name; or every fault of every file.
 * Files are read one by one, so a reload in a running process blocks it for one file at most.
 */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fail, ok, type Result } from '../base/result.ts'
import { RULE_FILE } from './document.ts'
import { fileFault, sortFaults, type Fault } from './faults.ts'
import { loadDestinationRule, loadNetworkRule, type Loaded } from './load.ts'
import { NAME_PATTERN } from './shape.ts'
import type { DestinationRule } from './destination-schema.ts'
import type { NetworkRule } from './schema.ts'
import { readProblem, readSource } from './read-file.ts'

export interface Catalogue {
  readonly networks: ReadonlyMap<string, Loaded<NetworkRule>>
  readonly destinations: ReadonlyMap<string, Loaded<DestinationRule>>
  /** Of every file there is, whether it was asked for or not. */
  readonly ids: { readonly networks: readonly string[]; readonly destinations: readonly string[] }
}

type Part = 'networks' | 'destinations'

/** Which rules to read; a gateway reads those it uses, so that it starts as fast with any catalogue. */
export type Wanted = (part: Part, id: string) => boolean

const ID = new RegExp(NAME_PATTERN)

export async function loadCatalogue(
  folders: readonly string[],
  isWanted: Wanted = () => true,
): Promise<Result<Catalogue, Fault[]>> {
  const ids = { networks: new Set<string>(), destinations: new Set<string>() }
  const networks = new Map<string, Loaded<NetworkRule>>()
  const destinations = new Map<string, Loaded<DestinationRule>>()
  const faults: Fault[] = []
  for (const folder of folders) {
    const problem = await folderProblem(folder)
    if (problem) {
      faults.push(fileFault(folder, problem, 'a rule folder holds `networks/` and `destinations/`'))
      continue
    }
    const take = (part: Part) => (id: string) => {
      ids[part].add(id)
      return isWanted(part, id)
    }
    const known = { networks: take('networks'), destinations: take('destinations') }
    await loadFolder(folder, 'networks', known.networks, loadNetworkRule, networks, faults)
    await loadFolder(
      folder,
      'destinations',
      known.destinations,
      loadDestinationRule,
      destinations,
      faults,
    )
  }
  if (faults.length > 0) return fail(sortFaults(faults))
  const all = { networks: [...ids.networks], destinations: [...ids.destinations] }
  return ok({ networks, destinations, ids: all })
}

/** Why this is not a folder of rules; undefined when it is. */
export async function folderProblem(folder: string): Promise<string | undefined> {
  try {
    const names = await readdir(folder)
    if (names.includes('networks') || names.includes('destinations')) return undefined
    return 'holds neither `networks/` nor `destinations/`'
  } catch (error) {
    const problem = readProblem(error)
    return problem === 'no such file' ? 'no such folder' : problem
  }
}

async function loadFolder<T>(
  folder: string,
  part: Part,
  isWanted: (id: string) => boolean,
  load: (text: string, file: string) => Result<Loaded<T>, Fault[]>,
  into: Map<string, Loaded<T>>,
  faults: Fault[],
): Promise<void> {
  const path = join(folder, part)
  for (const name of await listRules(path, faults)) {
    const file = join(path, name)
    const id = name.replace(/\.ya?ml$/, '')
    if (name.endsWith('.yml')) {
      faults.push(fileFault(file, 'rule files end in `.yaml`', `rename it to ${id}.yaml`))
      continue
    }
    if (!ID.test(id)) {
      const hint = 'lower-case letters, digits, `_` and `-`, starting with a letter or digit'
      faults.push(fileFault(file, 'the file name is not a valid rule id', hint))
      continue
    }
    if (!isWanted(id)) continue
    const text = await readSource(file, { maxBytes: RULE_FILE.limits.bytes, within: folder })
    const loaded = text.ok ? load(text.value, file) : text
    if (loaded.ok) into.set(id, loaded.value)
    else faults.push(...loaded.error)
  }
}

/** Sorted, so that faults and the catalogue come in the same order everywhere. */
async function listRules(path: string, faults: Fault[]): Promise<string[]> {
  try {
    const names = await readdir(path)
    return names.filter(name => /^[^.].*\.ya?ml$/.test(name)).toSorted()
  } catch (error) {
    const problem = readProblem(error)
    // One of the two parts may be missing; folderProblem tells when both are.
    if (problem !== 'no such file') faults.push(fileFault(path, problem))
    return []
  }
}
