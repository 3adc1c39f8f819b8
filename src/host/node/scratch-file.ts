/** Storage for what is thrown away: a file without a name, gone with the process however that ends. */

import { randomUUID } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
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
    const path = join(folder, `vivarium-${randomUUID()}`);
    const file = await open(path, 'wx+', 0o600);
    await rm(path);
    return new ScratchFile(file, sizeBytes, false);
  } catch (error) {
    const message = `Writes to a snapshot cannot be kept in ${folder}: ${reasonOf(error)}.`;
    throw new VivariumError({ kind: 'host' }, message, { cause: error });
  }
}

/** Sparse: as large as what was written to it. */
class ScratchFile extends DiskFile {
  override async flush(): Promise<void> {}
}
