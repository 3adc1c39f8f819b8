/** Settings of V8 that generated code profits from. */

import { setFlagsFromString } from 'node:v8';

/** Versions of V8 whose flag for branch hints is known; others have them anyway, or say that they know no such flag. */
const HINTS_BEHIND_FLAG = { from: 11, to: 13 };

/**
 * Has V8 heed branch hints in WebAssembly: most branches of a region lead to its cold end, which should cost neither
 * registers nor place among what runs. To be called before the first module is compiled.
 */
export function enableBranchHints(): void {
  const version = Number.parseInt(process.versions.v8, 10);
  if (version < HINTS_BEHIND_FLAG.from || version > HINTS_BEHIND_FLAG.to) return;
  setFlagsFromString('--experimental-wasm-branch-hinting');
}
