/**
 * How a signature is made, apart from where it is carried and how it is compared. One file a recipe;
 * a new one joins `RECIPES` in recipes.ts and the schema's signature check.
 */
import type { Result } from '../base/result.ts'
import type { Postback } from '../model/postback.ts'
import type { Refusal } from '../reasons.ts'
import type { RuleFault } from '../rules/rule-fault.ts'
import type { SignatureCheck } from '../rules/check-schema.ts'
import type { VerifyOptions } from './context.ts'

export interface Recipe {
  /** Length of a signature in bytes. */
  readonly bytes: number
  /** Whether a configured secret takes part; false where a setting does instead. */
  readonly usesSecret: boolean
  /** The signature this secret gives, or why the postback cannot be signed. */
  sign(postback: Postback, secret: string): Result<Buffer, Refusal>
}

export type CompileRecipe = (
  check: SignatureCheck,
  options: VerifyOptions,
  path: RuleFault['path'],
) => Result<Recipe, readonly RuleFault[]>
