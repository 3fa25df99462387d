/**
 * An encrypted body: opened with each secret in turn, and believed if it opens to JSON. In: base64
 * ciphertext and initialization vector, as form fields or top-level JSON. Out: the postback that was
 * inside, with nothing of the wrapping but path, headers and sender left.
 *
 * CBC proves less than a MAC: whoever holds one real envelope can change its first block through the
 * vector. All that can go wrong is one and the same refusal, so that nobody learns from it what a
 * padding looked like. https://support.clickbank.com/en/articles/10535147-instant-notification-service-ins
 */
import { isUtf8 } from 'node:buffer'
import { createCipheriv, createDecipheriv, createHash } from 'node:crypto'
import { fail, ok, type Result } from '../base/result.ts'
import { paramKey, type Postback } from '../model/postback.ts'
import type { Refusal } from '../reasons.ts'
import type { EnvelopeCheck } from '../rules/check-schema.ts'
import { readParam } from '../rules/source.ts'
import { refusal, type CompileCheck, type ReadJson } from './context.ts'
import { decodeText } from './encoding.ts'
import { isMissing, secretMissing } from './signed-check.ts'

export interface Envelope {
  /** With the configured secrets, or with those given. */
  open(postback: Postback, secrets?: readonly string[]): Result<Opened, Refusal>
  /** A JSON body that opens to this text with the first configured secret. */
  seal(text: string, iv: Buffer): string
}

export interface Opened {
  readonly text: string
  readonly iv: Buffer
  readonly postback: Postback
}

const CIPHER = 'aes-256-cbc'
const BLOCK_BYTES = 16

export const compileEnvelope: CompileCheck<EnvelopeCheck> = (spec, options, path) => {
  const { secrets = [], readJson } = options
  if (isMissing(secrets)) return fail([secretMissing(path)])
  if (!readJson) return fail([{ path, message: 'encrypted bodies cannot be read here' }])
  const own = secrets.map(keyOf)
  return ok({
    check: () => undefined,
    envelope: {
      open: (postback, others) => open(postback, spec, others?.map(keyOf) ?? own, readJson),
      seal: (text, iv) => {
        const cipher = createCipheriv(CIPHER, own[0] ?? '', iv)
        const data = Buffer.concat([cipher.update(text), cipher.final()]).toString('base64')
        return JSON.stringify({ [spec.data]: data, [spec.iv]: iv.toString('base64') })
      },
    },
  })
}

/** 32 ASCII characters, not the 16 bytes that they would be as hex. */
function keyOf(secret: string): Buffer {
  return Buffer.from(createHash('sha1').update(secret).digest('hex').slice(0, 32), 'latin1')
}

const DOES_NOT_OPEN = refusal('signature_invalid', 'the envelope does not open')

function open(
  postback: Postback,
  spec: EnvelopeCheck,
  keys: readonly Buffer[],
  readJson: ReadJson,
): Result<Opened, Refusal> {
  const data = readPart(postback, spec.data)
  if (!data.ok) return data
  const iv = readPart(postback, spec.iv)
  if (!iv.ok) return iv
  const isWhole = data.value.length > 0 && data.value.length % BLOCK_BYTES === 0
  if (!isWhole || iv.value.length !== BLOCK_BYTES) {
    return fail(refusal('signature_malformed', 'the envelope has no whole blocks'))
  }
  let refused = DOES_NOT_OPEN
  for (const key of keys) {
    const text = decrypt(data.value, iv.value, key)
    const inside = text === undefined ? undefined : readJson(postback, text)
    if (text !== undefined && inside?.ok) {
      return ok({ text, iv: iv.value, postback: inside.value })
    }
    // Text that is no JSON was not decrypted; JSON beyond a limit was.
    if (inside && !inside.ok && inside.error.reason !== 'body_invalid') refused = inside.error
  }
  return fail(refused)
}

function decrypt(data: Buffer, iv: Buffer, key: Buffer): string | undefined {
  try {
    const decipher = createDecipheriv(CIPHER, key, iv)
    const bytes = Buffer.concat([decipher.update(data), decipher.final()])
    // Senders pad with further blanks and NULs.
    return isUtf8(bytes) ? bytes.toString('utf8').replace(/[\0-\x20]+$/, '') : undefined
  } catch {
    return undefined
  }
}

function readPart(postback: Postback, name: string): Result<Buffer, Refusal> {
  const { found, value } = readParam(postback, paramKey(name))
  if (found === 'none' || value === '') return fail(refusal('signature_missing', name))
  if (found === 'many') return fail(refusal('param_duplicate', name))
  const bytes = found === 'one' ? decodeText(value, 'base64') : undefined
  return bytes ? ok(bytes) : fail(refusal('signature_malformed', name))
}
