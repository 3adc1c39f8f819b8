/** Storage for what is thrown away: a file without a name, gone with the process however that ends. */

import { type FileHandle, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BlockBackend } from '../../base/block.ts';
import { VivariumError } from '../../base/errors.ts';
import { Overlay, type OverlayStore } from '../../block/overlay.ts';
import { DiskFile } from './disk-file.ts';
import { reasonOf } from './files.ts';

/** A disk whose writes are forgotten when it is closed. Throws a `host` VivariumError where there is no room for it. */
export async function throwAway(below: BlockBackend, folder = tmpdir()): Promise<BlockBackend> {
  return new Overlay(below, await scratchFile(folder, below.sizeBytes));
}

async function scratchFile(folder: string, sizeBytes: number): Promise<OverlayStore> {
  try {
    const path = join(folder, `vivarium-${crypto.randomUUID()}`);
    const file = await open(path, 'wx+', 0o600);
    await rm(path);
    const store = new ScratchFile(file, sizeBytes);
    await store.clear();
    return store;
  } catch (error) {
    const message = `Writes to a snapshot cannot be kept in ${folder}: ${reasonOf(error)}.`;
    throw new VivariumError({ kind: 'host' }, message, { cause: error });
  }
}

/** Sparse: what was not written to it is zeros, and takes no room. */
class ScratchFile extends DiskFile implements OverlayStore {
  readonly #file: FileHandle;

  constructor(file: FileHandle, sizeBytes: number) {
    super(file, sizeBytes, false);
    this.#file = file;
  }

  override async flush(): Promise<void> {}

  async clear(): Promise<void> {
    await this.#file.truncate(0);
    await this.#file.truncate(this.sizeBytes);
  }
}
