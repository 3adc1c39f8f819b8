/**
 * Settings of V8 that generated code profits from. They are named for the versions whose flags are known: others have them
 * anyway, or would say that they know no such flag. To be called before the first module is compiled.
 */

import { setFlagsFromString } from 'node:v8';

const V8_VERSION = Number.parseFloat(process.versions.v8);

/**
 * Has V8 heed branch hints in WebAssembly: most branches of a region lead to its cold end, which should cost neither
 * registers nor place among what runs.
 */
export function enableBranchHints(): void {
  if (V8_VERSION >= 11 && V8_VERSION <= 13.9) setFlagsFromString('--experimental-wasm-branch-hinting');
}

/**
 * Has V8 inline nothing within WebAssembly. There is little to inline, for generated functions go on by tail calls; and
 * wherever it might, V8's first tier asks for a record of calls as a function is entered, a twentieth of a boot.
 *
 * For programs whose process this is: what others compiled before may rely on what is switched off.
 */
export function forbidInlining(): void {
  if (V8_VERSION < 13.6 || V8_VERSION > 14.9) return;
  // What needs inlining goes first: V8 looks at what one flag means for the others only when it starts.
  setFlagsFromString('--no-wasm-inlining-call-indirect');
  setFlagsFromString('--no-wasm-deopt');
  setFlagsFromString('--no-wasm-inlining');
}
