/** `--screenshot`: the screen as a PNG file, at the end and whenever it is asked for. */

import { rename, writeFile } from 'node:fs/promises';
import { deflateSync } from 'node:zlib';
import { VivariumError } from '../base/errors.ts';
import type { Screen } from '../base/screen.ts';
import { reasonOf } from '../host/node/files.ts';
import { encodePng } from '../host/png.ts';

/** Replaces the file as a whole: who looks finds an old picture or a new one. Throws a `bad-file` VivariumError. */
export async function takeScreenshot(screen: Screen, path: string): Promise<void> {
  const png = encodePng(screen.image(), (bytes) => deflateSync(bytes));
  try {
    await writeFile(`${path}.part`, png);
    await rename(`${path}.part`, path);
  } catch (error) {
    const message = `The screenshot ${path} cannot be written: ${reasonOf(error)}.`;
    throw new VivariumError({ kind: 'bad-file', path }, message, { cause: error });
  }
}
