/**
 * OAuth 2.0 grants from the settings of a destination: a refresh token, or the key of a Google
 * service account, with which an assertion is signed. Pure; tokens are fetched where requests are
 * sent. Signing takes one call of node:crypto, a client library would bring dozens of packages.
 * https://www.rfc-editor.org/rfc/rfc6749#section-6
 * https://developers.google.com/identity/protocols/oauth2/service-account#httprest
 */
import { createPrivateKey, createSign, type KeyObject } from 'node:crypto'
import type { TokenGrant } from '../../model/delivery.ts'
import type { SettingValues } from '../define.ts'
import { parseTarget } from '../origin.ts'
import type { SettingDeclaration } from '../settings.ts'
import { at } from './verdict.ts'

type Fault<S> = (setting: keyof S & string, message: string) => void

const secret = (title: string): SettingDeclaration => ({ title, secret: true, default: '' })

export const REFRESH_SETTINGS = {
  client_id: { title: 'OAuth client id', default: '' },
  client_secret: secret('OAuth client secret'),
  refresh_token: secret('OAuth refresh token'),
} as const

export const GOOGLE_SETTINGS = {
  service_account: {
    title: 'Key file of a service account, JSON, such as ${file:/run/secrets/google.json}',
    secret: true,
    default: '',
    holds: 'document',
  },
  ...REFRESH_SETTINGS,
  token_url: { title: 'Token endpoint', default: 'https://oauth2.googleapis.com/token' },
} as const

interface RefreshValues {
  readonly client_id: string
  readonly client_secret: string
  readonly refresh_token: string
  readonly token_url: string
}

export function refreshGrant(
  values: RefreshValues,
  fault: Fault<RefreshValues>,
): TokenGrant | undefined {
  for (const name of ['client_id', 'client_secret', 'refresh_token'] as const) {
    if (values[name] === '') fault(name, 'is missing')
  }
  if (!isTokenUrl(values.token_url, fault)) return undefined
  const form = {
    grant_type: 'refresh_token',
    client_id: values.client_id,
    client_secret: values.client_secret,
    refresh_token: values.refresh_token,
  }
  return { url: values.token_url, form: () => form }
}

type GoogleValues = SettingValues<typeof GOOGLE_SETTINGS>

/** The service account where there is one, else the refresh token. */
export function googleGrant(
  values: GoogleValues,
  scope: string,
  fault: Fault<GoogleValues>,
): TokenGrant | undefined {
  if (values.service_account === '') {
    if (values.refresh_token === '') {
      fault('service_account', 'is missing, and there is no refresh_token either')
      return undefined
    }
    return refreshGrant(values, fault)
  }
  const account = parseAccount(values.service_account)
  if (typeof account === 'string') {
    fault('service_account', account)
    return undefined
  }
  if (!isTokenUrl(values.token_url, fault)) return undefined
  const { email, key, keyId } = account
  const header = encode({ alg: 'RS256', typ: 'JWT', ...(keyId ? { kid: keyId } : {}) })
  return {
    url: values.token_url,
    form: now => {
      const issued = Math.floor(now / 1000)
      const claims = { iss: email, scope, aud: values.token_url, iat: issued, exp: issued + LIFE_S }
      const content = `${header}.${encode(claims)}`
      const signature = createSign('RSA-SHA256').update(content).sign(key, 'base64url')
      return {
        grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
        assertion: `${content}.${signature}`,
      }
    },
  }
}

/** The longest that Google takes. */
const LIFE_S = 3600

interface Account {
  readonly email: string
  readonly key: KeyObject
  readonly keyId: string | undefined
}

/** What is wrong with it, as a text that repeats nothing of it. */
function parseAccount(text: string): Account | string {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return 'is not JSON; give the whole key file'
  }
  const email = at(parsed, 'client_email')
  const pem = at(parsed, 'private_key')
  const keyId = at(parsed, 'private_key_id')
  if (typeof email !== 'string' || typeof pem !== 'string') {
    return 'holds no client_email and private_key; give the key file of a service account'
  }
  try {
    const key = createPrivateKey(pem)
    if (key.asymmetricKeyType !== 'rsa') return 'holds a private_key that is not RSA'
    return { email, key, keyId: typeof keyId === 'string' ? keyId : undefined }
  } catch {
    return 'holds a private_key that cannot be read'
  }
}

function isTokenUrl(url: string, fault: Fault<{ token_url: string }>): boolean {
  const target = parseTarget(url)
  if (!target.ok) fault('token_url', `the URL ${target.error}`)
  return target.ok
}

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}
