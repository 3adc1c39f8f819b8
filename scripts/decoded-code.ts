/** Adds what scripts/builtin-snapshot.ts has found decoded to a file of generated code: cpu/interpreter/decoded-code.ts. */

import { readFile, rename, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { deflateSync } from 'node:zlib';
import { withDecoded } from '../src/cpu/interpreter/decoded-code.ts';

export const DECODED_CODE = fileURLToPath(new URL('../dist/decoded-code.bin', import.meta.url));

/** Nothing is added where there is none yet; what is of other sources is not used by engines. */
export async function addDecoded(path: string): Promise<void> {
  const decoded = await readFile(DECODED_CODE).catch(() => undefined);
  if (decoded === undefined) return;
  const module = await readFile(path);
  await writeFile(`${path}.new`, withDecoded(module, decoded, deflateSync(decoded, { level: 9 })));
  await rename(`${path}.new`, path);
}
