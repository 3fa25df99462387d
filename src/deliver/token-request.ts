/**
 * Asks a token endpoint, by google-auth-library. In: a grant, and a way to send. Out: the token, and
 * the answer it came in. The library words the request and signs the assertion; what it would send
 * by itself goes through `send` instead, so that the egress guard, the deadline and the certificate
 * authorities of a delivery hold here too. It repeats nothing and keeps nothing.
 * https://www.rfc-editor.org/rfc/rfc6749#section-6
 * https://developers.google.com/identity/protocols/oauth2/service-account#httprest
 */
import type * as Google from 'google-auth-library'
import type { DeliveryRequest, TokenGrant } from '../model/delivery.ts'
import type { Sent } from './exchange.ts'

export interface Asked {
  /** Undefined where nothing was sent. */
  readonly sent: Sent | undefined
  /** Undefined where there is none in the answer. */
  readonly token: string | undefined
}

export type SendTokenRequest = (request: DeliveryRequest) => Promise<Sent>

type Library = typeof Google

/** 130 ms and 13 MB, for those who need it: a gateway without such destinations never loads it. */
export function loadTokenLibrary(): Promise<Library> {
  return import('google-auth-library')
}

export async function askForToken(
  grant: TokenGrant,
  send: SendTokenRequest,
  now: number,
): Promise<Asked> {
  let sent: Sent | undefined
  const sendOnce: typeof fetch = async (_url, init) => {
    sent = await send({
      method: 'POST',
      // The library knows Google's address only; the grant names the configured one.
      url: grant.url,
      headers: { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' },
      body: formOf(init?.body),
    })
    if (sent.kind === 'failed') throw new Error(sent.detail)
    const { status, body } = sent.response
    return new Response(body || null, { status, headers: { 'content-type': 'application/json' } })
  }
  try {
    const library = await loadTokenLibrary()
    const client = clientOf(library, grant, { fetchImplementation: sendOnce }, now)
    client.transporter.interceptors.request.add({ resolved: withoutRetries })
    const { token } = await client.getAccessToken()
    return { sent, token: typeof token === 'string' && token !== '' ? token : undefined }
  } catch {
    // Whatever was answered is in `sent`, and the library's words may hold what it was given.
    return { sent, token: undefined }
  }
}

function clientOf(
  { JWT, OAuth2Client }: Library,
  grant: TokenGrant,
  transporterOptions: Google.gaxios.GaxiosOptions,
  now: number,
): Google.OAuth2Client {
  if (grant.kind === 'service_account') {
    const { email, key, scope, url } = grant
    const issued = Math.floor(now / 1000)
    const additionalClaims = { aud: url, iat: issued, exp: issued + LIFE_S }
    return new JWT({ email, key, scopes: [scope], additionalClaims, transporterOptions })
  }
  const { clientId, clientSecret, refreshToken, url } = grant
  const endpoints = { oauth2TokenUrl: url }
  const client = new OAuth2Client({ clientId, clientSecret, endpoints, transporterOptions })
  client.setCredentials({ refresh_token: refreshToken })
  return client
}

/** The longest that Google takes. */
const LIFE_S = 3600

/** The schedule of the delivery repeats, and knows why. */
function withoutRetries<T extends { retry?: boolean; retryConfig?: unknown }>(
  options: T,
): Promise<T> {
  const { retryConfig: _retries, ...rest } = options
  return Promise.resolve({ ...rest, retry: false } as unknown as T)
}

function formOf(body: unknown): string {
  if (typeof body === 'string') return body
  return body instanceof URLSearchParams ? body.toString() : ''
}
