/**
 * A signature as a check: read from where it is carried, decoded strictly, compared in constant time
 * with the one each configured secret gives. The algorithm is the rule's, never the sender's.
 */
import { fail, ok, type Result } from '../base/result.ts'
import type { Postback } from '../model/postback.ts'
import type { Refusal } from '../reasons.ts'
import type { RuleFault } from '../rules/rule-fault.ts'
import { compileSource, type Source } from '../rules/source.ts'
import { refusal, type CompiledCheck, type VerifyOptions } from './context.ts'
import { decodeSignature, encodeSignature, type Encoding } from './encoding.ts'
import { equalsAny } from './equal.ts'
import type { Recipe } from './recipe.ts'

/** How the signature is written, and where. */
export interface Carrier {
  readonly from: string
  readonly encoding: Encoding
  /** Hex digits that are sent, from the left. */
  readonly truncate?: number
  /** Literal text in front. */
  readonly prefix?: string
}

interface Form {
  readonly from: Source
  readonly encoding: Encoding
  readonly bytes: number
  readonly prefix: string
}

export function compileSigned(
  carrier: Carrier,
  recipe: Recipe,
  options: VerifyOptions,
  path: RuleFault['path'],
): Result<CompiledCheck, readonly RuleFault[]> {
  const source = compileSource(carrier.from)
  if (!source.ok) return fail([{ path: [...path, 'from'], message: source.error }])
  const secrets = options.secrets ?? []
  if (recipe.usesSecret && isMissing(secrets)) return fail([secretMissing(path)])
  const bytes = bytesOf(carrier, recipe)
  if (bytes === undefined) {
    return fail([
      {
        path: [...path, 'truncate'],
        message: 'an even number of hex digits, fewer than the algorithm gives',
      },
    ])
  }
  // A recipe keyed by a setting is tried once, with no secret.
  const tried = recipe.usesSecret ? secrets : ['']
  const { encoding, prefix = '' } = carrier
  const form: Form = { from: source.value, encoding, bytes, prefix }
  return ok({
    check: postback => {
      const given = readSignature(postback, form)
      if (!given.ok) return given.error
      const expected: Buffer[] = []
      for (const secret of tried) {
        const signature = recipe.sign(postback, secret)
        if (!signature.ok) return signature.error
        expected.push(signature.value.subarray(0, bytes))
      }
      return equalsAny(given.value, expected)
        ? undefined
        : refusal('signature_invalid', carrier.from)
    },
    proof: {
      from: source.value,
      fromText: carrier.from,
      kind: 'signature',
      value: postback => {
        const signature = recipe.sign(postback, tried[0] ?? '')
        if (!signature.ok) return signature
        return ok(prefix + encodeSignature(signature.value.subarray(0, bytes), encoding))
      },
    },
  })
}

export function isMissing(secrets: readonly string[]): boolean {
  return secrets.length === 0 || secrets.includes('')
}

export function secretMissing(path: RuleFault['path']): RuleFault {
  return {
    path,
    message: 'this check needs a secret and none is configured, or an empty one',
    hint: 'set `secrets: [${ENV}]` of the network',
  }
}

function bytesOf({ encoding, truncate }: Carrier, recipe: Recipe): number | undefined {
  if (truncate === undefined) return recipe.bytes
  const bytes = truncate / 2
  return encoding === 'hex' && Number.isInteger(bytes) && bytes < recipe.bytes ? bytes : undefined
}

function readSignature(
  postback: Postback,
  { from, encoding, bytes, prefix }: Form,
): Result<Buffer, Refusal> {
  const { found, value } = from.read(postback)
  if (found === 'none' || value === '') return fail(refusal('signature_missing', from.name))
  if (found === 'many') return fail(refusal('param_duplicate', 'the signature'))
  const isWhole = found === 'one' && value.startsWith(prefix)
  const signature = isWhole
    ? decodeSignature(value.slice(prefix.length), encoding, bytes)
    : undefined
  return signature ? ok(signature) : fail(refusal('signature_malformed', from.name))
}
