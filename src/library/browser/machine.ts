/** A browser, where the machine runs. */

import { VivariumError } from '../../base/errors.ts';
import { Overlay } from '../../block/overlay.ts';
import { SparseMemory } from '../../block/sparse-memory.ts';
import { BlobDisk } from '../../host/browser/blob-disk.ts';
import { fetchGeneratedCode } from '../../host/browser/generated-code.ts';
import { openOpfsDisk } from '../../host/browser/opfs-disk.ts';
import { browserPacking, browserPlatform, gunzip } from '../../host/browser/platform.ts';
import type { AssetName } from '../machine-calls.ts';
import type { MachinePlatform } from '../platform.ts';

/** As seen from dist/library/browser/ and from src/library/browser/ alike; in words that bundlers look for. */
const ASSETS: Readonly<Record<AssetName, URL>> = {
  kernel: new URL('../../../guests/builtin/vmlinuz', import.meta.url),
  initrd: new URL('../../../guests/builtin/initramfs.cpio.gz', import.meta.url),
  snapshot: new URL('../../../dist/builtin.snapshot', import.meta.url),
  generatedCode: new URL('../../../dist/generated-code.wasm', import.meta.url),
  bios: new URL('../../../firmware/bios-256k.bin', import.meta.url),
  vgaBios: new URL('../../../firmware/vgabios-stdvga.bin', import.meta.url),
};

export const browserMachine: MachinePlatform = {
  host: browserPlatform,
  packing: browserPacking,
  gunzip,
  async read(source, role) {
    const url = 'url' in source ? source.url : source.path;
    try {
      const response = await fetch(url);
      if (!response.ok) throw new Error(`the server says ${response.status}`);
      return new Uint8Array(await response.arrayBuffer());
    } catch (cause) {
      const message = `The ${role} ${url} cannot be read: ${(cause as Error).message}.`;
      throw new VivariumError({ kind: 'bad-file', path: url }, message, { cause });
    }
  },
  assetUrl: (name) => ASSETS[name].href,
  generatedCode: fetchGeneratedCode,
  async openDisk(source) {
    if (source instanceof Blob) return new BlobDisk(source);
    if ('kept' in source) return openOpfsDisk(source.kept, source.createBytes);
    throw new VivariumError({ kind: 'bad-option', option: 'disk' }, 'Browsers have no paths: give a Blob or bytes.');
  },
  throwAway: async (below) => new Overlay(below, new SparseMemory()),
  folder: undefined,
  sockets: undefined,
  // The URL is the embedder's own, which no bundler can know.
  importModule: (url) => import(/* @vite-ignore */ url),
};
