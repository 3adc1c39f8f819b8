/**
 * Makes generated-code.wasm, src/cpu/interpreter/generated-code.ts. Part of each build: what is bundled and what was
 * generated must be of the same sources.
 */

import { rename, writeFile } from 'node:fs/promises';
import { Engine } from '../src/cpu/interpreter/engine.ts';
import { MachineMemory } from '../src/cpu/machine-memory.ts';

export async function writeGeneratedCode(path: string): Promise<void> {
  let made: Uint8Array | undefined;
  new Engine(new MachineMemory(1 << 20), {
    codeMade: (code) => {
      made = code;
    },
  });
  if (made === undefined) throw new Error('The engine has generated no code.');
  // In one step, lest somebody reads half of it.
  await writeFile(`${path}.new`, made);
  await rename(`${path}.new`, path);
}
