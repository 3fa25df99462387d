/**
 * Certificates that the configuration names. In: the checked configuration. Out: PEM texts that
 * belong together, or faults at the option that names the file. Read whole at every load, so a
 * renewal that is half written keeps the old pair.
 */
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import { createSecureContext } from 'node:tls'
import type { SourceDocument } from '../rules/document.ts'
import type { Fault } from '../rules/faults.ts'
import { readSource } from '../rules/read-file.ts'
import type { Config } from './schema.ts'

export interface TlsPem {
  readonly cert: string
  readonly key: string
}

/** Undefined where the listener speaks plain HTTP. */
export interface Tls {
  readonly server: TlsPem | undefined
  readonly admin: TlsPem | undefined
}

const MAX_BYTES = 256 * 1024

/** Paths are relative to the folder of postern.yaml. */
export async function readTls(document: SourceDocument, config: Config, folder: string) {
  const faults: Fault[] = []
  const warnings: Fault[] = []
  const files: string[] = []

  async function readPem(section: 'server' | 'admin', part: keyof TlsPem, name: string) {
    const path = [section, 'tls', part]
    const file = resolve(folder, name)
    files.push(file)
    const read = await readSource(file, { maxBytes: MAX_BYTES })
    if (!read.ok) {
      const problem = read.error[0]?.message ?? 'cannot be read'
      faults.push(document.fault(path, `${part} file: ${problem}`, 'a PEM file'))
      return undefined
    }
    if (part === 'key' && ((await stat(file)).mode & 0o004) !== 0) {
      const message = 'the private key can be read by everyone here'
      warnings.push(document.fault(path, message, 'chmod o-r the file'))
    }
    return read.value
  }

  async function readPair(section: 'server' | 'admin'): Promise<TlsPem | undefined> {
    const paths = config[section]?.tls
    if (!paths) return undefined
    const cert = await readPem(section, 'cert', paths.cert)
    const key = await readPem(section, 'key', paths.key)
    if (cert === undefined || key === undefined) return undefined
    try {
      createSecureContext({ cert, key })
    } catch {
      // OpenSSL's own words name no file, and may quote what is in it.
      const message = 'certificate and key are no PEM pair that belongs together'
      faults.push(document.fault([section, 'tls'], message, 'check both files'))
    }
    return { cert, key }
  }

  const value: Tls = { server: await readPair('server'), admin: await readPair('admin') }
  return { value, faults, warnings, files }
}
