/** Every signature recipe by name. The schema has no other than `template` so far. */
import type { CompileRecipe } from './recipe.ts'
import { compileTemplateRecipe } from './template-recipe.ts'

export const RECIPES = {
  template: compileTemplateRecipe,
} as const satisfies Record<string, CompileRecipe>
