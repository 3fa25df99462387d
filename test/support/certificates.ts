/** TLS certificates made on the spot with openssl, for servers that tests talk to. */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface ServerCertificate {
  readonly key: string
  readonly cert: string
}

export interface Certificates {
  /** PEM of the authority that signed all but `selfSigned`. */
  readonly ca: string
  /** For localhost and 127.0.0.1. */
  readonly good: ServerCertificate
  readonly wrongHost: ServerCertificate
  readonly expired: ServerCertificate
  readonly selfSigned: ServerCertificate
}

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']

export function createCertificates(folder: string): Certificates {
  const file = (name: string) => join(folder, name)
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' })
  const read = (name: string) => readFileSync(file(name), 'utf8')

  openssl(
    ...['req', '-x509', ...EC, '-days', '2', '-subj', '/CN=Test Authority'],
    ...['-keyout', file('ca.key'), '-out', file('ca.pem')],
  )

  function issue(name: string, host: string, validity: readonly string[]): ServerCertificate {
    openssl(
      ...['req', ...EC, '-subj', `/CN=${host}`],
      ...['-keyout', file(`${name}.key`), '-out', file(`${name}.csr`)],
    )
    const isAddress = host === 'localhost'
    const names = `DNS:${host}${isAddress ? ',IP:127.0.0.1' : ''}`
    writeFileSync(file(`${name}.ext`), `subjectAltName=${names}\n`)
    openssl(
      ...['x509', '-req', '-in', file(`${name}.csr`), '-CA', file('ca.pem')],
      ...['-CAkey', file('ca.key'), '-CAcreateserial', '-extfile', file(`${name}.ext`)],
      ...[...validity, '-out', file(`${name}.pem`)],
    )
    return { key: read(`${name}.key`), cert: read(`${name}.pem`) }
  }

  openssl(
    ...['req', '-x509', ...EC, '-days', '2', '-subj', '/CN=localhost'],
    ...['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
    ...['-keyout', file('self.key'), '-out', file('self.pem')],
  )
  return {
    ca: read('ca.pem'),
    good: issue('good', 'localhost', ['-days', '2']),
    wrongHost: issue('wrong', 'elsewhere.example', ['-days', '2']),
    // A negative number of days ends yesterday.
    expired: issue('expired', 'localhost', ['-days', '-1']),
    selfSigned: { key: read('self.key'), cert: read('self.pem') },
  }
}
