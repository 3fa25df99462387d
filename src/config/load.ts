/**
 * postern.yaml with its rules and secrets → the configuration that runs. In: a path, the
 * environment, the shipped catalogue. Out: the effective configuration with warnings, or every
 * fault. Guarantees: nothing is changed or started; no fault holds a secret; the same input gives
 * the same answer, so a reload can be tried and dropped.
 */
import { dirname, resolve } from 'node:path'
import { fail, ok, type Result } from '../base/result.ts'
import { loadCatalogue, folderProblem, type Catalogue, type Wanted } from '../rules/catalogue.ts'
import { parseDocument } from '../rules/document.ts'
import type { Fault, Path } from '../rules/faults.ts'
import { sortFaults } from '../rules/faults.ts'
import { toLoaded, type Loaded } from '../rules/load.ts'
import { readSource } from '../rules/read-file.ts'
import { createValidate } from '../rules/validate.ts'
import { checkConfig, destinationSettings, type Builtins } from './check.ts'
import { toEffective, type EffectiveConfig } from './effective.ts'
import { hasReference } from './reference.ts'
import { resolveReferences, type Environment } from './resolve.ts'
import { configSchema, type Config } from './schema.ts'
import { CONFIG_FILE, literalSecrets, passwordOf } from './secrets.ts'
import { readTls, type Tls } from './tls.ts'

export interface LoadOptions {
  /** Folder of the shipped rules. */
  readonly catalogue: string
  /** True reads every rule file, also those that the configuration does not name. */
  readonly hasWholeCatalogue?: boolean
  /** Default: the process's environment. */
  readonly env?: Environment
  /** Destination types that are code, with the settings they declare. */
  readonly builtins?: Builtins
}

export interface LoadedConfig {
  readonly value: EffectiveConfig
  readonly catalogue: Catalogue
  readonly tls: Tls
  /** Every secret value, longest first, for masking. */
  readonly secrets: readonly string[]
  readonly warnings: readonly Fault[]
  /** Files and folders whose change asks for a reload. */
  readonly watched: readonly string[]
  /** The configuration as written, to report what compiling finds at its place. */
  readonly source: Loaded<Config>
}

const validate = createValidate(configSchema)

export async function loadConfig(
  file: string,
  options: LoadOptions,
): Promise<Result<LoadedConfig, Fault[]>> {
  const text = await readSource(file, { maxBytes: CONFIG_FILE.limits.bytes })
  if (!text.ok) return text
  const parsed = parseDocument(text.value, file, CONFIG_FILE)
  if (!parsed.ok) return parsed
  const document = parsed.value

  const isReference = (path: Path) => hasReference(valueAt(document.value, path))
  const shape = validate(document, { isReference })
  if (shape.length > 0) return fail(shape)
  const written = document.value as Config
  const resolved = await resolveReferences(document, options.env ?? process.env)
  const early = [...literalSecrets(document, written), ...resolved.faults]
  if (early.length > 0) return fail(sortFaults(early))
  const resolvedShape = validate(document, { isReference, value: resolved.value })
  if (resolvedShape.length > 0) return fail(resolvedShape)
  const config = resolved.value as Config

  const rules = (config.rules ?? []).map(folder => resolve(dirname(file), folder))
  const missing: Fault[] = []
  for (const [index, folder] of rules.entries()) {
    const problem = await folderProblem(folder)
    if (problem) missing.push(document.fault(['rules', index], `rule folder: ${problem}`))
  }
  if (missing.length > 0) return fail(missing)
  const catalogue = await loadCatalogue(
    [options.catalogue, ...rules],
    options.hasWholeCatalogue ? undefined : usedBy(config),
  )
  if (!catalogue.ok) return catalogue

  const builtins: Builtins = options.builtins ?? new Map()
  const found = checkConfig({ document, config, catalogue: catalogue.value, builtins })
  const tls = await readTls(document, config, dirname(file))
  const faults = [...found.faults, ...tls.faults]
  if (faults.length > 0) return fail(sortFaults(faults))
  const value = toEffective(config, {
    rules,
    networkSettings: name =>
      catalogue.value.networks.get(config.networks[name]?.rule ?? name)?.value.settings ?? {},
    destinationSettings: name => destinationSettings(config, name, catalogue.value, builtins),
  })
  return ok({
    value,
    catalogue: catalogue.value,
    tls: tls.value,
    secrets: secretsOf(value, resolved.secrets),
    warnings: sortFaults([...resolved.warnings, ...found.warnings, ...tls.warnings]),
    watched: [file, options.catalogue, ...rules, ...resolved.files, ...tls.files],
    source: toLoaded(document, written),
  })
}

function usedBy({ networks, destinations }: Config): Wanted {
  const ruleOf = ([name, { rule }]: [string, { rule?: string }]) => rule ?? name
  const used = {
    networks: new Set(Object.entries(networks).map(ruleOf)),
    destinations: new Set(Object.entries(destinations).map(ruleOf)),
  }
  return (part, id) => used[part].has(id)
}

function secretsOf(config: EffectiveConfig, referenced: ReadonlySet<string>): string[] {
  const secrets = new Set(referenced)
  for (const owner of [...Object.values(config.networks), ...Object.values(config.destinations)]) {
    for (const name of owner.secret_settings) secrets.add(owner.settings[name] ?? '')
  }
  const { redis } = config.store
  const password = redis?.url === undefined ? undefined : passwordOf(redis.url)
  // Errors may show it in either form.
  if (password !== undefined) secrets.add(password).add(percentDecoded(password))
  secrets.delete('')
  return [...secrets].toSorted((a, b) => b.length - a.length)
}

function percentDecoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function valueAt(root: unknown, path: Path): unknown {
  let value = root
  for (const segment of path) value = (value as Record<string | number, unknown>)?.[segment]
  return value
}
