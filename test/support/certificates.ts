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
  /** One for all of these names, signed by `ca`. */
  issueFor(hosts: readonly string[]): ServerCertificate
}

const KEY = '-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'

/** `folder`: a path without spaces. */
export function createCertificates(folder: string): Certificates {
  const file = (name: string) => join(folder, name)
  const read = (name: string) => readFileSync(file(name), 'utf8')
  const openssl = (line: string) => execFileSync('openssl', line.split(' '), { stdio: 'pipe' })
  const names = (...hosts: readonly string[]) =>
    `subjectAltName=${hosts.map(host => `DNS:${host}${host === 'localhost' ? ',IP:127.0.0.1' : ''}`).join()}`

  const ca = `${file('ca.key')} -out ${file('ca.pem')}`
  openssl(`req -x509 ${KEY} -days 2 -subj /CN=test-authority -keyout ${ca}`)
  const self = `${file('self.key')} -out ${file('self.pem')}`
  openssl(
    `req -x509 ${KEY} -days 2 -subj /CN=localhost -addext ${names('localhost')} -keyout ${self}`,
  )

  function issue(name: string, hosts: readonly string[], days: number): ServerCertificate {
    const [key, request, extra, cert] = ['key', 'csr', 'ext', 'pem'].map(end =>
      file(`${name}.${end}`),
    )
    openssl(`req ${KEY} -subj /CN=${name} -keyout ${key} -out ${request}`)
    writeFileSync(`${extra}`, names(...hosts))
    const signer = `-CA ${file('ca.pem')} -CAkey ${file('ca.key')} -CAcreateserial`
    openssl(`x509 -req -in ${request} ${signer} -extfile ${extra} -days ${days} -out ${cert}`)
    return { key: read(`${name}.key`), cert: read(`${name}.pem`) }
  }

  return {
    ca: read('ca.pem'),
    good: issue('good', ['localhost'], 2),
    wrongHost: issue('wrong', ['elsewhere.example'], 2),
    // A negative number of days ends yesterday.
    expired: issue('expired', ['localhost'], -1),
    selfSigned: { key: read('self.key'), cert: read('self.pem') },
    issueFor: hosts => issue('several', hosts, 2),
  }
}
