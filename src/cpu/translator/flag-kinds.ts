/**
 * Flags as a region keeps them where it cannot know who reads them: which recipe they follow from, as a number, and the
 * recipe's inputs, widened to 64 bits. `materializeFlags` makes flags of that at run time.
 */

import { defineRoutine, type FlagRecipe, type Type, type Value } from '../algebra.ts';
import { FLAG_RECIPES } from '../isa/flag-recipes.ts';

const WIDTHS: readonly Type[] = [64, 32, 8, 16];

/** The flags are in their fields. */
export const NO_KIND = 0;

export function kindOf(recipe: FlagRecipe, type: Type): number {
  return 1 + FLAG_RECIPES.indexOf(recipe) * WIDTHS.length + WIDTHS.indexOf(type);
}

/** (kind, three inputs): writes the flags that the recipe writes. */
export const materializeFlags = defineRoutine({
  name: 'materializeFlags',
  params: [32, 64, 64, 64],
  results: [],
  faults: false,
  body(m, kind, ...inputs) {
    for (const recipe of FLAG_RECIPES) {
      const first = kindOf(recipe, WIDTHS[0]);
      const ofRecipe = m.ltU(m.sub(kind, m.const(32, first)), m.const(32, WIDTHS.length));
      m.if(ofRecipe, () => {
        for (const type of WIDTHS) {
          const values = (): Value[] => inputs.slice(0, recipe.inputs).map((input) => m.trunc(input, type));
          m.if(m.eq(kind, m.const(32, kindOf(recipe, type))), () => m.setFlagsBy(recipe, ...values()));
        }
      });
    }
    return [];
  },
});
