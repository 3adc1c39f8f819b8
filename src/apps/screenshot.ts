/** `--screenshot`: the screen as a PNG file, at the end and whenever it is asked for. */

import { constants } from 'node:fs';
import { access, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { deflateSync } from 'node:zlib';
import { VivariumError } from '../base/errors.ts';
import type { Screen } from '../base/screen.ts';
import { reasonOf } from '../host/node/files.ts';
import { encodePng } from '../host/png.ts';

export class Screenshot {
  readonly #path: string;
  /** One after another. */
  #last: Promise<void> = Promise.resolve();

  private constructor(path: string) {
    this.#path = path;
  }

  /** Throws a `bad-file` VivariumError where no file can be made. */
  static async prepare(path: string): Promise<Screenshot> {
    try {
      await access(dirname(path), constants.W_OK);
    } catch (error) {
      throw refusal(path, 'bad-file', error);
    }
    return new Screenshot(path);
  }

  /** Replaces the file as a whole: who looks finds an old picture or a new one. Rejects with a VivariumError. */
  take(screen: Screen): Promise<void> {
    const taken = this.#last.then(() => this.#write(screen));
    this.#last = taken.catch(() => {});
    return taken;
  }

  async #write(screen: Screen): Promise<void> {
    const part = `${this.#path}.part`;
    try {
      await writeFile(
        part,
        encodePng(screen.image(), (bytes) => deflateSync(bytes)),
      );
      await rename(part, this.#path);
    } catch (error) {
      await rm(part, { force: true });
      throw refusal(this.#path, 'host', error);
    }
  }
}

function refusal(path: string, kind: 'bad-file' | 'host', cause: unknown): VivariumError {
  const message = `The screenshot ${path} cannot be written: ${reasonOf(cause)}.`;
  return new VivariumError(kind === 'host' ? { kind } : { kind, path }, message, { cause });
}
