/**
 * Boot ROMs of network cards: the user's, or those of iPXE that distributions have for QEMU's cards, which are ours
 * (Debian's package `ipxe-qemu`).
 */

import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { VivariumError } from '../base/errors.ts';
import { LARGEST_ROM_BYTES } from '../devices/pci/expansion-rom.ts';
import { readImage } from '../host/node/files.ts';
import type { NicModel } from '../net/options.ts';

/** Debian and Arch; Fedora; where QEMU itself installs them. */
const FOLDERS = ['/usr/lib/ipxe/qemu', '/usr/share/ipxe/qemu', '/usr/share/qemu', '/usr/local/share/qemu'];

/** Undefined where no ROM for the card is installed. */
export async function findBootRom(model: NicModel, folders: readonly string[] = FOLDERS): Promise<string | undefined> {
  for (const folder of folders) {
    const path = join(folder, `pxe-${model}.rom`);
    const isThere = await access(path).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  return undefined;
}

/** Throws a `bad-file` VivariumError. */
export async function readBootRom(path: string): Promise<Uint8Array> {
  const bytes = await readImage(path, 'boot ROM');
  if (bytes.length > 0 && bytes.length <= LARGEST_ROM_BYTES) return bytes;
  const message = `The boot ROM ${path} cannot be used: its ${bytes.length} bytes are not 1 byte to 16 MiB.`;
  throw new VivariumError({ kind: 'bad-file', path }, message);
}
