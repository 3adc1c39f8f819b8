/** Node, where the machine runs: files, sockets, folders. */

import { fileURLToPath } from 'node:url';
import { VivariumError } from '../../base/errors.ts';
import { MemoryDisk } from '../../block/memory-disk.ts';
import { openDiskFile } from '../../host/node/disk-file.ts';
import { readImage } from '../../host/node/files.ts';
import { openFolder } from '../../host/node/folder.ts';
import { gunzip, nodePacking, nodePlatform } from '../../host/node/platform.ts';
import { throwAway } from '../../host/node/scratch-file.ts';
import { NodeSockets } from '../../host/node/sockets.ts';
import type { AssetName } from '../machine-calls.ts';
import type { MachinePlatform } from '../platform.ts';

/** As seen from dist/library/node/ and from src/library/node/ alike. */
const ASSETS: Readonly<Record<AssetName, string>> = {
  kernel: '../../../guests/builtin/vmlinuz',
  initrd: '../../../guests/builtin/initramfs.cpio.gz',
  snapshot: '../../../dist/builtin.snapshot',
  generatedCode: '../../../dist/generated-code.wasm',
  bios: '../../../firmware/bios-256k.bin',
  vgaBios: '../../../firmware/vgabios-stdvga.bin',
};

export const nodeMachine: MachinePlatform = {
  host: nodePlatform,
  packing: nodePacking,
  gunzip,
  async read(source, role) {
    if ('path' in source) return readImage(source.path, role);
    if (source.url.startsWith('file:')) return readImage(fileURLToPath(source.url), role);
    return fetched(source.url, role);
  },
  assetUrl: (name) => new URL(ASSETS[name], import.meta.url).href,
  async openDisk(source, options) {
    if (source instanceof Blob) return new MemoryDisk(new Uint8Array(await source.arrayBuffer()), true);
    if ('path' in source) return openDiskFile(source.path, options);
    const message = 'Only browsers keep disks by a name: give the path of a file.';
    throw new VivariumError({ kind: 'bad-option', option: 'disk' }, message);
  },
  throwAway: (below) => throwAway(below),
  folder: async (path, readOnly) => openFolder(path, { readOnly }),
  sockets: () => new NodeSockets(),
  importModule: (url) => import(url),
};

async function fetched(url: string, role: string): Promise<Uint8Array> {
  try {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`the server says ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  } catch (cause) {
    const message = `The ${role} ${url} cannot be read: ${(cause as Error).message}.`;
    throw new VivariumError({ kind: 'bad-file', path: url }, message, { cause });
  }
}
