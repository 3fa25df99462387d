/**
 * OAuth 2.0 grants from the settings of a destination: a refresh token, or the key of a Google
 * service account. Pure: everything is checked here at load, tokens are asked for where requests are
 * sent.
 * https://www.rfc-editor.org/rfc/rfc6749#section-6
 * https://developers.google.com/identity/protocols/oauth2/service-account#httprest
 */
import { createPrivateKey } from 'node:crypto'
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

/** https://developers.google.com/google-ads/api/reference/rpc/v22/ConversionUploadErrorEnum.ConversionUploadError */
export const CLICK_REST = {
  click_rest_hours: {
    title:
      'Hours from the click to the upload, where the postback brings click_time; Google refuses earlier ones',
    default: '6',
    pattern: '^[0-9]{1,2}$',
  },
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
  return {
    kind: 'refresh_token',
    url: values.token_url,
    clientId: values.client_id,
    clientSecret: values.client_secret,
    refreshToken: values.refresh_token,
  }
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
  return { kind: 'service_account', url: values.token_url, scope, ...account }
}

interface Account {
  readonly email: string
  /** PEM. */
  readonly key: string
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
  const key = at(parsed, 'private_key')
  if (typeof email !== 'string' || typeof key !== 'string') {
    return 'holds no client_email and private_key; give the key file of a service account'
  }
  try {
    const { asymmetricKeyType } = createPrivateKey(key)
    return asymmetricKeyType === 'rsa' ? { email, key } : 'holds a private_key that is not RSA'
  } catch {
    return 'holds a private_key that cannot be read'
  }
}

function isTokenUrl(url: string, fault: Fault<{ token_url: string }>): boolean {
  const target = parseTarget(url)
  if (!target.ok) fault('token_url', `the URL ${target.error}`)
  return target.ok
}
