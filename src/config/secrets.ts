/**
 * Where secrets stand in postern.yaml. They must be references: a file in version control, in a
 * ticket or in a screen share then holds none.
 */
import { isSecretName } from '../base/redact.ts'
import type { DocumentKind, SourceDocument } from '../rules/document.ts'
import type { Fault, Path } from '../rules/faults.ts'
import { isReference } from './reference.ts'
import type { Config } from './schema.ts'

const HOW = 'write `${NAME}` for an environment variable or `${file:/run/secrets/name}` for a file'

export const CONFIG_FILE: DocumentKind = {
  limits: { bytes: 1024 * 1024, parts: 60_000, keysPerMap: 2000, depth: 64 },
  // Wider than isSecretPosition: which settings are secret is only known with the rules.
  isSecret: path =>
    isSecretPosition(path) ||
    path[2] === 'settings' ||
    path.join('.') === 'store.redis.url' ||
    hasSecretName(path),
  showsLines: false,
}

/** True where a literal is refused whatever the rules say. */
export function isSecretPosition(path: Path): boolean {
  const [section, , part] = path
  if (section === 'networks') return part === 'secrets' || part === 'tokens'
  if (section === 'tracing') return path[1] === 'headers'
  const option = path.join('.')
  return option === 'admin.token' || option === 'store.redis.password'
}

/** Faults for every secret that is written out. `config` is the text before references. */
export function literalSecrets(document: SourceDocument, config: Config): Fault[] {
  const faults: Fault[] = []
  const demand = (text: unknown, path: Path) => {
    if (text === undefined || isReference(text)) return
    faults.push(literalSecret(document, path))
  }
  demand(config.admin?.token, ['admin', 'token'])
  demand(config.store?.redis?.password, ['store', 'redis', 'password'])
  for (const [name, text] of Object.entries(config.tracing?.headers ?? {})) {
    demand(text, ['tracing', 'headers', name])
  }
  const url = config.store?.redis?.url
  const password = url === undefined ? undefined : passwordOf(url)
  if (password !== undefined && !isReference(password)) {
    faults.push(literalSecret(document, ['store', 'redis', 'url']))
  }
  for (const [name, network] of Object.entries(config.networks)) {
    for (const part of ['secrets', 'tokens'] as const) {
      for (const [index, text] of (network[part] ?? []).entries()) {
        demand(text, ['networks', name, part, index])
      }
    }
  }
  return faults
}

export function literalSecret(document: SourceDocument, path: Path): Fault {
  return document.fault(path, 'a secret is written out here', HOW)
}

/** The password of `redis://user:password@host`, still percent-encoded; also within a default. */
export function passwordOf(url: string): string | undefined {
  return /:\/\/[^/?#@:]*:([^/?#]+)@/.exec(url)?.[1]
}

function hasSecretName(path: Path): boolean {
  const key = path.findLast(segment => typeof segment === 'string')
  return key !== undefined && (isSecretName(key) || isSecretName(key.replace(/s$/, '')))
}
