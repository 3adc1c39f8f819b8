/** Settings of V8 that generated code profits from. */

import { setFlagsFromString } from 'node:v8';

interface EngineFlag {
  readonly flag: string;
  /** Versions of V8 that are known to have it, and not to do so anyway. */
  readonly from: number;
  readonly to: number;
}

const FLAGS: readonly EngineFlag[] = [
  // Most branches of a region lead to its cold end, which should cost neither registers nor place among what runs.
  { flag: '--experimental-wasm-branch-hinting', from: 11, to: 13 },
  // Functions here are as large as is good for them. Each entry of one that V8's first tier compiled asks for a record
  // of its calls, and what is inlined makes a switch interpreter's region slower by a third.
  { flag: '--no-wasm-inlining', from: 12, to: 14 },
];

/** To be called before the first module of WebAssembly is compiled. */
export function setEngineFlags(): void {
  const version = Number.parseInt(process.versions.v8, 10);
  for (const { flag, from, to } of FLAGS) {
    if (version >= from && version <= to) setFlagsFromString(flag);
  }
}
