/**
 * A time and signatures in one header: `t=1700000000,v1=HEX,v1=HEX`, where any `v1` is the HMAC-SHA256
 * of `TIME.BODY`. Several, because senders sign with the old and the new secret while they change it;
 * other schemes are passed over. https://docs.stripe.com/webhooks#verify-manually
 */
import { createHmac } from 'node:crypto'
import { fail, ok } from '../base/result.ts'
import type { Postback } from '../model/postback.ts'
import type { TimestampedSignatureCheck } from '../rules/check-schema.ts'
import { compileSource } from '../rules/source.ts'
import { refusal, type CompileCheck } from './context.ts'
import { decodeSignature } from './encoding.ts'
import { equalsAny } from './equal.ts'
import { DIGEST_BYTES } from './recipe.ts'
import { isMissing, secretMissing } from './signed-check.ts'

const NO_BODY = refusal('signature_invalid', 'there is no body')

export const compileTimestampedSignature: CompileCheck<TimestampedSignatureCheck> = (
  spec,
  options,
  path,
) => {
  const source = compileSource(spec.from)
  if (!source.ok) return fail([{ path: [...path, 'from'], message: source.error }])
  const { secrets = [] } = options
  if (isMissing(secrets)) return fail([secretMissing(path)])
  const { scheme = 'v1' } = spec
  const from = source.value
  const window = spec.within_seconds * 1000
  return ok({
    check: (postback, now) => {
      const { found, value } = from.read(postback)
      if (found === 'none' || value === '') return refusal('signature_missing', spec.from)
      const header = found === 'one' ? parse(value, scheme) : undefined
      if (!header) return refusal('signature_malformed', spec.from)
      if (postback.body.length === 0) return NO_BODY
      const expected = secrets.map(secret => sign(postback, header.time, secret))
      let isSigned = false
      for (const each of header.signatures) isSigned = equalsAny(each, expected) || isSigned
      if (!isSigned) return refusal('signature_invalid', spec.from)
      // Only a signed time says anything.
      const isFresh = Math.abs(now - Number(header.time) * 1000) <= window
      return isFresh ? undefined : refusal('timestamp_out_of_window', spec.from)
    },
    proof: {
      from,
      fromText: spec.from,
      kind: 'signature',
      value: (postback, now) => {
        if (postback.body.length === 0) return fail(NO_BODY)
        const time = String(Math.floor(now / 1000))
        const hex = sign(postback, time, secrets[0] ?? '').toString('hex')
        return ok(`t=${time},${scheme}=${hex}`)
      },
    },
  })
}

interface Header {
  readonly time: string
  readonly signatures: readonly Buffer[]
}

/** Undefined where it has not exactly one time, or no signature of the scheme that can be read. */
function parse(text: string, scheme: string): Header | undefined {
  const times: string[] = []
  const signatures: Buffer[] = []
  for (const part of text.split(',')) {
    const equals = part.indexOf('=')
    const name = part.slice(0, equals).trim()
    const value = part.slice(equals + 1).trim()
    if (name === 't') times.push(value)
    if (name !== scheme) continue
    const signature = decodeSignature(value, 'hex', DIGEST_BYTES.sha256)
    if (signature) signatures.push(signature)
  }
  const [time = ''] = times
  const isWhole = times.length === 1 && /^\d{1,11}$/.test(time) && signatures.length > 0
  return isWhole ? { time, signatures } : undefined
}

function sign({ body }: Postback, time: string, secret: string): Buffer {
  return createHmac('sha256', secret).update(`${time}.`).update(body).digest()
}
