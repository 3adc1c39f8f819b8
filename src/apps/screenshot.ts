/** The screen as a PNG file: for `--screenshot`, at the end and whenever it is asked for, and for `vivarium screen`. */

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

  /** What the screen shows now. As `write`. */
  take(screen: Screen): Promise<void> {
    return this.#inTurn(() => this.#replace(pictureOf(screen)));
  }

  /** Replaces the file as a whole: who looks finds an old picture or a new one. Rejects with a VivariumError. */
  write(png: Uint8Array): Promise<void> {
    return this.#inTurn(() => this.#replace(png));
  }

  #inTurn(write: () => Promise<void>): Promise<void> {
    const written = this.#last.then(write);
    this.#last = written.catch(() => {});
    return written;
  }

  async #replace(png: Uint8Array): Promise<void> {
    const part = `${this.#path}.part`;
    try {
      await writeFile(part, png);
      await rename(part, this.#path);
    } catch (error) {
      await rm(part, { force: true });
      throw refusal(this.#path, 'host', error);
    }
  }
}

/** A PNG file. */
export function pictureOf(screen: Screen): Uint8Array {
  return encodePng(screen.image(), (bytes) => deflateSync(bytes));
}

function refusal(path: string, kind: 'bad-file' | 'host', cause: unknown): VivariumError {
  const message = `The screenshot ${path} cannot be written: ${reasonOf(cause)}.`;
  return new VivariumError(kind === 'host' ? { kind } : { kind, path }, message, { cause });
}
