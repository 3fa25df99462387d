/** HTTP Basic (RFC 7617) from settings: one constant header, made at load. */
import type { RequestTemplate } from '../rules/destination-schema.ts'
import { compileTemplate } from '../rules/template.ts'
import { ruleFault, type Path } from './fault.ts'
import type { Scope } from './value.ts'

export interface Authorization {
  readonly headers: Readonly<Record<string, string>>
  /** What must be masked where a request is shown: the credentials as they are sent. */
  readonly secrets: readonly string[]
}

const NONE: Authorization = { headers: {}, secrets: [] }

export function compileBasicAuth(
  { auth, headers = {} }: RequestTemplate,
  path: Path,
  { settings, faults }: Scope,
): Authorization {
  if (!auth) return NONE
  const at = [...path, 'auth', 'basic']
  if (Object.keys(headers).some(name => name.toLowerCase() === 'authorization')) {
    faults.push(ruleFault(at, 'the request has an authorization header already'))
  }
  const [user, password] = (['user', 'password'] as const).map(part => {
    const template = compileTemplate(auth.basic[part], settings)
    if (template.ok) return template.value.render() ?? ''
    faults.push(ruleFault([...at, part], 'credentials come from settings only', '{settings.NAME}'))
    return ''
  }) as [string, string]
  // The first colon ends the user name (RFC 7617 §2).
  if (user.includes(':')) faults.push(ruleFault([...at, 'user'], 'a user name holds no colon'))
  const credentials = Buffer.from(`${user}:${password}`).toString('base64')
  return { headers: { authorization: `Basic ${credentials}` }, secrets: [credentials] }
}
