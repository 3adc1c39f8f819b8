/**
 * Makes generated-code.wasm, src/cpu/interpreter/generated-code.ts. Part of each build: what is bundled and what was
 * generated must be of the same sources. What scripts/builtin-snapshot.ts has found decoded is added (cpu/interpreter/
 * decoded-code.ts), if it was built before; of other sources, engines do not use it.
 */

import { readFile, rename, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { deflateSync } from 'node:zlib';
import { withDecoded } from '../src/cpu/interpreter/decoded-code.ts';
import { Engine } from '../src/cpu/interpreter/engine.ts';
import { MachineMemory } from '../src/cpu/machine-memory.ts';

export const DECODED_CODE = fileURLToPath(new URL('../dist/decoded-code.bin', import.meta.url));

export async function writeGeneratedCode(path: string): Promise<void> {
  let made: Uint8Array | undefined;
  new Engine(new MachineMemory(1 << 20), {
    codeMade: (code) => {
      made = code;
    },
  });
  if (made === undefined) throw new Error('The engine has generated no code.');
  const decoded = await readFile(DECODED_CODE).catch(() => undefined);
  // In one step, lest somebody reads half of it.
  await writeFile(`${path}.new`, decoded ? withDecoded(made, decoded, deflateSync(decoded)) : made);
  await rename(`${path}.new`, path);
}
