/**
 * Access tokens of one destination. In: its grant, the channel it is reached by. Out: a token that
 * is good for a while yet, or why there is none. One request for a token at a time, whoever waits
 * for it; a token is kept in memory only.
 * https://www.rfc-editor.org/rfc/rfc6749#section-5
 */
import type { Clock } from '../base/clock.ts'
import { printable } from '../base/redact.ts'
import { fail, ok, type Result } from '../base/result.ts'
import { verdictOfStatus } from '../model/answer.ts'
import type { DeliveryResponse, DeliveryVerdict, TokenGrant } from '../model/delivery.ts'
import { askForToken, loadTokenLibrary } from './token-request.ts'
import type { Channel } from './transport.ts'

export interface Token {
  readonly text: string
  /** Just issued, so that a refusal of it is final. */
  readonly isFresh: boolean
}

/** What the delivery that needed the token comes to. */
export interface NoToken {
  readonly verdict: DeliveryVerdict
  readonly detail: string
  readonly httpStatus?: number
}

export interface Tokens {
  get(): Promise<Result<Token, NoToken>>
  /** Not to be used again; another one stays. */
  forget(text: string): void
}

export interface TokensOptions {
  readonly grant: TokenGrant
  readonly channel: Pick<Channel, 'send'>
  readonly clock: Clock
}

/** Renewed this long before its end, or at half its life where it is shorter than twice that. */
const SPARE_MS = 300_000
/** RFC 6749 §5.1 lets `expires_in` be left out; such a token is asked for anew after a while. */
const LIFE_S = 600
const NAME = 'token'
/** The credentials were read at load, so this is a fault of ours or of the library. */
const UNASKED: NoToken = {
  verdict: { kind: 'park', result: 'auth_failed' },
  detail: 'no token could be asked for with these credentials',
}

export function createTokens({ grant, channel, clock }: TokensOptions): Tokens {
  let known: { readonly text: string; readonly until: number } | undefined
  let asking: Promise<Result<Token, NoToken>> | undefined
  // Before the first delivery needs it; a failure shows there.
  loadTokenLibrary().catch(() => undefined)

  async function ask(): Promise<Result<Token, NoToken>> {
    const asked = clock.monotonic()
    const { sent, token: text } = await askForToken(
      grant,
      request => channel.send(request, NAME, 1),
      clock.now(),
    )
    if (!sent) return fail(UNASKED)
    if (sent.kind === 'failed') {
      const detail = `token endpoint: ${sent.detail}`
      return fail({ verdict: { kind: 'retry', result: sent.result }, detail })
    }
    if (sent.response.status !== 200 || text === undefined) {
      return fail(refusalOf(sent.response, clock.now()))
    }
    const { expires_in: life } = parseAnswer(sent.response.body)
    const lifeMs = (typeof life === 'number' && life > 0 ? life : LIFE_S) * 1000
    known = { text, until: asked + lifeMs - Math.min(SPARE_MS, lifeMs / 2) }
    return ok({ text, isFresh: true })
  }

  return {
    get: async () => {
      if (known && clock.monotonic() < known.until) return ok({ text: known.text, isFresh: false })
      asking ??= ask().finally(() => (asking = undefined))
      return asking
    },
    forget: text => {
      if (known?.text === text) known = undefined
    },
  }
}

/** 4xx is `invalid_grant` and its like: the credentials, not the moment (RFC 6749 §5.2). */
function refusalOf(response: DeliveryResponse, now: number): NoToken {
  const { status, body } = response
  const { error, error_description: description } = parseAnswer(body)
  const said = [error, description].filter(part => typeof part === 'string').join(': ')
  const detail = printable(`token endpoint: HTTP ${status} ${said}`)
  if (status >= 400 && status < 500 && status !== 408 && status !== 429) {
    return { verdict: { kind: 'park', result: 'auth_failed' }, detail, httpStatus: status }
  }
  const byStatus = verdictOfStatus(status, undefined, now)
  const verdict: DeliveryVerdict =
    byStatus.kind === 'retry'
      ? { kind: 'retry', result: byStatus.result }
      : { kind: 'retry', result: 'body_rejected' }
  return { verdict, detail, httpStatus: status }
}

function parseAnswer(body: string): Readonly<Record<string, unknown>> {
  try {
    const parsed: unknown = JSON.parse(body)
    return typeof parsed === 'object' && parsed !== null ? { ...parsed } : {}
  } catch {
    return {}
  }
}
